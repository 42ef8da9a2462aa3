//! The tasks of batches.
//!
//! A batch is one entry whose inputs are tasks of their own: that of index n has the id behind
//! the batch's by 1 + n. It is computed, stored and forgotten as one; what is known of each of
//! its tasks apart from that is here. One that is changed, cancelled or retried alone leaves its
//! batch first, and is a task like any other from then on.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use web::hive::{HiveError, NewTask};
use web::model::{TaskState, TaskView};
use wire::blob::BlobBuf;
use wire::ids::TaskId;

use super::amend::{Times, check_deadline, renew};
use super::lookup::Member;
use super::record::Record;
use super::refusal::{computed_again, stopping, unreadable};
use super::shared::SharedHive;
use super::state::State;
use super::submit::Ready;
use super::views::member_of_stored;
use crate::clock::Now;
use crate::core::{Event, RangeSet};
use crate::store::{Ack, Change, Detached, MemberOutcome, Slot, Stored, StoredMember, Submission};
use crate::work::{Inputs, Job, Tally, Terms, member_id};

impl State {
    /// A task of a batch in memory leaves it.
    fn leave_batch(&mut self, batch: TaskId, index: u64, outcome: MemberOutcome, now: Now) {
        let own = match &outcome {
            MemberOutcome::Own(new) => {
                let terms = self.tasks.share_counted(&new.terms);
                Some(Record::new(terms, new.inputs.clone(), new.created))
            }
            MemberOutcome::Failed(_) | MemberOutcome::Forgotten { .. } => None,
        };
        self.note_detached(batch, index, outcome);
        if let Some(mut own) = own {
            let id = member_id(batch, index);
            if self.tasks.get(batch).is_some_and(Record::is_paused) {
                own.pause(true);
                self.outgoing.push(Change::Pause { task: id, paused: true });
            }
            self.enter(id, own, RangeSet::default(), now);
        }
        self.handle(Event::Detach { task: batch, index }, now);
    }

