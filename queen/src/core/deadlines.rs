//! When tasks fail if they have not ended.

use std::collections::{BTreeMap, BTreeSet};

use wire::ids::TaskId;

use super::time::Time;

/// The deadlines of tasks; most have none.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    by_task: BTreeMap<TaskId, Time>,
    by_time: BTreeSet<(Time, TaskId)>,
}

impl Deadlines {
    /// A task has this deadline from now on, or none.
    pub(super) fn set(&mut self, task: TaskId, deadline: Option<Time>) {
        if let Some(before) = self.by_task.remove(&task) {
            self.by_time.remove(&(before, task));
        }
        if let Some(deadline) = deadline {
            self.by_task.insert(task, deadline);
            self.by_time.insert((deadline, task));
        }
    }

    /// The first one, and whose it is.
    pub(super) fn first(&self) -> Option<(Time, TaskId)> {
        self.by_time.first().copied()
    }

    #[cfg(test)]
    pub(super) fn check(&self, has_task: impl Fn(TaskId) -> bool) {
        assert!(self.by_task.iter().all(|(task, at)| self.by_time.contains(&(*at, *task)) && has_task(*task)));
        assert_eq!(self.by_task.len(), self.by_time.len());
    }
}
