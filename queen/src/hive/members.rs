//! The tasks of batches.
//!
//! A batch is one entry whose inputs are tasks of their own: that of index n has the id behind
//! the batch's by 1 + n. It is computed, stored and forgotten as one; what is known of each of
//! its tasks apart from that is here. One that is changed, cancelled or retried alone leaves its
//! batch first, and is a task like any other from then on.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use web::hive::{HiveError, NewTask, ResultsFound};
use web::model::{TaskState, TaskView};
use wire::blob::BlobBuf;
use wire::ids::TaskId;

use super::SharedHive;
use super::amend::{Times, renew};
use super::control::computed_again;
use super::journal::{Ack, Slot};
use super::reading::{ResultReader, unreadable};
use super::record::{Record, finish, stored_view};
use super::rework::check_deadline;
use super::state::State;
use super::upload::{Ready, stopping};
use crate::core::{Event, RangeSet, Time};
use crate::kinds::{Job, Terms, member_id};
use crate::store::{Change, Detached, Ending, Fate, Live, Stored, StoredMember, Submission, Tally};

/// What a task that has left its batch takes of memory there, in bytes.
const DETACHED: u64 = 64;

/// Which of a batch's tasks are where.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// The batch is on disk, or as good as that: there are such tasks.
    is_there: bool,
    /// Whose results are on disk, or as good as that.
    stored: RangeSet,
    /// Who has left; why, if it failed.
    detached: BTreeMap<u64, Option<Box<str>>>,
    failed: u64,
    /// How many of those who have left had results on disk.
    forgotten: u64,
}

impl Members {
    /// As they are on disk.
    pub(super) fn revived(done: RangeSet, suspect: RangeSet, detached: BTreeMap<u64, Option<Box<str>>>) -> Self {
        let mut stored = done;
        suspect.iter().for_each(|range| stored.insert(range));
        let failed = detached.values().filter(|error| error.is_some()).count() as u64;
        let forgotten = detached.len() as u64;
        Self { is_there: true, stored, detached, failed, forgotten }
    }

    pub(super) fn weight(&self) -> u64 {
        self.detached.len() as u64 * DETACHED
    }

    pub(super) fn tally(&self, state: TaskState, total: u64) -> Tally {
        let done = self.stored.len() - self.forgotten;
        Tally { state, open: total - done - self.detached.len() as u64, done, failed: self.failed }
    }

    /// Who has left.
    pub(super) fn gone(&self) -> impl Iterator<Item = u64> {
        self.detached.keys().copied()
    }

    /// What is to be said of a batch whose tasks are done but for some.
    pub(super) fn failure(&self) -> Option<Box<str>> {
        let (index, error) = self.detached.iter().find_map(|(index, error)| Some((index, error.as_deref()?)))?;
        let s = if self.failed == 1 { "" } else { "s" };
        Some(format!("{} task{s} of it failed, the first at index {index}: {error}", self.failed).into())
    }

    fn detach(&mut self, index: u64, error: Option<Box<str>>) {
        self.failed += u64::from(error.is_some());
        let was_stored = self.stored.contains(index);
        match self.detached.insert(index, error) {
            Some(before) => self.failed -= u64::from(before.is_some()),
            None => self.forgotten += u64::from(was_stored),
        }
    }
}

/// A task of a batch in memory.
struct Found {
    batch: TaskId,
    index: u64,
    job: Job,
}

impl State {
    /// The batch in memory that a task belongs to, and its index there.
    fn member(&self, id: TaskId) -> Option<(TaskId, u64)> {
        let batch = *self.batches.range(..id).next_back()?;
        let index = id.0 - batch.0 - 1;
        let record = self.tasks.get(batch)?;
        let is_there = record.members().is_some_and(|members| members.is_there);
        (is_there && index < record.inputs.total()).then_some((batch, index))
    }

