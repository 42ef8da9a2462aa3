//! What has come out of the queue and is not done yet: it is committed, or, where the disk does not
//! take it, kept for another attempt.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use wire::ids::TaskId;

use super::commit::Commit;
use super::committer::Committer;
use super::entry::Errand;
use super::intake::{Batch, Intake};
use crate::store::change::{Change, MemberOutcome};
use crate::store::error::StoreError;

/// Bytes of results for which there may be room on a full disk, of one task and of those that are
/// committed together; and how many these are at most.
const SMALL: usize = 64 << 10;
const GROUP: usize = 256;

/// How long to wait before another attempt when the disk does not take writes; twice as long each
/// time, up to the longest.
const WRITE_RETRY_DELAY: Duration = Duration::from_millis(20);
const MAX_WRITE_RETRY_DELAY: Duration = Duration::from_secs(1);

/// How often an attempt is repeated before a Queen who stops gives up.
const LAST_ATTEMPTS: u32 = 8;

/// What has come out of the queue and is not done yet.
#[derive(Default)]
pub(super) struct Pending {
    batch: Batch,
    /// How many attempts failed since one succeeded.
    failed: u32,
    /// How many of them failed since the Queen was told to stop.
    failed_stopping: u32,
    /// The writer's ballast is whole.
    has_ballast: bool,
}

