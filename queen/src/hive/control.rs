//! The Hive as the control plane sees it.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use web::hive::{
    Amendment, Claim, Claimed, Deed, Hive, HiveError, Identity, NewTask, ResultsFound, Submitted, Subscription,
    TaskFilter, Upload,
};
use web::metrics::Measures;
use web::model::{DroneView, EventId, Overview, TaskState, TaskView};
use wire::blob::BlobBuf;
use wire::ids::{DroneId, TaskId};

use super::journal::{Ack, Slot};
use super::keys::Found;
use super::members::member_of_stored;
use super::reading::{ResultReader, unreadable};
use super::record::stored_view;
use super::rework::not_retried;
use super::state::{Computed, State};
use super::upload::{Incoming, stopping};
use super::{Limit, SharedHive, label};
use crate::core::Time;
use crate::kinds::Job;
use crate::store::{Piece, StoreError, Stored};

/// When to try again that was refused for want of room.
pub(super) const RETRY: Duration = Duration::from_secs(10);

/// How long a request waits for room in the journal.
const PATIENCE: Duration = Duration::from_secs(5);

impl SharedHive {
    /// Whether a new task can be written at present.
    pub(super) fn admit(&self) -> Result<(), HiveError> {
        self.admit_task(&self.lock(), 0)
    }

    /// The same of one that takes so many bytes on disk, for who has the state.
    pub(super) fn admit_task(&self, state: &State, bytes: u64) -> Result<(), HiveError> {
        state.is_serving()?;
        state.admit()?;
        self.admit_in(state, bytes, bytes)
    }

    /// Whether a change of what there is can be written at present.
    pub(super) fn admit_change(&self) -> Result<(), HiveError> {
        self.lock().admit()
    }

    /// Whether an upload may have grown to so many bytes, which are counted already.
    pub(super) fn admit_bytes(&self, bytes: u64) -> Result<(), HiveError> {
        let largest = self.inner.disk.as_ref().map_or(u64::MAX, |disk| disk.reader.bulk().largest_file());
        if bytes > largest {
            let reason = format!(
                "with its results it takes more than the {largest} bytes that a file may have: submit it in parts, \
                 or raise the limit on file sizes (ulimit -f, or LimitFSIZE= of systemd)"
            );
            return Err(HiveError::TooLarge(reason));
        }
        self.admit_in(&self.lock(), bytes, 0)
    }

    /// Whether a task of so many `bytes` may come, of which `more` are not counted yet.
    fn admit_in(&self, state: &State, bytes: u64, more: u64) -> Result<(), HiveError> {
        let Some(disk) = &self.inner.disk else { return Ok(()) };
        let Limit { bytes: limit, removes } = disk.limit;
        if removes && bytes > limit {
            let reason = format!("it takes more than the {limit} bytes of --max-data, all other tasks apart");
            return Err(HiveError::TooLarge(reason));
        }
        let coming = more.saturating_add(disk.uploads.used());
        let bound = state.bound().saturating_add(coming);
        // More than finished tasks make room for is refused; by default they make none.
        let (taken, what) = match removes {
            true => (bound, "what cannot go"),
            false => (bound.max(state.used.saturating_add(coming)), "everything"),
        };
        if taken <= limit {
            return Ok(());
        }
        let reason = format!(
            "with it, {what} would take {taken} of {limit} bytes on disk (tasks that have not ended, idempotency keys, \
             uploads{}): wait until some have ended, delete finished ones, or start the Queen with a larger --max-data",
            if removes { "" } else { ", finished tasks" }
        );
        Err(HiveError::Unavailable { reason, retry_after: RETRY })
    }

    /// The disk did not take something that nobody has been told of.
    pub(super) fn not_written(&self, error: &StoreError) -> HiveError {
        tracing::warn!(%error, "an upload could not be written");
        HiveError::Unavailable { reason: error.refusal(), retry_after: RETRY }
    }

    /// Room in the journal for who is not to wait long for it, and not at all for a disk that takes
    /// no writes.
    pub(super) async fn prompt_slot(&self) -> Result<Option<Slot>, HiveError> {
        let impatience = async {
            self.admit_change()?;
            sleep(PATIENCE).await;
            self.admit_change()?;
            Err(behind())
        };
        tokio::select! {
            biased;
            slot = self.slot(0) => slot.map_err(|_| stopping()),
            refused = impatience => refused,
        }
    }