    /// A task that is in a batch in memory, and has not left it for a row of its own. `is_hasty`: its
    /// result need not be on disk.
    pub(super) fn member_view(&self, id: TaskId, is_hasty: bool, now: Time) -> Option<TaskView> {
        let (batch, index) = self.member(id)?;
        let record = self.tasks.get(batch)?;
        let members = record.members()?;
        let mut view = match members.detached.get(&index) {
            Some(None) => return None,
            Some(Some(error)) => failed(id, &stored_batch(batch, record), error),
            None => {
                let mut view = if is_hasty { record.view_ahead(batch, None) } else { record.view(batch, None) };
                let item = self.core.item(batch, index).filter(|_| !view.state.has_ended() && !record.is_rework());
                view.done = u64::from(members.stored.contains(index) || is_hasty && record.has_output(index));
                match view.done {
                    1 => view.state = TaskState::Done,
                    _ if view.state == TaskState::Running && item == Some(false) => view.state = TaskState::Pending,
                    _ => {}
                }
                view
            }
        };
        if !view.state.has_ended() {
            let why = if view.state == TaskState::Running { None } else { self.core.waiting(batch) };
            view.waiting_because = why.map(|why| self.waiting(why, view.owner_id));
            view.eta_seconds = self.core.task(batch, now).and_then(|status| status.eta).map(|eta| eta.as_secs_f64());
        }
        Some(as_member(view, id, batch))
    }

    /// Results of a batch are on disk.
    pub(super) fn members_stored(&mut self, batch: TaskId, range: Range<u64>) {
        let Some(record) = self.tasks.get_mut(batch).filter(|record| record.terms.batch) else { return };
        let before = record.tally();
        let members = record.members_mut();
        // Those that replace others are there already.
        while members.stored.take_within(&range).is_some() {}
        members.stored.insert(range.clone());
        let after = record.tally();
        self.recount(before, after);
        self.wake(member_id(batch, range.start)..member_id(batch, range.end));
    }

    /// A batch is on disk.
    pub(super) fn batch_is_there(&mut self, batch: TaskId) {
        if let Some(record) = self.tasks.get_mut(batch) {
            record.members_mut().is_there = true;
        }
    }

    pub(super) fn recount(&mut self, before: Tally, after: Tally) {
        before.counts().into_iter().for_each(|(state, count)| self.counts.add(state, -count));
        after.counts().into_iter().for_each(|(state, count)| self.counts.add(state, count));
    }

    /// A task of a batch in memory leaves it.
    fn leave_batch(&mut self, batch: TaskId, index: u64, fate: Fate, now: Time) {
        let own = match &fate {
            Fate::Own(new) => {
                let terms = self.share_counted(&new.terms);
                Some(Record::new(terms, new.inputs.clone(), new.created))
            }
            Fate::Failed(_) | Fate::Forgotten { .. } => None,
        };
        self.note_detached(batch, index, fate);
        if let Some(mut own) = own {
            let id = member_id(batch, index);
            if self.tasks.get(batch).is_some_and(Record::is_paused) {
                own.pause(true);
                self.changes.push(Change::Pause { task: id, paused: true });
            }
            self.enter(id, own, RangeSet::default(), now);
        }
        self.handle(Event::Detach { task: batch, index }, now);
    }

    /// The same, apart from what the core has to know.
    fn note_detached(&mut self, batch: TaskId, index: u64, fate: Fate) {
        let Some(record) = self.tasks.get_mut(batch) else { return };
        let (before, weight) = (record.tally(), record.weight());
        let error = if let Fate::Failed(error) = &fate { Some(error.clone()) } else { None };
        record.members_mut().detach(index, error);
        let (after, more) = (record.tally(), record.weight() - weight);
        self.budget.take(more);
        self.recount(before, after);
        self.changes.push(Change::Detach { batch, index, fate });
        self.feed.task(batch);
        let id = member_id(batch, index);
        self.wake(id..TaskId(id.0 + 1));
    }

    /// A task of a batch cannot be computed.
    pub(super) fn member_failed(&mut self, batch: TaskId, index: u64, error: String) {
        let is_there = self.tasks.get(batch).is_some_and(|record| !record.is_rework());
        // What was there before stays, and stays suspect.
        if is_there {
            self.note_detached(batch, index, Fate::Failed(error.into()));
        }
    }
}

