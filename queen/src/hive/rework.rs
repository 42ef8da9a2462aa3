//! Computing again what has been computed: the results of a Drone that gave a wrong one, and
//! what is missing of a task that failed or was cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use web::hive::HiveError;
use web::model::{Change as News, TaskState, TaskView};
use wire::ids::{DroneId, TaskId};

use super::SharedHive;
use super::amend::{Times, amended, renew};
use super::control::ended_already;
use super::record::{Record, due};
use super::state::State;
use super::story::Story;
use super::upload::full;
use super::verify::Lie;
use crate::core::{Event, RangeSet, Time};
use crate::kinds::Terms;
use crate::store::{Change, Ending, Live, Piece, StoreError, Suspects, Tally};

/// Tasks whose suspect results are looked up at a time.
const AT_ONCE: usize = 64;

/// Tasks that had ended and are computed again at a time; the others wait on disk.
const MOST: usize = 1024;

/// How soon it is looked again whether there is room, or a disk.
const LATER: Duration = Duration::from_millis(500);

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
        let (is_news, _) = self.change_durably(slot, |state, now| state.convict(&lie, now));
        if is_news {
            let hive = self.clone();
            tokio::spawn(async move { hive.compute_again().await });
        }
    }

    /// Takes up all that is suspect, some tasks at a time. Tasks whose end was on its way to the
    /// disk when their results became suspect are found the second time.
    pub(super) async fn compute_again(&self) {
        let _turn = self.inner.rework.lock().await;
        let Some(disk) = &self.inner.disk else {
            self.change(|state, now| state.rework_in_memory(now));
            return;
        };
        for _ in 0..2 {
            let mut after = TaskId(0);
            loop {
                let hive = self.clone();
                // Nothing is committed between looking and revoking, so that what is read holds.
                match disk.journal.between(move || hive.take_up(after)).await {
                    None if self.lock().is_dismissed => return,
                    // The disk does not take writes at present.
                    None => tokio::time::sleep(LATER).await,
                    Some(Err(error)) => {
                        tracing::error!(%error, "suspect results cannot be looked up; they are when the Queen starts anew");
                        return;
                    }
                    Some(Ok(Some(last))) => after = last,
                    Some(Ok(None)) => break,
                }
                // A timeout, since the notice may have come before.
                while self.lock().reworks >= MOST {
                    let _ = timeout(LATER, self.inner.reworked.notified()).await;
                }
            }
        }
    }

    /// Has some suspect results computed again; says what the last task of them is.
    fn take_up(&self, after: TaskId) -> Result<Option<TaskId>, StoreError> {
        let Some(disk) = &self.inner.disk else { return Ok(None) };
        let some = disk.reader.suspects(after, AT_ONCE)?;
        let last = some.last().map(|suspects| suspects.task);
        for Suspects { task, has_ended, ranges, drone } in some {
            if self.change(|state, now| state.revoke(task, &ranges, now)) || !has_ended {
                continue;
            }
            if let Some(live) = disk.reader.revive(task)? {
                self.change(|state, now| state.reopen(live, drone.unwrap_or(DroneId(0)), now));
            }
        }
        Ok(last)
    }

    /// Has what is missing of a failed or cancelled task computed.
    pub(super) async fn begin_again(
        &self,
        id: TaskId,
        deadline_seconds: Option<Option<u32>>,
    ) -> Result<TaskView, HiveError> {
        self.admit()?;
        let found = self.lock().tasks.get(id).map(|record| (record.state(), record.terms.name.clone()));
        if let Some((state, name)) = found.filter(|(state, _)| !state.has_ended() || *state == TaskState::Done) {
            return Err(not_retried(id, name.as_deref(), state));
        }
        if self.inner.disk.is_none() {
            let view = self.change(|state, now| {
                state.retry_in_memory(id, deadline_seconds, now)?;
                state.view(id, now).ok_or_else(|| state.missing(id))
            });
            return view;
        }
        let Some(disk) = &self.inner.disk else { return Err(self.lock().missing(id)) };
        let slot = self.prompt_slot().await?;
        let hive = self.clone();
        // Nothing is committed between reading and taking up, so that what is read holds.
        let retried = disk.journal.between(move || {
            let disk = hive.inner.disk.as_ref();
            let live = disk.and_then(|disk| disk.reader.revive(id).transpose()).transpose();
            let live = live.map_err(super::reading::unreadable)?.ok_or_else(|| hive.lock().missing(id))?;
            if live.task.ending.as_ref().is_some_and(|ending| ending.state == TaskState::Done) {
                return Err(not_retried(id, live.task.terms.name.as_deref(), TaskState::Done));
            }
            let owner = live.task.terms.owner_id();
            let (view, ack) = hive.change_durably(slot, |state, now| {
                state.admit_owner(owner, hive.inner.max_queued)?;
                state.retry(live, deadline_seconds, now)?;
                state.view(id, now).ok_or_else(|| state.missing(id))
            });
            view.map(|view| (view, ack))
        });
        let Some(retried) = retried.await else {
            self.admit_change()?;
            return Err(super::upload::stopping());
        };
        let (view, ack) = retried?;
        self.durable(ack).await.map(|()| view)
    }
}