    /// Room in the journal for what makes room on the disk, which there is on a full disk as well.
    pub(super) async fn relief_slot(&self) -> Result<Option<Slot>, HiveError> {
        let Some(disk) = &self.inner.disk else { return Ok(None) };
        let slot = timeout(PATIENCE, disk.journal.relief_slot()).await.map_err(|_| behind())?;
        slot.map(Some).map_err(|_| stopping())
    }

    /// Waits until a change is on disk.
    pub(super) async fn durable(&self, ack: Option<Ack>) -> Result<(), HiveError> {
        let Some(ack) = ack else { return Ok(()) };
        match ack.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(HiveError::Unavailable { reason, retry_after: RETRY }),
            Err(_) => Err(stopping()),
        }
    }

    /// A task that is not in memory.
    async fn stored(&self, id: TaskId) -> Result<Stored, HiveError> {
        let missing = || self.lock().missing(id);
        let was = matches!(missing(), HiveError::TaskGone(_));
        let found = match &self.inner.disk {
            Some(_) if was => self.read(move |reader| reader.task(id)).await.map_err(unreadable)?,
            _ => None,
        };
        found.ok_or_else(missing)
    }

    /// A task of which nothing is in memory, or that is in a batch and has ended.
    async fn elsewhere(&self, id: TaskId) -> Result<TaskView, HiveError> {
        let error = match self.stored(id).await {
            Ok(stored) => return Ok(stored_view(&stored)),
            Err(error) => error,
        };
        let in_batch = self.lock().member_view(id, true, self.now());
        if let Some(view) = in_batch {
            return Ok(view);
        }
        let stored = self.stored_member(id).await?;
        stored.map(|member| member_of_stored(id, &member)).ok_or(error)
    }

    /// What comes of a task.
    pub(super) async fn awaited(
        &self,
        id: TaskId,
        waiting: oneshot::Receiver<Computed>,
    ) -> Result<ResultsFound, HiveError> {
        // An error means that the task is gone, which who waits is told now.
        let Ok(Computed { task, job, prefix, kept }) = waiting.await else {
            return self.results(id, 0..u64::MAX).await;
        };
        self.found(task, job, 0..prefix, kept).await
    }

    /// The results in `range`, which are there.
    async fn found(
        &self,
        task: TaskView,
        job: Job,
        range: Range<u64>,
        kept: Option<Vec<Piece>>,
    ) -> Result<ResultsFound, HiveError> {
        let is_whole = self.detached(&job, range.clone(), 1).await?.is_empty();
        let results = Box::new(ResultReader::new(self, job, range.clone(), kept));
        Ok(ResultsFound { task, range, is_whole, results })
    }

    /// Whether a task that was there has been removed.
    pub(super) async fn is_gone(&self, id: TaskId) -> bool {
        let is_here = self.lock().tasks.get(id).is_some();
        !is_here && matches!(self.elsewhere(id).await, Err(HiveError::TaskGone(_)))
    }

    /// Changes a task that has not ended; answers when that is on disk.
    async fn change_live(
        &self,
        id: TaskId,
        change: impl FnOnce(&mut State, Time) + Send,
    ) -> Result<TaskView, HiveError> {
        self.detach(id).await?;
        self.admit_change()?;
        let slot = self.prompt_slot().await?;
        let (changed, ack) = self.change_durably(slot, |state, now| {
            let Some(record) = state.tasks.get(id) else { return Ok(None) };
            let view = record.view_ahead(id, None);
            if view.state.has_ended() {
                return Err(ended_already(id, record.terms.name.as_deref(), view.state));
            }
            change(state, now);
            Ok(state.view(id, now))
        });
        match changed? {
            Some(view) => self.durable(ack).await.map(|()| view),
            None => {
                let view = self.ended_elsewhere(id).await?;
                Err(ended_already(id, view.name.as_deref(), view.state))
            }
        }
    }

    async fn ended_elsewhere(&self, id: TaskId) -> Result<TaskView, HiveError> {
        let view = self.elsewhere(id).await?;
        match view.state.has_ended() {
            true => Ok(view),
            // It left memory when it ended, and that was written before.
            false => Err(self.lock().missing(id)),
        }
    }
}