impl SharedHive {
    /// Has a task leave its batch that is in one and has not ended, so that it can be changed alone.
    pub(super) async fn detach(&self, id: TaskId) -> Result<(), HiveError> {
        let found = {
            let state = self.serving()?;
            let view = state.member_view(id, true, self.now()).filter(|view| !view.state.has_ended());
            view.and_then(|_| state.member(id))
                .and_then(|(batch, index)| Some(Found { batch, index, job: state.tasks.get(batch)?.job(batch) }))
        };
        let Some(Found { batch, index, job }) = found else { return Ok(()) };
        let mut ready = self.member_ready(&job, index).await?;
        let slot = self.prompt_slot().await?;
        let (_, ack) = self.change_durably(slot, |state, now| {
            // It may have ended or left meanwhile.
            if state.member_view(id, true, now).is_some_and(|view| !view.state.has_ended())
                && let Some(created) = state.tasks.get(batch).map(|record| record.created)
            {
                let inputs = ready.keep();
                let fate = own(id, &job, inputs, Times { created, now: state.on(now) }, None);
                state.leave_batch(batch, index, fate, now);
            }
        });
        self.durable(ack).await
    }

    /// Has a task leave its batch that failed there or was cancelled with it, and begin again; whether
    /// it was such a one.
    pub(super) async fn detach_again(
        &self,
        id: TaskId,
        deadline_seconds: Option<Option<u32>>,
    ) -> Result<bool, HiveError> {
        let is_wanted = |view: &TaskView| matches!(view.state, TaskState::Failed | TaskState::Cancelled);
        let found = {
            let state = self.serving()?;
            state
                .member_view(id, false, self.now())
                .filter(is_wanted)
                .and_then(|_| state.member(id))
                .and_then(|(batch, index)| Some(Found { batch, index, job: state.tasks.get(batch)?.job(batch) }))
        };
        if let Some(Found { batch, index, job }) = found {
            let mut ready = self.member_ready(&job, index).await?;
            let slot = self.prompt_slot().await?;
            let (has_left, ack) = self.change_durably(slot, |state, now| {
                let is_there = state.member_view(id, false, now).is_some_and(|view| is_wanted(&view));
                let Some(record) = state.tasks.get(batch).filter(|_| is_there) else { return Ok(false) };
                let times = Times { created: record.created, now: state.on(now) };
                check_deadline(id, &job.terms, times, deadline_seconds)?;
                let fate = own(id, &job, ready.keep(), times, deadline_seconds);
                state.leave_batch(batch, index, fate, now);
                Ok(true)
            });
            let has_left = has_left?;
            // If not, its batch has ended meanwhile, and is on disk.
            if has_left || self.inner.disk.is_none() {
                return self.durable(ack).await.map(|()| has_left);
            }
        }
        let Some(disk) = &self.inner.disk else { return Ok(false) };
        let found = self.stored_member(id).await?.filter(|member| is_wanted(&member_of_stored(id, member)));
        let Some(StoredMember { batch, index, .. }) = found else { return Ok(false) };
        let job = self.read(move |reader| reader.job(batch.id)).await.map_err(unreadable)?;
        let job = job.ok_or(HiveError::TaskGone(id))?;
        let ready = self.member_ready(&job, index).await?;
        let slot = self.prompt_slot().await?;
        let hive = self.clone();
        // Nothing is committed between looking and leaving.
        match disk.journal.between(move || hive.leave_on_disk(id, &job, ready, slot, deadline_seconds)).await {
            Some(ack) => self.durable(ack?).await.map(|()| true),
            None => Err(stopping()),
        }
    }

    /// Has a task begin again whose batch is on disk only, while nothing is committed.
    fn leave_on_disk(
        &self,
        id: TaskId,
        job: &Job,
        mut ready: Ready,
        slot: Option<Slot>,
        deadline_seconds: Option<Option<u32>>,
    ) -> Result<Option<Ack>, HiveError> {
        let Some(disk) = &self.inner.disk else { return Ok(None) };
        let member = disk.reader.member(id).map_err(unreadable)?.filter(|member| member.is_inside());
        let (left, ack) = self.change_durably(slot, |state, now| {
            // Somebody else may have had it begin again, or its batch.
            let Some(StoredMember { batch, index, .. }) = &member else { return Ok(()) };
            if state.tasks.get(id).is_some() || state.tasks.get(batch.id).is_some() {
                return Ok(());
            }
            if state.leaving.contains(&id) || state.leaving.contains(&batch.id) {
                return Err(HiveError::TaskGone(id));
            }
            let times = Times { created: batch.created, now: state.on(now) };
            check_deadline(id, &job.terms, times, deadline_seconds)?;
            let fate = own(id, job, ready.keep(), times, deadline_seconds);
            state.take_from_disk(id, batch, *index, fate, now);
            Ok(())
        });
        left.map(|()| ack)
    }