impl State {
    /// A Drone gave a wrong result; whether that is the first one that is known of it.
    fn convict(&mut self, lie: &Lie, now: Time) -> bool {
        let Lie { drone, task, index } = *lie;
        self.audits.verified.wrong += 1;
        if let Some(presence) = self.presences.get_mut(&drone) {
            presence.wrong += 1;
        }
        if !self.registry.convict(drone) {
            return false;
        }
        let reason = format!("it gave a wrong result for item {index} of {}", self.label(task));
        self.distrust(drone, reason);
        self.changes.push(Change::Suspect { drone });
        let begun: Vec<_> = self.tasks.iter().filter(|(_, task)| task.outputs().is_some()).map(|(id, _)| id).collect();
        for id in begun {
            if let Some(record) = self.tasks.get_mut(id) {
                record.suspect(drone);
            }
        }
        self.end_audits_of(drone, now);
        self.claims.forget_of(drone);
        self.handle(Event::Quarantine { drone }, now);
        true
    }

    /// Has suspect results of a task in memory computed again; whether it is there. Those that
    /// were computed again already, and are on their way to the disk, are in memory.
    fn revoke(&mut self, id: TaskId, ranges: &RangeSet, now: Time) -> bool {
        let Some(record) = self.tasks.get_mut(id) else { return false };
        record.expect_old();
        let mut suspect = ranges.clone();
        for right in record.trusted().iter() {
            while suspect.take_within(&right).is_some() {}
        }
        for range in suspect.iter() {
            self.handle(Event::Revoke { task: id, range }, now);
        }
        true
    }

    /// Takes a task up that has ended, whose suspect results are to be computed again.
    pub(super) fn reopen(&mut self, mut live: Live, drone: DroneId, now: Time) {
        if self.leaving.contains(&live.task.id) {
            return;
        }
        self.without_leaving(&mut live);
        let is_wanted = |ending: &Ending| ending.state == TaskState::Done && !live.suspect.is_empty();
        let Some(ending) = live.task.ending.clone().filter(is_wanted) else { return };
        let (id, done, corrected) = (live.task.id, live.done.clone(), live.task.corrected);
        let mut record = Record::revived(live);
        record.terms = self.share_counted(&record.terms);
        self.budget.take(record.weight());
        record.rework(ending, Rework { drone, corrected: 0 }, corrected);
        // It was counted on disk.
        self.recount(record.tally(), Tally::default());
        self.reworks += 1;
        self.enter(id, record, done, now);
    }

    /// Takes a failed or cancelled task up.
    pub(super) fn retry(
        &mut self,
        mut live: Live,
        deadline_seconds: Option<Option<u32>>,
        now: Time,
    ) -> Result<(), HiveError> {
        let id = live.task.id;
        if self.tasks.get(id).is_some() {
            return Err(HiveError::Conflict(format!("{} is being retried already", self.label(id))));
        }
        if self.leaving.contains(&id) {
            return Err(HiveError::TaskGone(id));
        }
        self.without_leaving(&mut live);
        let times = Times { created: live.task.created, now: self.on(now) };
        check_deadline(id, &live.task.terms, times, deadline_seconds)?;
        renew(Arc::make_mut(&mut live.task.terms), times, deadline_seconds);
        let done = live.done.clone();
        let ending = live.task.ending.clone();
        let mut record = Record::revived(live);
        record.terms = self.share_counted(&record.terms);
        let mut memory = self.budget.reserve();
        memory.grow(record.weight()).map_err(full)?;
        memory.keep(record.weight());
        if let Some(ending) = ending {
            self.recount(Tally { state: ending.state, ..record.tally() }, Tally::default());
        }
        self.changes.push(Change::Reopen(id));
        if deadline_seconds.is_some() {
            self.changes.push(amended(id, &record.terms));
        }
        self.enter(id, record, done, now);
        Ok(())
    }

