//! Computing again what has been computed: the results of a Drone that gave a wrong one, and
//! what is missing of a task that failed or was cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use web::hive::HiveError;
use web::model::{TaskState, TaskView};
use wire::ids::{DroneId, TaskId};

use super::amend::{Times, amended, check_deadline, renew};
use super::record::Record;
use super::refusal::{full, not_retried, stopping, unreadable};
use super::run_state::Rework;
use super::shared::SharedHive;
use super::state::State;
use crate::clock::Now;
use crate::core::{Event, RangeSet};
use crate::store::{Change, Live, StoreError, Suspects};
use crate::work::{Ending, Tally};

/// Tasks whose suspect results are looked up at a time.
const AT_ONCE: usize = 64;

/// Tasks that had ended and are computed again at a time; the others wait on disk.
const MOST: usize = 1024;

/// How soon it is looked again whether there is room, or a disk.
const LATER: Duration = Duration::from_millis(500);

impl SharedHive {
    /// Takes up all that is suspect, some tasks at a time. Tasks whose end was on its way to the
    /// disk when their results became suspect are found the second time.
    pub(super) async fn compute_again(&self) {
        let _turn = self.inner.rework.lock().await;
        for _ in 0..2 {
            let mut after = TaskId(0);
            loop {
                let hive = self.clone();
                // Nothing is committed between looking and revoking, so that what is read holds.
                match self.inner.disk.journal.between(move || hive.take_up(after)).await {
                    None if self.lock().fleet.is_dismissed() => return,
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
        let reader = &self.inner.disk.reader;
        let some = reader.suspects(after, AT_ONCE)?;
        let last = some.last().map(|suspects| suspects.task);
        for suspects in some {
            let marks = reader.trusted_marks(suspects.task)?;
            if self.change(|state, now| state.take_up(&suspects, marks, now))
                && let Some(live) = reader.revive(suspects.task)?
            {
                self.change(|state, now| state.reopen(live, suspects.drone.unwrap_or(DroneId(0)), now));
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
        let slot = self.prompt_slot().await?;
        let hive = self.clone();
        // Nothing is committed between reading and taking up, so that what is read holds.
        let retried = self.inner.disk.journal.between(move || {
            let live = hive.inner.disk.reader.revive(id).map_err(unreadable)?;
            let live = live.ok_or_else(|| hive.lock().tasks.missing(id))?;
            if live.task.ending.as_ref().is_some_and(|ending| ending.state == TaskState::Done) {
                return Err(not_retried(id, live.task.terms.name.as_deref(), TaskState::Done));
            }
            let owner = live.task.terms.owner_id();
            let (view, ack) = hive.change_durably(slot, |state, now| {
                state.admit_owner(owner, hive.inner.max_queued)?;
                state.retry(live, deadline_seconds, now)?;
                state.view(id, now).ok_or_else(|| state.tasks.missing(id))
            });
            view.map(|view| (view, ack))
        });
        let Some(retried) = retried.await else {
            self.admit_change()?;
            return Err(stopping());
        };
        let (view, ack) = retried?;
        self.durable(ack).await.map(|()| view)
    }
}

impl State {
    /// Has suspect results of a task computed again, of whose results that are not in doubt so many are marks of a
    /// search; whether it is not in memory, so that it has to be [`reopen`](Self::reopen)ed.
    pub(super) fn take_up(&mut self, suspects: &Suspects, marks: u64, now: Now) -> bool {
        self.recount_marks(suspects.task, marks);
        !self.revoke(suspects.task, &suspects.ranges, now) && suspects.has_ended
    }

    /// Has suspect results of a task in memory computed again; whether it is there. Those that
    /// were computed again already, and are on their way to the disk, are in memory.
    fn revoke(&mut self, id: TaskId, ranges: &RangeSet, now: Now) -> bool {
        let trusted = self.tasks.change(id, |record| {
            record.replace_suspects();
            record.trusted()
        });
        let Some(trusted) = trusted else { return false };
        let mut suspect = ranges.clone();
        for right in trusted.iter() {
            while suspect.take_within(&right).is_some() {}
        }
        for range in suspect.iter() {
            self.handle(Event::Revoke { task: id, range }, now);
        }
        true
    }

    /// So many marks of a search are on disk and not in doubt.
    fn recount_marks(&mut self, id: TaskId, marks: u64) {
        self.tasks.change(id, |record| {
            if record.inputs.are_implied() {
                record.search_state_mut().recount(marks);
            }
        });
    }

    /// Takes a task up that has ended, whose suspect results are to be computed again.
    pub(super) fn reopen(&mut self, mut live: Live, drone: DroneId, now: Now) {
        if self.tasks.is_leaving(live.task.id) {
            return;
        }
        self.tasks.without_leaving(&mut live);
        let is_wanted = |ending: &Ending| ending.state == TaskState::Done && !live.suspect.is_empty();
        let Some(ending) = live.task.ending.clone().filter(is_wanted) else { return };
        // What was never computed, since enough was found before, is not wanted now either.
        let (id, done, corrected) = (live.task.id, live.suspect.gaps(live.task.total), live.task.corrected);
        let mut record = Record::revived(live);
        record.terms = self.tasks.share_counted(&record.terms);
        self.budget.charge(record.weight());
        record.rework(ending, Rework { drone, corrected: 0 }, corrected);
        // It was counted on disk.
        self.tasks.recount(record.tally(), Tally::default());
        self.reworks += 1;
        self.enter(id, record, done, now);
    }

    /// Takes a failed or cancelled task up.
    pub(super) fn retry(
        &mut self,
        mut live: Live,
        deadline_seconds: Option<Option<u32>>,
        now: Now,
    ) -> Result<(), HiveError> {
        let id = live.task.id;
        if self.tasks.get(id).is_some() {
            return Err(HiveError::Conflict(format!("{} is being retried already", self.tasks.label(id))));
        }
        if self.tasks.is_leaving(id) {
            return Err(HiveError::TaskGone(id));
        }
        self.tasks.without_leaving(&mut live);
        let times = Times { created: live.task.created, now: now.on };
        check_deadline(id, &live.task.terms, times, deadline_seconds)?;
        renew(Arc::make_mut(&mut live.task.terms), times, deadline_seconds);
        let done = live.done.clone();
        let ending = live.task.ending.clone();
        let mut record = Record::revived(live);
        record.terms = self.tasks.share_counted(&record.terms);
        let mut memory = self.budget.reserve();
        memory.grow(record.weight()).map_err(full)?;
        memory.commit(record.weight());
        if let Some(ending) = ending {
            self.tasks.recount(Tally { state: ending.state, ..record.tally() }, Tally::default());
        }
        self.outgoing.push(Change::Reopen(id));
        if deadline_seconds.is_some() {
            self.outgoing.push(amended(id, &record.terms));
        }
        self.enter(id, record, done, now);
        Ok(())
    }
}