    /// Forgets a task that has ended and is in a batch; whether it was.
    pub(super) async fn remove_member(&self, id: TaskId) -> Result<bool, HiveError> {
        let is_ended = |view: &TaskView| view.state.has_ended();
        let in_memory = {
            let state = self.serving()?;
            state.member_view(id, false, self.now()).filter(is_ended).and_then(|_| state.member(id))
        };
        let found = match in_memory {
            Some(found) => Some(found),
            None => {
                let stored = self.stored_member(id).await?;
                stored
                    .filter(|member| is_ended(&member_of_stored(id, member)))
                    .map(|member| (member.batch.id, member.index))
            }
        };
        let Some((batch, index)) = found else { return Ok(false) };
        self.admit_change()?;
        let slot = self.prompt_slot().await?;
        let (removed, ack) = self.change_durably(slot, |state, now| {
            // It, or its batch, may have begun again meanwhile.
            let is_live = |view: TaskView| !view.state.has_ended();
            if state.tasks.get(id).is_some() || state.member_view(id, false, now).is_some_and(is_live) {
                return Err(computed_again(id));
            }
            match state.tasks.get(batch) {
                Some(_) => state.leave_batch(batch, index, Fate::Forgotten { on_disk: false }, now),
                None => state.leave_stored(batch, index, Fate::Forgotten { on_disk: true }),
            }
            Ok(())
        });
        removed?;
        self.durable(ack).await.map(|()| true)
    }

    /// A task of a batch, neither of which is in memory.
    pub(super) async fn stored_member(&self, id: TaskId) -> Result<Option<StoredMember>, HiveError> {
        if self.inner.disk.is_none() || id.0 >= self.lock().next_task {
            return Ok(None);
        }
        let found = self.read(move |reader| reader.member(id)).await.map_err(unreadable)?;
        Ok(found.filter(StoredMember::is_inside))
    }

    /// Who of `range` has left a batch.
    pub(super) async fn detached(&self, job: &Job, range: Range<u64>, limit: usize) -> Result<Detached, HiveError> {
        let batch = job.task;
        if !job.terms.batch {
            return Ok(Detached::new());
        }
        let found = self.lock().tasks.get(batch).map(|record| {
            let detached = record.members().into_iter().flat_map(|members| members.detached.range(range.clone()));
            detached.take(limit).map(|(index, error)| (*index, error.clone())).collect()
        });
        match found {
            Some(found) => Ok(found),
            None if self.inner.disk.is_none() => Ok(Detached::new()),
            None => self.read(move |reader| reader.detached(batch, &range, limit)).await.map_err(unreadable),
        }
    }

    /// The result of a task that is in a batch, if that is there.
    pub(super) async fn member_results(
        &self,
        id: TaskId,
        asked: &Range<u64>,
    ) -> Result<Option<ResultsFound>, HiveError> {
        let in_memory = {
            let state = self.serving()?;
            state
                .member_view(id, true, self.now())
                .zip(state.member(id))
                .and_then(|(view, (batch, index))| Some((view, index, state.tasks.get(batch)?.job(batch))))
        };
        let (task, index, job) = match in_memory {
            Some(found) => found,
            None => {
                let Some(member) = self.stored_member(id).await? else { return Ok(None) };
                let batch = member.batch.id;
                let job = self.read(move |reader| reader.job(batch)).await.map_err(unreadable)?;
                (member_of_stored(id, &member), member.index, job.ok_or(HiveError::TaskGone(id))?)
            }
        };
        let end = asked.end.min(u64::from(task.state == TaskState::Done));
        let range = asked.start.min(end)..end;
        let rest = index + range.start..index + range.end;
        let results = Box::new(ResultReader::of_member(self, job, index, rest));
        Ok(Some(ResultsFound { task, range, is_whole: true, results }))
    }

