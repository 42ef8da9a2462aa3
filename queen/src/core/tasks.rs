//! All tasks that have not ended, and what is counted and queued of them.

use wire::ids::TaskId;

use super::deadlines::Deadlines;
use super::ledger::Ledger;
use super::queue::{Entry, Queue};
use super::task::Task;
use super::time::Time;

/// The tasks that have not ended. Each change of one goes through [`Tasks::change`], which keeps the queue and the
/// count right.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    tasks: Ledger<Task>,
    /// Those that are not paused.
    queue: Queue,
    deadlines: Deadlines,
    /// Items of all tasks that are not done: those of one fit into 64 bits.
    items: u128,
}

impl Tasks {
    pub(super) fn get(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.tasks.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Items of all tasks that are not done.
    pub(super) fn items(&self) -> u64 {
        u64::try_from(self.items).unwrap_or(u64::MAX)
    }

    /// Those that are not paused, by what is next.
    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn insert(&mut self, id: TaskId, mut task: Task) {
        self.items += u128::from(task.items_left());
        if !task.is_paused {
            task.pass = self.queue.virtual_time(task.priority);
        }
        self.queue.relist(id, None, entry_of(&task));
        self.tasks.insert(id, task);
    }

    pub(super) fn remove(&mut self, id: TaskId) -> Option<Task> {
        let task = self.tasks.remove(id)?;
        self.items -= u128::from(task.items_left());
        self.queue.relist(id, entry_of(&task), None);
        self.deadlines.set(id, None);
        Some(task)
    }

    /// Changes a task. One that is resumed, or has another priority, begins at that one's virtual time.
    pub(super) fn change<T>(&mut self, id: TaskId, change: impl FnOnce(&mut Task) -> T) -> Option<T> {
        let task = self.tasks.get_mut(id)?;
        let (before, items) = (entry_of(task), task.items_left());
        let result = change(task);
        if before.is_none_or(|before| before.priority != task.priority) {
            task.pass = self.queue.virtual_time(task.priority);
        }
        self.items = self.items - u128::from(items) + u128::from(task.items_left());
        self.queue.relist(id, before, entry_of(task));
        Some(result)
    }

    /// A part of a lease of this priority was done, up to `reached` on the scale of virtual time.
    pub(super) fn serve(&mut self, priority: i8, reached: u64) {
        self.queue.serve(priority, reached);
    }

    /// Sets when a task fails if it has not ended; never if `None`.
    pub(super) fn set_deadline(&mut self, id: TaskId, deadline: Option<Time>) {
        self.deadlines.set(id, deadline.filter(|_| self.tasks.get(id).is_some()));
    }

    /// The first deadline of a task, and whose it is.
    pub(super) fn first_deadline(&self) -> Option<(Time, TaskId)> {
        self.deadlines.first()
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.items, self.iter().map(|(_, task)| u128::from(task.items_left())).sum::<u128>());
        self.queue.check(self.iter().filter_map(|(id, task)| Some((id, entry_of(task)?))));
        self.deadlines.check(|task| self.get(task).is_some());
    }
}

/// How a task stands in the queue, unless it is paused.
fn entry_of(task: &Task) -> Option<Entry> {
    let Task { priority, pass, .. } = *task;
    let entry = || Entry { priority, pass, is_ready: task.has_pending(), cost: task.cost_left() };
    (!task.is_paused).then(entry)
}