impl Pending {
    /// No change is left.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.commits.is_empty()
    }

    /// Adds what comes out of the queue.
    pub(super) fn gather(&mut self, intake: &mut Intake) {
        match self.is_failing() {
            false => intake.gather(&mut self.batch),
            true => intake.gather_all(&mut self.batch),
        }
    }

    /// What is to be done next, which is no commit.
    pub(super) fn take_errand(&mut self) -> Option<Errand> {
        self.batch.then.take()
    }

    /// Tries to commit what there is. Where the disk does not take it, new tasks are refused, a full disk is
    /// given what makes room, and all else is kept for another attempt, for which it is time when this returns.
    ///
    /// # Errors
    /// If the Queen stops, and there were enough attempts.
    pub(super) fn attempt(&mut self, committer: &mut Committer, intake: &mut Intake) -> Result<(), StoreError> {
        let Err(error) = self.advance(committer, intake) else {
            if self.is_failing() {
                committer.follower.fault(None);
            }
            self.failed = 0;
            return Ok(());
        };
        // Whatever failed first, files that are gone are the reason.
        let error = committer.writer.check_files().err().unwrap_or(error);
        committer.follower.fault(Some(&error));
        if error.is_full() {
            committer.writer.empty_log();
            self.make_room(committer, intake);
        }
        self.refuse(committer, intake, &error);
        if error.is_full() {
            self.save_smallest(committer, intake);
        }
        // Who asked for it is not to wait for the disk.
        self.batch.then = None;
        self.failed += 1;
        self.failed_stopping += u32::from(intake.is_stopping());
        if self.failed_stopping >= LAST_ATTEMPTS {
            return Err(error);
        }
        std::thread::sleep(WRITE_RETRY_DELAY.saturating_mul(1 << self.failed.min(8)).min(MAX_WRITE_RETRY_DELAY));
        Ok(())
    }

    fn is_failing(&self) -> bool {
        self.failed > 0
    }

    /// Commits what there is. Once that failed, all results are written anew, but not into the room
    /// that is held back for removals; and the disk is trusted again when there is that room still.
    fn advance(&mut self, committer: &mut Committer, intake: &Intake) -> Result<(), StoreError> {
        committer.writer.check_files()?;
        if let Some(error) = self.batch.failure.take() {
            return Err(error);
        }
        if self.is_failing() {
            committer.writer.probe()?;
            intake.write(&self.batch.commits)?;
        }
        let commits = std::mem::take(&mut self.batch.commits);
        let has_commits = !commits.is_empty();
        committer.commit(commits).map_err(|(error, commits)| {
            self.batch.commits = commits;
            error
        })?;
        if self.is_failing() || has_commits && !self.has_ballast {
            committer.writer.probe()?;
            self.has_ballast = true;
        }
        Ok(())
    }

    /// On a full disk, what makes room goes first, and what the ballast leaves is its own. What was to be
    /// written of these tasks before is in vain; a task that is cancelled has done so much less.
    fn make_room(&mut self, committer: &mut Committer, intake: &mut Intake) {
        let held = self.held();
        let concerns =
            |commit: &Commit| commit.changes.iter().filter_map(Change::task).any(|task| held.contains(&task));
        let mut relief: Vec<Commit> =
            self.batch.commits.extract_if(.., |commit| commit.is_relief() && !concerns(commit)).collect();
        if relief.is_empty() {
            return;
        }
        for change in relief.iter_mut().flat_map(|commit| &mut commit.changes) {
            let lost = change.task().map_or(0, |task| self.forget(&HashSet::from([task]), intake));
            if let Change::End(_, ending) = change {
                ending.done = ending.done.saturating_sub(lost);
            }
        }
        self.has_ballast = false;
        let released = committer.writer.release_ballast();
        let written = committer.commit(relief).map_err(|(error, relief)| {
            self.batch.commits.extend(relief);
            error
        });
        if let Err(error) = released.and(written) {
            tracing::warn!(%error, "no room could be made");
        }
    }

    /// Tasks of which a row is still to come, or to be opened again, and batches that they leave: nothing
    /// of them may overtake that.
    fn held(&self) -> HashSet<TaskId> {
        let mut held = HashSet::new();
        for change in self.batch.commits.iter().flat_map(|commit| &commit.changes) {
            match change {
                Change::Submit(new) => drop(held.insert(new.id)),
                Change::Reopen(task) => drop(held.insert(*task)),
                Change::Detach { batch, outcome: MemberOutcome::Own(new), .. } => held.extend([*batch, new.id]),
                _ => {}
            }
        }
        held
    }

    /// What room a full disk has besides the ballast is given to small tasks, the smallest first: so
    /// they end, and can be removed.
    fn save_smallest(&mut self, committer: &mut Committer, intake: &Intake) {
        if !committer.writer.has_ballast() {
            return;
        }
        for tasks in self.smallest() {
            let parts: Vec<Commit> = self.batch.commits.iter_mut().filter_map(|commit| commit.part(&tasks)).collect();
            let saved = match intake.write(&parts) {
                Ok(()) => committer.commit(parts),
                Err(error) => Err((error, parts)),
            };
            if let Err((error, parts)) = saved {
                tracing::debug!(%error, "there is no room for small results");
                self.batch.commits.splice(0..0, parts);
                return;
            }
        }
    }

    /// Tasks of which little is to be written, in groups that are committed together, the smallest first.
    fn smallest(&self) -> Vec<HashSet<TaskId>> {
        let mut sizes = BTreeMap::<TaskId, usize>::new();
        for change in self.batch.commits.iter().flat_map(|commit| &commit.changes) {
            if let Some(task) = change.task() {
                *sizes.entry(task).or_default() += change.result_bytes();
            }
        }
        let held = self.held();
        let is_small = |(task, bytes): &(TaskId, usize)| *bytes <= SMALL && !held.contains(task);
        let mut tasks: Vec<_> = sizes.into_iter().filter(is_small).collect();
        tasks.sort_by_key(|(_, bytes)| *bytes);
        let mut groups = Vec::new();
        let (mut group, mut size) = (HashSet::new(), 0);
        for (task, bytes) in tasks {
            if size + bytes > SMALL || group.len() == GROUP {
                groups.push(std::mem::take(&mut group));
                size = 0;
            }
            group.insert(task);
            size += bytes;
        }
        groups.push(group);
        groups
    }

    /// What came out of the queue of these tasks is in vain; returns how many items were done by that.
    fn forget(&mut self, tasks: &HashSet<TaskId>, intake: &mut Intake) -> u64 {
        let here: u64 = self.batch.commits.iter_mut().map(|commit| commit.forget(tasks)).sum();
        here + intake.forget(tasks)
    }

    /// Refuses new tasks; what else there is of them is in vain, and all other changes stay.
    /// Nobody is left waiting for the disk.
    fn refuse(&mut self, committer: &Committer, intake: &mut Intake, error: &StoreError) {
        let mut refused = HashSet::new();
        for commit in &mut self.batch.commits {
            commit.answer(Err(error.refusal()));
            for change in &commit.changes {
                if let Change::Submit(submission) = change {
                    refused.insert(submission.id);
                    committer.refuse(submission);
                }
            }
        }
        self.forget(&refused, intake);
        intake.forget_queued(refused);
        self.batch.commits.retain(|commit| !commit.changes.is_empty() || commit.receipt.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Submission;
    use crate::store::testing::{layout, moment, piece, right, terms};
    use crate::work::{Inputs, Results, Trust};

    fn pending(commits: Vec<Vec<Change>>) -> Pending {
        let commit = |changes| Commit { changes, receipt: None, ack: None, _held: None };
        Pending {
            batch: Batch { commits: commits.into_iter().map(commit).collect(), ..Batch::default() },
            ..Pending::default()
        }
    }

    fn result(task: u64) -> Change {
        let results = Results { piece: piece(0, right(0, 1)), drone: None, trust: Trust::Sampled };
        Change::Results { task: TaskId(task), results, large: None, replaces: false }
    }

    #[test]
    fn nothing_of_a_task_overtakes_its_row() {
        let (id, inputs) = (TaskId(2), Inputs::Small(layout(1).into()));
        let (terms, created) = (terms().into(), moment(1));
        let own = Submission { id, terms, inputs, created, identity: None, secret: None };
        let leaves = Change::Detach { batch: TaskId(1), index: 0, outcome: MemberOutcome::Own(Box::new(own)) };
        let pending = pending(vec![
            vec![result(1), leaves],
            vec![result(2)],
            vec![Change::Reopen(TaskId(5)), result(5)],
            vec![result(9)],
        ]);
        assert_eq!(pending.held(), [1, 2, 5].map(TaskId).into());
        assert_eq!(pending.smallest(), [[TaskId(9)].into()]);
    }

    #[test]
    fn who_failed_in_a_batch_was_counted_as_done() {
        let failed = Change::Detach { batch: TaskId(1), index: 3, outcome: MemberOutcome::Failed("it fails".into()) };
        let mut pending = pending(vec![vec![result(1), failed, result(9)]]);
        let done: u64 = pending.batch.commits.iter_mut().map(|commit| commit.forget(&[TaskId(1)].into())).sum();
        assert_eq!((done, pending.batch.commits[0].changes.len()), (2, 1));
    }
}
