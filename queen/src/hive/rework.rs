//! Computing again what has been computed: the results of a Drone that gave a wrong one, and
//! what is missing of a task that failed or was cancelled.

use std::ops::Range;

use bytes::Bytes;
use web::hive::HiveError;
use web::model::{Change as News, TaskState, TaskView};
use wire::ids::{DroneId, TaskId};

use super::SharedHive;
use super::control::ended_already;
use super::record::{Record, weight};
use super::state::State;
use super::story::Story;
use super::verify::Lie;
use crate::core::{Event, RangeSet, Time};
use crate::kinds::digest::DIGEST;
use crate::store::{Change, Live, Pieces, StoreError, Suspects};

/// Tasks whose suspect results are looked up at a time.
const AT_ONCE: usize = 256;

/// Changed ranges that are told one by one of one part of results; more are told as one.
const TOLD: usize = 64;

/// A task that had ended and is computed again in part.
#[derive(Debug)]
pub(super) struct Rework {
    /// Whose results are computed again.
    pub(super) drone: DroneId,
    /// How many of them were wrong.
    pub(super) corrected: u64,
}

impl SharedHive {
    /// A Drone gave a wrong result: it gets no more work, and all of its results that nobody
    /// computed a second time are computed again.
    pub(super) async fn caught(&self, lie: Lie) {
        let Ok(slot) = self.slot(0).await else { return };
        let drone = lie.drone;
        let ((), ack) = self.change_durably(slot, |state, now| state.convict(&lie, now));
        let hive = self.clone();
        tokio::spawn(async move {
            // An error says that it is tried again; what comes behind it waits for it.
            let _ = hive.durable(ack).await;
            if let Err(error) = hive.compute_again(drone).await {
                tracing::error!(%error, "suspect results cannot be looked up; they are after a restart of the Queen");
            }
        });
    }

    /// Takes up all that is suspect and not yet computed again.
    async fn compute_again(&self, drone: DroneId) -> Result<(), StoreError> {
        let _turn = self.inner.rework.lock().await;
        if self.inner.disk.is_none() {
            self.change(|state, now| state.rework_in_memory(drone, now));
            return Ok(());
        }
        loop {
            let mut after = TaskId(0);
            loop {
                let some = self.read(move |reader| reader.suspects(after, AT_ONCE)).await?;
                let Some(last) = some.last() else { break };
                after = last.task;
                for suspects in some {
                    self.take_up(drone, suspects).await?;
                }
            }
            if !self.lock().investigated(drone) {
                return Ok(());
            }
            // Tasks have ended meanwhile: once that is on disk, they are found.
            let Ok(slot) = self.slot(0).await else { return Ok(()) };
            if let Some(slot) = slot {
                let _ = slot.enter(Vec::new(), None).await;
            }
        }
    }

    async fn take_up(&self, drone: DroneId, suspects: Suspects) -> Result<(), StoreError> {
        let Suspects { task, has_ended, ranges } = suspects;
        if self.change(|state, now| state.revoke(task, &ranges, now)) || !has_ended {
            return Ok(());
        }
        let Some(live) = self.read(move |reader| reader.revive(task)).await? else { return Ok(()) };
        self.change(|state, now| {
            if state.tasks.get(task).is_none() {
                state.reopen(live, drone, now);
            }
        });
        Ok(())
    }

    /// Has what is missing of a failed or cancelled task computed.
    pub(super) async fn begin_again(&self, id: TaskId) -> Result<TaskView, HiveError> {
        drop(self.serving()?);
        self.admit()?;
        let found = self.lock().tasks.get(id).map(|record| (record.state(), record.terms.name.clone()));
        if let Some((state, name)) = found.filter(|(state, _)| !state.has_ended() || *state == TaskState::Done) {
            return Err(not_retried(id, name.as_deref(), state));
        }
        if self.inner.disk.is_none() {
            let view = self.change(|state, now| {
                state.retry_in_memory(id, now)?;
                state.view(id, now).ok_or_else(|| state.missing(id))
            });
            return view;
        }
        let (stored, state) = self.stored_ended(id).await?;
        if state == TaskState::Done {
            return Err(not_retried(id, stored.terms.name.as_deref(), state));
        }
        let live = self.read(move |reader| reader.revive(id)).await.map_err(super::reading::unreadable)?;
        let live = live.ok_or(HiveError::TaskGone(id))?;
        let slot = self.prompt_slot().await?;
        let (view, ack) = self.change_durably(slot, |state, now| {
            state.retry(live, now)?;
            state.view(id, now).ok_or_else(|| state.missing(id))
        });
        self.durable(ack).await?;
        view
    }
}

impl State {
    /// A Drone gave a wrong result.
    fn convict(&mut self, lie: &Lie, now: Time) {
        let Lie { drone, task, index } = *lie;
        if let Some(member) = self.members.get_mut(&drone) {
            member.wrong += 1;
        }
        let reason = format!("it gave a wrong result for item {index} of {}", self.label(task));
        self.distrust(drone, reason);
        self.changes.append(&mut self.deferred);
        self.changes.push(Change::Suspect { drone });
        self.investigations.insert(drone, false);
        let begun: Vec<_> = self.tasks.iter().filter(|(_, task)| task.outputs().is_some()).map(|(id, _)| id).collect();
        for id in begun {
            if let Some(record) = self.tasks.get_mut(id) {
                record.suspect(drone);
            }
        }
        self.handle(Event::Quarantine { drone }, now);
    }

    /// Whether tasks have ended since a Drone's results became suspect, so that they have to be
    /// looked through once more. If not, that is over.
    fn investigated(&mut self, drone: DroneId) -> bool {
        let again = self.investigations.get_mut(&drone).is_some_and(std::mem::take);
        if !again {
            self.investigations.remove(&drone);
        }
        again
    }

