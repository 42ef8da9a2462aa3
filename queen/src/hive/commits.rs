//! What follows when the journal has written something, or refused it.

use wire::ids::TaskId;

use super::cache::CacheKey;
use super::record::Record;
use super::request::Request;
use super::state::State;
use crate::clock::Now;
use crate::core::Event;
use crate::store::{Change, MemberOutcome, Receipt, Removed, Submission};
use crate::work::{Ending, Tally, member_id};

impl State {
    /// A change is in the store.
    pub(super) fn committed(&mut self, change: &Change) {
        match change {
            Change::Submit(submission) => {
                // From here on the key is found in the store.
                if let Some(identity) = &submission.identity {
                    self.keys.release(&identity.key);
                }
                self.disk.has_come(submission.size());
                self.brought(submission);
                if submission.terms.batch {
                    self.tasks.change(submission.id, |record| record.members_mut().begin());
                }
            }
            Change::Results { task, results, large, .. } => {
                let range = &results.piece.range;
                let is_batch = self.tasks.is_batch(*task);
                if !is_batch && large.is_none() {
                    return;
                }
                self.tasks.change(*task, |record| {
                    if large.is_some() {
                        record.outputs_mut().remove(&results.piece);
                    }
                    if is_batch {
                        record.members_mut().stored(range.clone());
                    }
                });
                if is_batch {
                    self.tasks.waiters.wake(member_id(*task, range.start)..member_id(*task, range.end));
                }
            }
            Change::Searched { task, searched, .. } => {
                self.tasks.change(*task, |record| record.search_state_mut().stored(searched));
            }
            Change::End(id, ending) => self.settle(*id, ending),
            Change::Remove(id) => self.tasks.has_left_disk(*id),
            Change::Detach { batch, index, outcome } => {
                let id = member_id(*batch, *index);
                self.tasks.has_left_disk(id);
                if matches!(outcome, MemberOutcome::Failed(_)) {
                    self.change_task(*batch, |record| record.members_mut().has_failed(*index));
                    self.tasks.waiters.wake(id..TaskId(id.0 + 1));
                }
            }
            Change::Cleared { task, .. } => self.leave_memory(*task),
            _ => {}
        }
    }

    /// The first so many outputs of a connection are on disk.
    pub(super) fn stored(&self, receipt: Receipt) {
        self.fleet.stored(receipt);
    }

    /// The disk refuses a new task, which nobody was told of.
    pub(super) fn refuse(&mut self, submission: &Submission, now: Now) {
        if let Some(identity) = &submission.identity {
            self.keys.release(&identity.key);
            self.disk.keys -= 1;
        }
        self.disk.is_refused(submission.size());
        self.brought(submission);
        // It is taken out before the core ends it, so that its end is told to nobody.
        self.forget(submission.id);
        self.feed.removed(submission.id, submission.terms.owner_id());
        self.handle(Event::Cancel { task: submission.id }, now);
    }

    /// A task is no longer on disk.
    pub(super) fn removed(&mut self, removed: &Removed) {
        self.tasks.recount(removed.tally, Tally::default());
        self.feed.removed(removed.task, removed.owner);
    }

    /// A submission is on disk, or will never be: its long key or salt need not be in memory.
    fn brought(&mut self, submission: &Submission) {
        if let Some(secret) = &submission.secret {
            self.tasks.secrets.has_come(secret.hash);
        }
    }

    /// A task's end is in the store: nobody needs it in memory any more.
    fn settle(&mut self, id: TaskId, ending: &Ending) {
        self.change_task(id, |record| record.settle(ending));
        let members = self.tasks.get(id).map_or(0, |record| record.terms.members(record.inputs.total()));
        // A search that ends early, because enough was found, may leave suspect parts that were not searched again yet.
        if self.tasks.get(id).is_some_and(|record| record.inputs.are_implied() && record.replaces_suspects()) {
            self.requests.push(Request::Rework);
        }
        self.tasks.waiters.wake(id..TaskId(id.0 + members + 1));
        self.leave_memory(id);
    }

    /// A task that has ended is on disk as it is here.
    pub(super) fn leave_memory(&mut self, id: TaskId) {
        let Some(record) = self.tasks.get(id) else { return };
        let tally = record.tally();
        self.feed.ended(id, || record.view(id, None));
        self.forget(id);
        // It is still counted, since it is in the store.
        self.tasks.recount(Tally::default(), tally);
    }

    /// Takes a task out of memory.
    pub(super) fn forget(&mut self, id: TaskId) -> Option<Record> {
        let record = self.tasks.forget(id)?;
        drop(self.cache.remove(CacheKey::Prepared(id)));
        if let Some((large, file)) = record.inputs.in_file() {
            // Shared with whoever reads them still; freeing the whole cache takes some milliseconds.
            drop(self.cache.forget(file, large.segments.len()));
        }
        Some(record)
    }
}