    /// Notes that a task leaves its batch; the core knows of it, or is told apart from this.
    pub(super) fn note_detached(&mut self, batch: TaskId, index: u64, outcome: MemberOutcome) {
        let error = if let MemberOutcome::Failed(error) = &outcome { Some(error.clone()) } else { None };
        let has_failed = error.is_some();
        if self.tasks.change(batch, |record| record.members_mut().detach(index, error)).is_none() {
            return;
        }
        self.outgoing.push(Change::Detach { batch, index, outcome });
        self.feed.task(batch);
        if !has_failed {
            // Who waits for it is told of its failure when that is on disk.
            let id = member_id(batch, index);
            self.tasks.waiters.wake(id..TaskId(id.0 + 1));
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
        };
        let Some(Member { batch, index, job }) = found else { return Ok(()) };
        let mut ready = self.member_ready(&job, index).await?;
        let slot = self.prompt_slot().await?;
        let (_, ack) = self.change_durably(slot, |state, now| {
            // It may have ended or left meanwhile.
            if state.member_view(id, true, now).is_some_and(|view| !view.state.has_ended())
                && let Some(created) = state.tasks.get(batch).map(|record| record.created)
            {
                let inputs = ready.hand_over();
                let outcome = own(id, &job, inputs, Times { created, now: now.on }, None);
                state.leave_batch(batch, index, outcome, now);
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
            state.member_view(id, false, self.now()).filter(is_wanted).and_then(|_| state.member(id))
        };
        if let Some(Member { batch, index, job }) = found {
            let mut ready = self.member_ready(&job, index).await?;
            let slot = self.prompt_slot().await?;
            let (has_left, ack) = self.change_durably(slot, |state, now| {
                let is_there = state.member_view(id, false, now).is_some_and(|view| is_wanted(&view));
                let Some(record) = state.tasks.get(batch).filter(|_| is_there) else { return Ok(false) };
                let times = Times { created: record.created, now: now.on };
                check_deadline(id, &job.terms, times, deadline_seconds)?;
                let outcome = own(id, &job, ready.hand_over(), times, deadline_seconds);
                state.leave_batch(batch, index, outcome, now);
                Ok(true)
            });
            let has_left = has_left?;
            // Otherwise its batch has ended meanwhile, and the task is looked up in the store.
            if has_left {
                return self.durable(ack).await.map(|()| has_left);
            }
        }
        let found = self.stored_member(id).await?.filter(|member| is_wanted(&member_of_stored(id, member)));
        let Some(StoredMember { batch, index, .. }) = found else { return Ok(false) };
        let job = self.read(move |reader| reader.job(batch.id)).await.map_err(unreadable)?;
        let job = job.ok_or(HiveError::TaskGone(id))?;
        let ready = self.member_ready(&job, index).await?;
        let slot = self.prompt_slot().await?;
        let hive = self.clone();
        // Nothing is committed between looking and leaving.
        match self.inner.disk.journal.between(move || hive.leave_on_disk(id, &job, ready, slot, deadline_seconds)).await
        {
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
        slot: Slot,
        deadline_seconds: Option<Option<u32>>,
    ) -> Result<Option<Ack>, HiveError> {
        let member = self.inner.disk.reader.member(id).map_err(unreadable)?.filter(|member| member.is_inside());
        let (left, ack) = self.change_durably(slot, |state, now| {
            // Somebody else may have had it begin again, or its batch.
            let Some(StoredMember { batch, index, .. }) = &member else { return Ok(()) };
            if state.tasks.get(id).is_some() || state.tasks.get(batch.id).is_some() {
                return Ok(());
            }
            if state.tasks.is_leaving(id) || state.tasks.is_leaving(batch.id) {
                return Err(HiveError::TaskGone(id));
            }
            let times = Times { created: batch.created, now: now.on };
            check_deadline(id, &job.terms, times, deadline_seconds)?;
            let outcome = own(id, job, ready.hand_over(), times, deadline_seconds);
            state.take_from_disk(id, batch, *index, outcome, now);
            Ok(())
        });
        left.map(|()| ack)
    }

    /// Forgets a task that has ended and is in a batch; whether it was.
    pub(super) async fn remove_member(&self, id: TaskId) -> Result<bool, HiveError> {
        let is_ended = |view: &TaskView| view.state.has_ended();
        let in_memory = {
            let state = self.serving()?;
            state.member_view(id, false, self.now()).filter(is_ended).and_then(|_| state.tasks.member(id))
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
                Some(_) => state.leave_batch(batch, index, MemberOutcome::Forgotten { on_disk: false }, now),
                None => state.leave_stored(batch, index, MemberOutcome::Forgotten { on_disk: true }),
            }
            Ok(())
        });
        removed?;
        self.durable(ack).await.map(|()| true)
    }

    /// A task of a batch, where neither of the two is in memory.
    pub(super) async fn stored_member(&self, id: TaskId) -> Result<Option<StoredMember>, HiveError> {
        if !self.lock().tasks.ever_was(id) {
            return Ok(None);
        }
        let found = self.read(move |reader| reader.member(id)).await.map_err(unreadable)?;
        Ok(found.filter(StoredMember::is_inside))
    }

    /// The tasks of `range` that have left a batch, at most `limit`.
    pub(super) async fn detached(&self, job: &Job, range: Range<u64>, limit: usize) -> Result<Detached, HiveError> {
        let batch = job.task;
        if !job.terms.batch {
            return Ok(Detached::new());
        }
        let found = self.lock().tasks.get(batch).map(|record| {
            record.members().map(|members| members.detached_in(range.clone(), limit)).unwrap_or_default()
        });
        match found {
            Some(found) => Ok(found),
            None => self.read(move |reader| reader.detached(batch, &range, limit)).await.map_err(unreadable),
        }
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
    fn take_from_disk(&mut self, id: TaskId, batch: &Stored, index: u64, outcome: MemberOutcome, now: Now) {
        let MemberOutcome::Own(new) = &outcome else { return };
        let own = Record::new(self.tasks.share_counted(&new.terms), new.inputs.clone(), new.created);
        let state = batch.ending.as_ref().map_or(TaskState::Failed, |ending| ending.state);
        // A task that failed in a batch which is done failed by itself, before the batch ended.
        let state = if state == TaskState::Done { TaskState::Failed } else { state };
        self.tasks.recount(Tally::one(state), Tally::default());
        self.leave_stored(batch.id, index, outcome);
        self.enter(id, own, RangeSet::default(), now);
    }

    /// A task leaves a batch that is on disk only.
    fn leave_stored(&mut self, batch: TaskId, index: u64, outcome: MemberOutcome) {
        self.tasks.leaves_disk(member_id(batch, index));
        self.outgoing.push(Change::Detach { batch, index, outcome });
    }
}

/// The task that one of a batch becomes.
fn own(id: TaskId, job: &Job, inputs: Inputs, times: Times, deadline_seconds: Option<Option<u32>>) -> MemberOutcome {
    let mut terms = job.terms.of_member();
    renew(&mut terms, times, deadline_seconds);
    let terms = Arc::new(terms);
    MemberOutcome::Own(Box::new(Submission { id, terms, inputs, created: times.created, identity: None, secret: None }))
}