    /// Has suspect results of a task in memory computed again; whether it is there.
    fn revoke(&mut self, id: TaskId, ranges: &RangeSet, now: Time) -> bool {
        let Some(record) = self.tasks.get_mut(id) else { return false };
        record.expect_old();
        for range in ranges.iter() {
            self.handle(Event::Revoke { task: id, range }, now);
        }
        true
    }

    /// Takes a task up that has ended, whose suspect results are to be computed again.
    pub(super) fn reopen(&mut self, live: Live, drone: DroneId, now: Time) {
        let Live { task, inputs, done, suspect, results, old } = live;
        let Some(ending) = task.ending.filter(|ending| ending.state == TaskState::Done && !suspect.is_empty()) else {
            return;
        };
        let mut record = Record::new(task.terms, inputs, task.created_at);
        self.budget.take(weight(&record.inputs));
        for results in results.into_iter().chain(old) {
            record.outputs_mut().insert(results, DIGEST);
        }
        record.rework(ending, Rework { drone, corrected: 0 }, task.corrected);
        // It was counted on disk.
        self.count(TaskState::Done, -1);
        self.enter(task.id, record, done, now);
    }

    /// Takes a failed or cancelled task up.
    fn retry(&mut self, live: Live, now: Time) -> Result<(), HiveError> {
        let Live { task, inputs, done, suspect, results, old } = live;
        if self.tasks.get(task.id).is_some() {
            return Err(HiveError::Conflict(format!("{} is being retried already", self.label(task.id))));
        }
        let mut record = Record::new(task.terms, inputs, task.created_at);
        check_deadline(task.id, &record)?;
        self.budget.take(weight(&record.inputs));
        for results in results.into_iter().chain(old) {
            record.outputs_mut().insert(results, DIGEST);
        }
        if !suspect.is_empty() {
            record.expect_old();
        }
        if let Some(ending) = task.ending {
            self.count(ending.state, -1);
        }
        self.changes.push(Change::Reopen(task.id));
        self.enter(task.id, record, done, now);
        Ok(())
    }

    /// The same where nothing is on disk.
    fn retry_in_memory(&mut self, id: TaskId, now: Time) -> Result<(), HiveError> {
        let missing = self.missing(id);
        let Some(record) = self.tasks.get(id) else { return Err(missing) };
        check_deadline(id, record)?;
        let Some(mut record) = self.take_out(id) else { return Err(missing) };
        let done = record.begin_again();
        self.enter(id, record, done, now);
        Ok(())
    }

    /// Has all results of a Drone that nobody computed a second time computed again, where
    /// nothing is on disk.
    fn rework_in_memory(&mut self, drone: DroneId, now: Time) {
        self.investigations.remove(&drone);
        let ids: Vec<_> = self.tasks.iter().map(|(id, _)| id).collect();
        for id in ids {
            let Some(record) = self.tasks.get(id) else { continue };
            let suspect = record.suspects();
            if suspect.is_empty() {
                continue;
            }
            if !record.state().has_ended() {
                self.revoke(id, &suspect, now);
            } else if record.state() == TaskState::Done
                && !record.is_rework()
                && let Some(mut record) = self.take_out(id)
            {
                let done = suspect.gaps(record.inputs.total());
                record.rework_again(Rework { drone, corrected: 0 });
                self.enter(id, record, done, now);
            }
        }
    }

    /// Counts and tells what of new results differs from what was there.
    pub(super) fn correct(&mut self, id: TaskId, wanted: &Range<u64>, new: &Bytes, old: &Pieces) {
        let Some(rework) = self.tasks.get_mut(id).and_then(Record::rework_mut) else { return };
        let mut changed = RangeSet::default();
        for (first, bytes) in old {
            for (index, before) in (*first..).zip(bytes.chunks_exact(DIGEST)) {
                let offset = index.checked_sub(wanted.start).map(|offset| offset as usize * DIGEST);
                let now = offset.and_then(|offset| new.get(offset..offset + DIGEST));
                if now.is_some_and(|now| now != before) {
                    changed.insert(index..index + 1);
                }
            }
        }
        rework.corrected += changed.len();
        let drone = rework.drone;
        let ranges: Vec<_> = changed.iter().collect();
        let all = ranges.first().zip(ranges.last()).map(|(first, last)| first.start..last.end);
        let ranges = if ranges.len() > TOLD { all.into_iter().collect() } else { ranges };
        for range in ranges {
            self.feed.publish(News::ResultChanged { task: id, from: range.start, to: range.end, drone });
        }
    }

    /// All that was suspect of a task has been computed again.
    pub(super) fn cleared(&mut self, id: TaskId) {
        let label = self.label(id);
        let Some(corrected) = self.tasks.get_mut(id).and_then(Record::clear) else { return };
        self.stories.push(Story::Cleared { task: label, corrected });
        self.changes.push(Change::Cleared { task: id, corrected });
        self.feed.task(id);
    }
}

fn not_retried(id: TaskId, name: Option<&str>, state: TaskState) -> HiveError {
    match state {
        TaskState::Done => ended_already(id, name, state),
        _ => HiveError::Conflict(format!(
            "{} is {state}: only a task that failed or was cancelled can be retried",
            super::label(id, name)
        )),
    }
}

fn check_deadline(id: TaskId, record: &Record) -> Result<(), HiveError> {
    match record.deadline_at().is_some_and(|at| at <= web::model::Timestamp::now()) {
        true => Err(HiveError::Conflict(format!(
            "the deadline of {} has passed, so it would fail again: submit it anew",
            super::label(id, record.terms.name.as_deref())
        ))),
        false => Ok(()),
    }
}
