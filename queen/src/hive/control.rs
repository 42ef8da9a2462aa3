//! The Hive as the control plane sees it.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use web::hive::{
    Action, Amended, Amendment, Amount, By, Claim, Claimed, Counted, Coverage, Deed, DronePage, DroneQuery, Estimate,
    Hive, HiveError, Identity, LineCounts, NewTask, NotFound, Original, ResultsFound, StreamQuery, Submitted,
    Subscription, TaskFilter, TaskPage, TaskQuery, Upload,
};
use web::metrics::Measures;
use web::model::{
    DroneHistory, DroneView, EventId, FailureGroup, HistoryView, LeaseView, Overview, Series, Step, StreamView,
    TaskCounts, TaskHistory, TaskState, TaskView, Throughput, Timestamp,
};
use wire::blob::BlobBuf;
use wire::ids::{DroneId, TaskId};

use super::refusal::{computed_again, ended_already, not_retried, unreadable};
use super::shared::{Disk, SharedHive};
use super::state::State;
use super::story::label;
use super::submit::Incoming;
use crate::clock::Now;

impl SharedHive {
    /// Changes a task that has not ended; answers when that is on disk.
    async fn change_live(
        &self,
        id: TaskId,
        change: impl FnOnce(&mut State, Now) + Send,
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
}

#[async_trait]
impl Hive for SharedHive {
    async fn claim(&self, key: [u8; 32]) -> Result<Claimed, HiveError> {
        let now = self.now().on;
        let Some(number) = self.serving()?.keys.claim(key) else {
            let reason = "a request with this idempotency key is still under way; wait for its answer".into();
            return Err(HiveError::Conflict(reason));
        };
        let hive = self.clone();
        let claim = Claim::new(move || hive.lock().keys.drop_claim(&key, number));
        let known = self.read(move |reader| reader.key(&key, now)).await.map_err(unreadable)?;
        if let Some((Identity { fingerprint, .. }, task)) = known {
            return Ok(Claimed::Known { task, fingerprint });
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
        let begun = self.inner.clock.elapsed();
        let submitted = self.submit_few(new, inputs, identity, waits).await?;
        self.inner.recorder.submitted(self.inner.clock.elapsed().saturating_sub(begun));
        Ok(submitted)
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

    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, HiveError> {
        self.list(query).await
    }

    async fn count(&self, filter: TaskFilter) -> Result<TaskCounts, HiveError> {
        self.count_tasks(filter).await
    }

    async fn lines(&self, filter: TaskFilter) -> Result<LineCounts, HiveError> {
        self.count_lines(filter).await
    }

    async fn failed_since(&self, since: Timestamp) -> Result<Counted, HiveError> {
        self.count_failed(since).await
    }

    async fn failures(&self) -> Result<Vec<FailureGroup>, HiveError> {
        self.failures_by_reason().await
    }

    async fn computed(&self, id: TaskId) -> Result<ResultsFound, HiveError> {
        let waiting = self.serving()?.wait_for_results(id);
        match waiting {
            Some(waiting) => self.awaited(id, waiting).await,
            None => self.results_of(id, 0..u64::MAX).await,
        }
    }

    async fn ended(&self, id: TaskId) -> Result<TaskView, HiveError> {
        loop {
            // A task that leaves its batch is waited for anew.
            let Some(waiting) = self.serving()?.wait_for_end(id, self.now()) else { return self.task(id).await };
            // An error means that the task is gone, which who waits will be told next.
            let _ = waiting.await;
        }
    }

    async fn results(&self, id: TaskId, range: Range<u64>) -> Result<ResultsFound, HiveError> {
        self.results_of(id, range).await
    }

    async fn not_found(&self, id: TaskId, range: Range<u64>) -> Result<NotFound, HiveError> {
        self.not_found_of(id, range).await
    }

    async fn coverage(&self, id: TaskId, from: u64, limit: usize) -> Result<Coverage, HiveError> {
        self.coverage_of(id, from, limit).await
    }

    async fn original(&self, id: TaskId, most: usize) -> Result<Original, HiveError> {
        self.original_of(id, most).await
    }

    async fn estimate(&self, new: &NewTask, inputs: &[Amount]) -> Result<Estimate, HiveError> {
        self.estimate_of(new, inputs)
    }

    async fn cancel(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.detach(id).await?;
        // Even a full disk takes that, from its ballast; of a task in a batch it does not take that it leaves that first.
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

    async fn amend(&self, id: TaskId, amendment: Amendment) -> Result<Amended, HiveError> {
        let mut before = None;
        let change = |state: &mut State, now| {
            before = state.view(id, now);
            state.amend(id, amendment, now);
        };
        let task = self.change_live(id, change).await?;
        Ok(Amended { before: before.unwrap_or_else(|| task.clone()), task })
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
        // A large task's bytes are freed after the lock is released.
        let (removed, ack) = self.change_durably(slot, |hive, now| hive.remove_ended(id, now));
        match removed {
            Some(_record) => self.durable(ack).await,
            None => Err(computed_again(id)),
        }
    }

    async fn drones(&self, query: DroneQuery) -> Result<DronePage, HiveError> {
        Ok(self.serving()?.drone_page(&query, self.now()))
    }

    async fn drone_rates(&self) -> Result<BTreeMap<DroneId, f64>, HiveError> {
        Ok(self.serving()?.drone_rates(self.now()))
    }

    async fn drone(&self, id: DroneId) -> Result<DroneView, HiveError> {
        self.serving()?.drone(id, self.now()).ok_or(HiveError::NoDrone(id))
    }

    async fn drain(&self, id: DroneId) -> Result<DroneView, HiveError> {
        drop(self.serving()?);
        self.change(|state, now| {
            let is_there = state.drain(id, now);
            connected(state.drone(id, now).ok_or(HiveError::NoDrone(id))?, is_there)
        })
    }

    async fn disconnect(&self, id: DroneId, by: By) -> Result<DroneView, HiveError> {
        drop(self.serving()?);
        self.change(|state, now| {
            let drone = state.drone(id, now).ok_or(HiveError::NoDrone(id))?;
            let drone = connected(drone, state.may_be_cut_off(id))?;
            // The log tells it before what follows from it.
            let target = web::label("drone", id, Some(&drone.name));
            state.log_deed(Deed::done(by, Action::Disconnect, target), now);
            state.disconnect(id, now);
            Ok(state.drone(id, now).unwrap_or(drone))
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

    async fn history(&self, series: &[Series], step: Step) -> Result<HistoryView, HiveError> {
        Ok(self.inner.recorder.history().read(series, step, self.now()))
    }

    async fn drone_history(&self, id: DroneId) -> Result<DroneHistory, HiveError> {
        Ok(self.inner.recorder.history().drone(id, self.now()))
    }

    async fn drone_leases(&self, id: DroneId) -> Result<Vec<LeaseView>, HiveError> {
        let (state, now) = (self.serving()?, self.now());
        if state.fleet.is_known(id) { Ok(state.leases_of(id, now)) } else { Err(HiveError::NoDrone(id)) }
    }

    async fn stream(&self, query: StreamQuery) -> Result<StreamView, HiveError> {
        self.stream_page(&query).await
    }

    async fn task_history(&self, id: TaskId) -> Result<TaskHistory, HiveError> {
        Ok(self.inner.recorder.history().task(id, self.now()))
    }

    async fn throughput(&self) -> Result<Throughput, HiveError> {
        Ok(self.inner.recorder.history().throughput(self.now()))
    }

    async fn measures(&self) -> Result<Measures, HiveError> {
        // Also while she takes over what there is on disk: that is when somebody looks.
        let (overview, recovering) = {
            let state = self.lock();
            (self.overview_of(&state, self.now()), state.is_serving().is_err())
        };
        let Disk { directory, journal, .. } = &self.inner.disk;
        let journal = directory.as_ref().map(|_| journal.measures());
        Ok(Measures { overview, recovering, journal, dropped_log_lines: drone::console::dropped_lines() })
    }

    fn started_at(&self) -> Timestamp {
        self.inner.started_at
    }

    fn tell(&self, deed: Deed) {
        self.log_deed(deed);
    }

    fn subscribe(&self, last: Option<EventId>) -> Subscription {
        self.lock().feed.subscribe(last, self.now().elapsed)
    }
}

/// A Drone to which something was done that only one that `is_there` can be told.
fn connected(drone: DroneView, is_there: bool) -> Result<DroneView, HiveError> {
    match is_there {
        true => Ok(drone),
        false => Err(HiveError::Conflict(format!(
            "drone {} ({}) is not connected: it is {}",
            drone.id, drone.name, drone.state
        ))),
    }
}
