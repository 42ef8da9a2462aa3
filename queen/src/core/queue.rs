//! Which task is next: strict priority, then a fair share among equals.
//!
//! Within one priority this is self-clocked fair queueing on cost (Golestani, "A self-clocked
//! fair queueing scheme for broadband applications", 1994). Leasing a chunk moves its task's
//! *pass* on by the chunk's cost, and the task with the smallest pass is next. The pass behind
//! a chunk is the chunk's rank: Drones compute smaller ranks first. Virtual time is how far
//! the ranks that were served reach, and a new task begins there; so a small one overtakes all that is
//! leased of a large one but not yet computed, and a large one gets its share from now on, and
//! not what it would have had before it came.

use std::collections::{BTreeMap, BTreeSet};

use wire::ids::TaskId;

use super::task::Task;

#[derive(Debug, Default)]
struct Level {
    virtual_time: u64,
    /// Tasks with pending ranges, by pass.
    ready: BTreeSet<(u64, TaskId)>,
    /// Tasks that have not ended, and their cost that is not done.
    tasks: u64,
    cost: u64,
}

/// Tasks that want to be leased.
#[derive(Debug, Default)]
pub(super) struct Queue {
    levels: BTreeMap<i8, Level>,
}

impl Queue {
    /// Counts a task in, and gives it the pass that it begins with.
    pub(super) fn admit(&mut self, id: TaskId, task: &mut Task) {
        let level = self.levels.entry(task.priority).or_default();
        level.tasks += 1;
        level.cost += task.cost_left();
        task.pass = level.virtual_time;
        if task.has_pending() {
            level.ready.insert((task.pass, id));
        }
    }

    /// Counts a task out.
    pub(super) fn dismiss(&mut self, id: TaskId, task: &Task) {
        let Some(level) = self.levels.get_mut(&task.priority) else { return };
        level.ready.remove(&(task.pass, id));
        level.tasks -= 1;
        level.cost -= task.cost_left();
    }

    /// What was done of a task is to be done again.
    pub(super) fn regain(&mut self, priority: i8, cost: u64) {
        self.levels.entry(priority).or_default().cost += cost;
    }

    /// The task has pending ranges.
    pub(super) fn insert(&mut self, priority: i8, pass: u64, task: TaskId) {
        self.levels.entry(priority).or_default().ready.insert((pass, task));
    }

    /// The task has none, or has another pass now.
    pub(super) fn remove(&mut self, priority: i8, pass: u64, task: TaskId) {
        if let Some(level) = self.levels.get_mut(&priority) {
            level.ready.remove(&(pass, task));
        }
    }

    /// A part of a lease was done, up to `reached` on the scale of virtual time.
    pub(super) fn served(&mut self, priority: i8, cost: u64, reached: u64) {
        let Some(level) = self.levels.get_mut(&priority) else { return };
        level.cost -= cost;
        level.virtual_time = level.virtual_time.max(reached);
    }

    /// Tasks with pending ranges, most urgent first.
    pub(super) fn ready(&self) -> impl Iterator<Item = TaskId> {
        self.levels().flat_map(|(_, ready)| ready)
    }

    /// The same by priority.
    pub(super) fn levels(&self) -> impl Iterator<Item = (i8, impl Iterator<Item = TaskId>)> {
        let levels = self.levels.iter().rev().filter(|(_, level)| !level.ready.is_empty());
        levels.map(|(priority, level)| (*priority, level.ready.iter().map(|(_, task)| *task)))
    }

    /// Cost of all that is not done.
    pub(super) fn cost(&self) -> u64 {
        self.levels.values().map(|level| level.cost).sum()
    }

    /// What will be computed before a task ends that has `own` cost left, itself included:
    /// all that is more urgent, and as much of each equal as of itself.
    pub(super) fn cost_ahead(&self, priority: i8, own: u64) -> u64 {
        let above: u64 = self.levels.range(priority..).skip(1).map(|(_, level)| level.cost).sum();
        let equal = self.levels.get(&priority).map_or(own, |level| level.cost.min(own.saturating_mul(level.tasks)));
        above + equal
    }

    #[cfg(test)]
    pub(super) fn holds(&self, priority: i8, pass: u64, task: TaskId) -> bool {
        self.levels.get(&priority).is_some_and(|level| level.ready.contains(&(pass, task)))
    }

    /// How many tasks there are.
    pub(super) fn tasks(&self) -> u64 {
        self.levels.values().map(|level| level.tasks).sum()
    }
}