    /// The same where nothing is on disk.
    fn retry_in_memory(
        &mut self,
        id: TaskId,
        deadline_seconds: Option<Option<u32>>,
        now: Time,
    ) -> Result<(), HiveError> {
        let missing = self.missing(id);
        let on = self.on(now);
        let Some(record) = self.tasks.get_mut(id) else { return Err(missing) };
        let times = Times { created: record.created, now: on };
        check_deadline(id, &record.terms, times, deadline_seconds)?;
        renew(Arc::make_mut(&mut record.terms), times, deadline_seconds);
        let Some(mut record) = self.take_out(id) else { return Err(missing) };
        let done = record.begin_again();
        self.enter(id, record, done, now);
        Ok(())
    }

    /// Has all results of a Drone that nobody computed a second time computed again, where
    /// nothing is on disk.
    fn rework_in_memory(&mut self, now: Time) {
        let ids: Vec<_> = self.tasks.iter().map(|(id, _)| id).collect();
        for id in ids {
            let Some(record) = self.tasks.get(id) else { continue };
            let suspect = record.suspects();
            if suspect.is_empty() {
                continue;
            }
            if !record.state().has_ended() || record.is_rework() {
                self.revoke(id, &suspect, now);
            } else if record.state() == TaskState::Done
                && let Some(mut record) = self.take_out(id)
            {
                let drone = record.suspected().unwrap_or(DroneId(0));
                let done = suspect.gaps(record.inputs.total());
                self.reworks += 1;
                record.rework_again(Rework { drone, corrected: 0 });
                self.enter(id, record, done, now);
            }
        }
    }

    /// Counts and tells what of new results differs from what was there.
    pub(super) fn correct(&mut self, id: TaskId, new: &Piece, old: &[Piece]) {
        let Some(rework) = self.tasks.get_mut(id).and_then(Record::rework_mut) else { return };
        let mut changed = RangeSet::default();
        for (index, before) in old.iter().flat_map(Piece::iter) {
            if new.get(index).is_some_and(|now| now != before) {
                changed.insert(index..index + 1);
            }
        }
        rework.corrected += changed.len();
        let drone = rework.drone;
        let owner = self.tasks.get(id).and_then(|record| record.terms.owner_id());
        let ranges: Vec<_> = changed.iter().collect();
        let all = ranges.first().zip(ranges.last()).map(|(first, last)| first.start..last.end);
        let ranges = if ranges.len() > TOLD { all.into_iter().collect() } else { ranges };
        for range in ranges {
            self.feed.publish(News::ResultChanged { task: id, from: range.start, to: range.end, drone, owner });
        }
    }

    /// All that was suspect of a task has been computed again.
    pub(super) fn cleared(&mut self, id: TaskId) {
        let label = self.label(id);
        let Some(corrected) = self.tasks.get_mut(id).and_then(Record::clear) else { return };
        self.reworks -= 1;
        self.stories.push(Story::Cleared { task: label, corrected });
        self.changes.push(Change::Cleared { task: id, corrected });
        self.feed.task(id);
    }
}

pub(super) fn not_retried(id: TaskId, name: Option<&str>, state: TaskState) -> HiveError {
    match state {
        TaskState::Done => ended_already(id, name, state),
        _ => HiveError::Conflict(format!(
            "{} is {state}: only a task that failed or was cancelled can be retried",
            super::label(id, name)
        )),
    }
}

/// A task whose deadline has passed would fail again, unless it is given another one.
///
/// # Errors
/// If that is so.
pub(super) fn check_deadline(
    id: TaskId,
    terms: &Terms,
    times: Times,
    deadline_seconds: Option<Option<u32>>,
) -> Result<(), HiveError> {
    let has_passed = due(terms, times.created).is_some_and(|due| due <= times.now);
    match has_passed && deadline_seconds.is_none() {
        true => Err(HiveError::Conflict(format!(
            "the deadline of {} has passed, so it would fail again: give it a new one with `deadline_seconds`, \
             or none with null",
            super::label(id, terms.name.as_deref())
        ))),
        false => Ok(()),
    }
}