#[async_trait]
impl Hive for SharedHive {
    async fn claim(&self, key: [u8; 32]) -> Result<Claimed, HiveError> {
        let now = self.moment().on;
        let found = self.serving()?.keys.claim(key, now, self.inner.disk.is_some());
        let number = match found {
            Found::Free(number) => number,
            Found::Used { fingerprint, task } => return Ok(Claimed::Known { task, fingerprint }),
            Found::UnderWay => {
                let reason = "a request with this idempotency key is still under way; wait for its answer".into();
                return Err(HiveError::Conflict(reason));
            }
        };
        let hive = self.clone();
        let claim = Claim::new(move || hive.lock().keys.drop_claim(&key, number));
        if self.inner.disk.is_some() {
            let known = self.read(move |reader| reader.key(&key, now)).await.map_err(unreadable)?;
            if let Some((Identity { fingerprint, .. }, task)) = known {
                return Ok(Claimed::Known { task, fingerprint });
            }
        }
        Ok(Claimed::New(claim))
    }

    async fn submit(
        &self,
        new: NewTask,
        inputs: BlobBuf,
        identity: Option<Identity>,
        waits: bool,
    ) -> Result<Submitted, HiveError> {
        self.submit_few(new, inputs, identity, waits).await
    }

    async fn begin(&self, new: NewTask) -> Result<Box<dyn Upload>, HiveError> {
        Ok(Box::new(Incoming::begin(self, new).await?))
    }