    /// The input of one task of a batch, where it stays, if a new task can be written.
    async fn member_ready(&self, job: &Job, index: u64) -> Result<Ready, HiveError> {
        {
            let state = self.serving()?;
            state.admit()?;
            // It will be a task for itself.
            state.admit_owner(job.terms.owner_id(), self.inner.max_queued)?;
        }
        let input = self.inputs(&job.inputs, &(index..index + 1)).await.map_err(unreadable)?;
        let inputs: BlobBuf = input.as_blob().iter().collect();
        let Terms { specification, name, priority, deadline, verify, owner, address, .. } = &*job.terms;
        let (specification, name) = (specification.clone(), name.as_deref().map(Into::into));
        let (priority, deadline_seconds, verify) = (*priority, *deadline, *verify);
        let (owner, address) = (owner.clone(), *address);
        let new = NewTask { specification, name, priority, deadline_seconds, batch: false, verify, owner, address };
        self.ready(&new, inputs).await
    }
}

impl State {
    /// A task goes on alone whose batch is on disk only.
    fn take_from_disk(&mut self, id: TaskId, batch: &Stored, index: u64, fate: Fate, now: Time) {
        let Fate::Own(new) = &fate else { return };
        let own = Record::new(self.share_counted(&new.terms), new.inputs.clone(), new.created);
        let state = batch.ending.as_ref().map_or(TaskState::Failed, |ending| ending.state);
        // One that failed alone failed before the batch ended.
        let state = if state == TaskState::Done { TaskState::Failed } else { state };
        self.counts.add(state, -1);
        self.leave_stored(batch.id, index, fate);
        self.enter(id, own, RangeSet::default(), now);
    }

    /// A task leaves a batch that is on disk only.
    fn leave_stored(&mut self, batch: TaskId, index: u64, fate: Fate) {
        self.leaving.insert(member_id(batch, index));
        self.changes.push(Change::Detach { batch, index, fate });
    }

    /// Counts those as gone from a batch whose leaving is on its way to the disk that it was read from.
    pub(super) fn without_leaving(&self, live: &mut Live) {
        let batch = live.task.id;
        if live.task.terms.batch {
            let tasks = member_id(batch, 0)..member_id(batch, live.task.total);
            self.leaving.range(tasks).for_each(|id| live.detach(id.0 - batch.0 - 1, None));
        }
    }
}

/// The task that one of a batch becomes.
fn own(
    id: TaskId,
    job: &Job,
    inputs: crate::store::Inputs,
    times: Times,
    deadline_seconds: Option<Option<u32>>,
) -> Fate {
    let mut terms = job.terms.of_member();
    renew(&mut terms, times, deadline_seconds);
    let terms = std::sync::Arc::new(terms);
    Fate::Own(Box::new(Submission { id, terms, inputs, created: times.created, identity: None, secret: None }))
}

/// What a row says of a batch that is in memory.
fn stored_batch(batch: TaskId, record: &Record) -> Stored {
    Stored {
        id: batch,
        terms: record.terms.clone(),
        created: record.created,
        total: record.inputs.total(),
        ending: record.ending().cloned(),
        paused: record.is_paused(),
        suspect: false,
        corrected: 0,
    }
}

/// A task that failed alone.
fn failed(id: TaskId, batch: &Stored, error: &str) -> TaskView {
    let mut view = stored_view(batch);
    let finished = batch.ending.as_ref().map_or(batch.created, |ending| ending.finished);
    let started_at = view.started_at;
    let error = Some(error.into());
    finish(&mut view, &Ending { state: TaskState::Failed, started_at, finished, done: 0, error });
    view.finished_at = batch.ending.as_ref().map(|ending| ending.finished.at);
    as_member(view, id, batch.id)
}

/// A task of a batch that is on disk.
pub(super) fn member_of_stored(id: TaskId, member: &StoredMember) -> TaskView {
    let StoredMember { batch, has_result, detached, .. } = member;
    if let Some(Some(error)) = detached {
        return failed(id, batch, error);
    }
    let mut view = stored_view(batch);
    view.done = u64::from(*has_result);
    if *has_result {
        (view.state, view.error) = (TaskState::Done, None);
    }
    as_member(view, id, batch.id)
}

/// A batch's view as one of its tasks has it.
fn as_member(view: TaskView, id: TaskId, batch: TaskId) -> TaskView {
    let is_done = view.state == TaskState::Done;
    let error = view.error.filter(|_| !is_done);
    let eta_seconds = view.eta_seconds.filter(|_| !view.state.has_ended());
    TaskView { id, batch: Some(batch), first_task: None, total: 1, rate: 0.0, corrected: 0, eta_seconds, error, ..view }
}
