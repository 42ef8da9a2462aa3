//! What has come out of the queue and is not done yet: it is committed, or, where the disk does not
//! take it, kept for another attempt.

use std::collections::{BTreeMap, HashSet};

use wire::ids::TaskId;

use super::commit::Commit;
use super::committer::Committer;
use super::intake::{Batch, Intake};
use crate::store::change::{Change, Fate};
use crate::store::error::StoreError;

/// Bytes of results for which there may be room on a full disk, of one task and of those that are
/// committed together; and how many these are at most.
const SMALL: usize = 64 << 10;
const GROUP: usize = 256;

/// What has come out of the queue and is not done yet.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) batch: Batch,
    pub(super) is_failing: bool,
    /// The writer's ballast is whole.
    has_ballast: bool,
    pub(super) attempts: u32,
    /// Those since the Queen stops.
    pub(super) last_attempts: u32,
}

impl Pending {
    /// Commits what there is. Once that failed, all results are written anew, but not into the room
    /// that is held back for removals; and the disk is trusted again when there is that room still.
    pub(super) fn advance(&mut self, committer: &mut Committer, intake: &Intake) -> Result<(), StoreError> {
        committer.writer.check_files()?;
        if let Some(error) = self.batch.failure.take() {
            return Err(error);
        }
        if self.is_failing {
            committer.writer.probe()?;
            intake.write(&self.batch.commits)?;
        }
        let commits = std::mem::take(&mut self.batch.commits);
        let has_commits = !commits.is_empty();
        committer.commit(commits).map_err(|(error, commits)| {
            self.batch.commits = commits;
            error
        })?;
        if self.is_failing || has_commits && !self.has_ballast {
            committer.writer.probe()?;
            self.has_ballast = true;
        }
        Ok(())
    }

    /// On a full disk, what makes room goes first, and what the ballast leaves is its own. What was to be
    /// written of these tasks before is in vain; a task that is cancelled has done so much less.
    pub(super) fn make_room(&mut self, committer: &mut Committer, intake: &mut Intake) {
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
                Change::Detach { batch, fate: Fate::Own(new), .. } => held.extend([*batch, new.id]),
                _ => {}
            }
        }
        held
    }

    /// What room a full disk has besides the ballast is given to small tasks, the smallest first: so
    /// they end, and can be removed.
    pub(super) fn save_smallest(&mut self, committer: &mut Committer, intake: &Intake) {
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
    pub(super) fn refuse(&mut self, committer: &Committer, intake: &mut Intake, error: &StoreError) {
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
    use crate::store::testing::{layout, moment, piece, right, terms};
    use crate::store::{Inputs, Results, Submission, Trust};

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
        let leaves = Change::Detach { batch: TaskId(1), index: 0, fate: Fate::Own(Box::new(own)) };
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
        let failed = Change::Detach { batch: TaskId(1), index: 3, fate: Fate::Failed("it fails".into()) };
        let mut pending = pending(vec![vec![result(1), failed, result(9)]]);
        let done: u64 = pending.batch.commits.iter_mut().map(|commit| commit.forget(&[TaskId(1)].into())).sum();
        assert_eq!((done, pending.batch.commits[0].changes.len()), (2, 1));
    }
}