    async fn task(&self, id: TaskId) -> Result<TaskView, HiveError> {
        let view = self.serving()?.view(id, self.now());
        match view {
            Some(view) => Ok(view),
            None => self.elsewhere(id).await,
        }
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskView>, HiveError> {
        // Memory first: what ends on disk meanwhile is then found twice, not never.
        let mut tasks = self.serving()?.list(filter, self.now());
        if self.inner.disk.is_none() {
            return Ok(tasks);
        }
        let states = match filter.state {
            Some(state) => vec![state],
            None => TaskState::ALL.to_vec(),
        };
        let before = filter.before.unwrap_or(TaskId(u64::MAX));
        let stored = self.read(move |reader| {
            let mut stored = Vec::new();
            for state in states.into_iter().filter(|state| state.has_ended()) {
                stored.extend(reader.ended(state, filter.owner, before, filter.limit)?);
            }
            Ok(stored)
        });
        let stored = stored.await.map_err(unreadable)?;
        // Stable, so that the newer of two views of one task is first.
        tasks.splice(..0, stored.iter().map(stored_view));
        tasks.sort_by_key(|task| std::cmp::Reverse(task.id));
        tasks.dedup_by_key(|task| task.id);
        tasks.truncate(filter.limit);
        Ok(tasks)
    }

    async fn computed(&self, id: TaskId) -> Result<ResultsFound, HiveError> {
        let waiting = self.serving()?.wait_hastily(id);
        match waiting {
            Some(waiting) => self.awaited(id, waiting).await,
            None => self.results(id, 0..u64::MAX).await,
        }
    }

    async fn ended(&self, id: TaskId) -> Result<TaskView, HiveError> {
        loop {
            // A task that leaves its batch is waited for anew.
            let Some(waiting) = self.serving()?.wait(id, self.now()) else { return self.task(id).await };
            // An error means that the task is gone, which who waits will be told next.
            let _ = waiting.await;
        }
    }

    async fn results(&self, id: TaskId, range: Range<u64>) -> Result<ResultsFound, HiveError> {
        let found = {
            let state = self.serving()?;
            let running = state.core.task(id, self.now());
            state
                .tasks
                .get(id)
                .map(|record| (record.view_ahead(id, running), record.status(running).prefix, record.job(id)))
        };
        let (task, prefix, job) = match found {
            Some(found) => found,
            None => {
                if let Some(found) = self.member_results(id, &range).await? {
                    return Ok(found);
                }
                let stored = self.stored(id).await?;
                let view = stored_view(&stored);
                let is_whole = view.done == view.total;
                let found = self.read(move |reader| {
                    let prefix = if is_whole { stored.total } else { reader.prefix(id)? };
                    Ok((prefix, reader.job(id)?))
                });
                let (prefix, job) = found.await.map_err(unreadable)?;
                (view, prefix, job.ok_or(HiveError::TaskGone(id))?)
            }
        };
        let end = range.end.min(prefix);
        let range = range.start.min(end)..end;
        self.found(task, job, range, None).await
    }

    async fn cancel(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.detach(id).await?;
        // Even a full disk takes that, from its ballast.
        let slot = match self.admit_change() {
            Ok(()) => self.prompt_slot().await?,
            Err(_) => self.relief_slot().await?,
        };
        let (is_here, ack) = self.change_durably(slot, |state, now| state.cancel(id, now));
        let view = match is_here? {
            true => {
                self.durable(ack).await?;
                self.ended(id).await?
            }
            false => self.ended_elsewhere(id).await?,
        };
        match view.state {
            TaskState::Cancelled => Ok(view),
            state => Err(ended_already(id, view.name.as_deref(), state)),
        }
    }

    async fn pause(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.change_live(id, |state, now| state.pause(id, true, now)).await
    }

    async fn resume(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.change_live(id, |state, now| state.pause(id, false, now)).await
    }

    async fn retry(&self, id: TaskId, deadline_seconds: Option<Option<u32>>) -> Result<TaskView, HiveError> {
        let has_left = self.detach_again(id, deadline_seconds).await?;
        let task = self.task(id).await?;
        match task.batch {
            _ if has_left => Ok(task),
            Some(_) => Err(not_retried(id, task.name.as_deref(), task.state)),
            None => self.begin_again(id, deadline_seconds).await,
        }
    }

    async fn amend(&self, id: TaskId, amendment: Amendment) -> Result<TaskView, HiveError> {
        self.change_live(id, |state, now| state.amend(id, amendment, now)).await
    }

    async fn remove(&self, id: TaskId) -> Result<(), HiveError> {
        let found = self.serving()?.tasks.get(id).map(|record| (record.state(), record.terms.name.clone()));
        let state = match &found {
            Some((state, _)) => *state,
            None if self.remove_member(id).await? => return Ok(()),
            None => self.elsewhere(id).await?.state,
        };
        if !state.has_ended() {
            let name = found.and_then(|(_, name)| name);
            let label = label(id, name.as_deref());
            let reason = format!("{label} is {state}: only a task that has ended can be removed, so cancel it first");
            return Err(HiveError::Conflict(reason));
        }
        // Even a full disk takes that, from its ballast.
        let slot = self.relief_slot().await?;
        // A large task's bytes are freed behind the lock.
        let (removed, ack) = self.change_durably(slot, |hive, now| hive.remove_ended(id, now));
        match removed {
            Some(_record) => self.durable(ack).await,
            None => Err(computed_again(id)),
        }
    }

    async fn drones(&self) -> Result<Vec<DroneView>, HiveError> {
        Ok(self.serving()?.drones(self.now()))
    }

    async fn drone(&self, id: DroneId) -> Result<DroneView, HiveError> {
        self.serving()?.drone(id, self.now()).ok_or(HiveError::NoDrone(id))
    }

    async fn drain(&self, id: DroneId) -> Result<DroneView, HiveError> {
        drop(self.serving()?);
        self.change(|state, now| {
            let is_there = state.drain(id, now);
            let view = state.drone(id, now).ok_or(HiveError::NoDrone(id))?;
            match is_there {
                true => Ok(view),
                false => Err(HiveError::Conflict(format!(
                    "drone {id} ({}) is not connected: it is {}",
                    view.name, view.state
                ))),
            }
        })
    }

    async fn pardon(&self, id: DroneId) -> Result<DroneView, HiveError> {
        drop(self.serving()?);
        let slot = self.prompt_slot().await?;
        let (view, ack) = self.change_durably(slot, |state, now| {
            state.pardon(id, now);
            state.drone(id, now).ok_or(HiveError::NoDrone(id))
        });
        self.durable(ack).await?;
        view
    }

    async fn overview(&self) -> Result<Overview, HiveError> {
        let state = self.serving()?;
        Ok(self.overview_of(&state, self.now()))
    }

    async fn measures(&self) -> Result<Measures, HiveError> {
        // Also while she takes over what there is on disk: that is when somebody looks.
        let (overview, recovering) = {
            let state = self.lock();
            (self.overview_of(&state, self.now()), state.is_serving().is_err())
        };
        let journal = self.inner.disk.as_ref().map(|disk| disk.journal.measures());
        Ok(Measures { overview, recovering, journal, dropped_log_lines: drone::console::dropped_lines() })
    }

    fn tell(&self, deed: Deed) {
        self.log_deed(deed);
    }

    fn subscribe(&self, last: Option<EventId>) -> Subscription {
        self.lock().feed.subscribe(last, self.now())
    }
}

fn behind() -> HiveError {
    HiveError::Unavailable { reason: "the disk is behind with writing".into(), retry_after: RETRY }
}

/// Why a task is not removed.
pub(super) fn computed_again(id: TaskId) -> HiveError {
    HiveError::Conflict(format!("task {id} is being computed again: cancel it first"))
}

pub(super) fn ended_already(id: TaskId, name: Option<&str>, state: TaskState) -> HiveError {
    HiveError::Conflict(format!("{} is {state} already", label(id, name)))
}
