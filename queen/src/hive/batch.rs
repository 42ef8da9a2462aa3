//! What is known of the tasks of one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use web::model::TaskState;

use crate::core::RangeSet;
use crate::store::Detached;
use crate::work::Tally;

/// What a task that has left its batch takes of memory there, in bytes.
const DETACHED: u64 = 64;

/// Which of a batch's tasks are where.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// The batch is stored, so that its tasks exist for users.
    is_there: bool,
    /// The indices whose results are stored.
    stored: RangeSet,
    /// The indices of tasks that have left, each with why it failed, if it did.
    detached: BTreeMap<u64, Option<Box<str>>>,
    failed: u64,
    /// The indices of those that failed, where that is not on disk yet.
    failing: BTreeSet<u64>,
    /// How many of the tasks that have left had results on disk.
    forgotten: u64,
}

impl Members {
    /// The tasks of a batch that is taken over from the store.
    pub(super) fn revived(done: RangeSet, suspect: RangeSet, detached: BTreeMap<u64, Option<Box<str>>>) -> Self {
        let mut stored = done;
        suspect.iter().for_each(|range| stored.insert(range));
        let failed = detached.values().filter(|error| error.is_some()).count() as u64;
        let forgotten = detached.len() as u64;
        Self { is_there: true, stored, detached, failed, failing: BTreeSet::new(), forgotten }
    }

    /// Notes that the batch is stored: its tasks exist for users from here on.
    pub(super) fn begin(&mut self) {
        self.is_there = true;
    }

    /// Whether its tasks exist for users yet.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Notes that results of `range` are stored. Those that replace others are noted already.
    pub(super) fn stored(&mut self, range: Range<u64>) {
        while self.stored.take_within(&range).is_some() {}
        self.stored.insert(range);
    }

    /// Whether a task's result is on disk.
    pub(super) fn has_stored(&self, index: u64) -> bool {
        self.stored.contains(index)
    }

    /// Whether a task has left the batch; and why it failed, if it did.
    pub(super) fn detached(&self, index: u64) -> Option<Option<&str>> {
        self.detached.get(&index).map(|error| error.as_deref())
    }

    /// Whether a task has failed, and that is not on disk yet.
    pub(super) fn is_failing(&self, index: u64) -> bool {
        self.failing.contains(&index)
    }

    /// Notes that it is on disk that a task failed.
    pub(super) fn has_failed(&mut self, index: u64) {
        self.failing.remove(&index);
    }

    /// Tasks of `range` that have left, at most so many, and why those failed that did.
    pub(super) fn detached_in(&self, range: Range<u64>, limit: usize) -> Detached {
        let detached = self.detached.range(range).take(limit);
        detached.map(|(index, error)| (*index, error.clone())).collect()
    }

    /// What is known of who has left takes so many bytes of memory.
    pub(super) fn weight(&self) -> u64 {
        self.detached.len() as u64 * DETACHED
    }

    /// How many tasks the batch stands for while it is in this state.
    pub(super) fn tally(&self, state: TaskState, total: u64) -> Tally {
        let done = self.stored.len() - self.forgotten;
        // A task is called failed when that is on disk.
        let failing = self.failing.len() as u64;
        let open = total - done - self.detached.len() as u64 + failing;
        Tally { state, open, done, failed: self.failed - failing }
    }

    /// How a batch is said to have failed in part; `None` if no task failed.
    pub(super) fn failure(&self) -> Option<Box<str>> {
        let (index, error) = self.detached.iter().find_map(|(index, error)| Some((index, error.as_deref()?)))?;
        let s = if self.failed == 1 { "" } else { "s" };
        Some(format!("{} task{s} of it failed, the first at index {index}: {error}", self.failed).into())
    }

    /// A task leaves the batch; why, if it failed.
    pub(super) fn detach(&mut self, index: u64, error: Option<Box<str>>) {
        self.failed += u64::from(error.is_some());
        match error.is_some() {
            true => self.failing.insert(index),
            false => self.failing.remove(&index),
        };
        let was_stored = self.stored.contains(index);
        match self.detached.insert(index, error) {
            Some(before) => self.failed -= u64::from(before.is_some()),
            None => self.forgotten += u64::from(was_stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_failed_when_that_is_on_disk() {
        let mut members = Members::default();
        members.detach(1, Some("no".into()));
        let tally = |members: &Members| {
            let Tally { open, failed, .. } = members.tally(TaskState::Running, 3);
            (open, failed, members.is_failing(1))
        };
        assert_eq!(tally(&members), (3, 0, true));
        members.has_failed(1);
        assert_eq!(tally(&members), (2, 1, false));
        // It begins again, on its own.
        members.detach(1, None);
        assert_eq!(tally(&members), (2, 0, false));
    }
}
