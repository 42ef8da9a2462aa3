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

/// How a task stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) priority: i8,
    /// Where it stands among those of its priority, on the scale of its virtual time.
    pub(super) pass: u64,
    /// It has pending ranges.
    pub(super) is_ready: bool,
    /// Cost that is not done.
    pub(super) cost: u64,
}

#[derive(Debug, Default)]
struct Level {
    virtual_time: u64,
    /// Tasks with pending ranges, by pass.
    ready: BTreeSet<(u64, TaskId)>,
    /// Tasks that have not ended, and their cost that is not done.
    tasks: u64,
    cost: u128,
}

/// Tasks that want to be leased.
#[derive(Debug, Default)]
pub(super) struct Queue {
    levels: BTreeMap<i8, Level>,
}

impl Queue {
    /// A task stands elsewhere now; `None` is not in the queue.
    pub(super) fn relist(&mut self, id: TaskId, before: Option<Entry>, after: Option<Entry>) {
        if before == after {
            return;
        }
        let place = |entry: &Entry| (entry.priority, entry.pass, entry.is_ready);
        let moves = before.as_ref().map(place) != after.as_ref().map(place);
        if let Some(entry) = before {
            let level = self.levels.entry(entry.priority).or_default();
            level.tasks -= 1;
            level.cost -= u128::from(entry.cost);
            if moves && entry.is_ready {
                level.ready.remove(&(entry.pass, id));
            }
        }
        if let Some(entry) = after {
            let level = self.levels.entry(entry.priority).or_default();
            level.tasks += 1;
            level.cost += u128::from(entry.cost);
            if moves && entry.is_ready {
                level.ready.insert((entry.pass, id));
            }
        }
    }

    /// A part of a lease was done, up to `reached` on the scale of virtual time.
    pub(super) fn serve(&mut self, priority: i8, reached: u64) {
        if let Some(level) = self.levels.get_mut(&priority) {
            level.virtual_time = level.virtual_time.max(reached);
        }
    }

    /// The pass that a task of this priority begins with.
    pub(super) fn virtual_time(&self, priority: i8) -> u64 {
        self.levels.get(&priority).map_or(0, |level| level.virtual_time)
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
    pub(super) fn cost(&self) -> u128 {
        self.levels.values().map(|level| level.cost).sum()
    }

    /// What will be computed before a task ends that has `own` cost left, itself included:
    /// all that is more urgent, and as much of each equal as of itself.
    pub(super) fn cost_ahead(&self, priority: i8, own: u64) -> u128 {
        let own = u128::from(own);
        let above: u128 = self.levels.range(priority..).skip(1).map(|(_, level)| level.cost).sum();
        let equal =
            self.levels.get(&priority).map_or(own, |level| level.cost.min(own.saturating_mul(u128::from(level.tasks))));
        above + equal
    }

    /// How many tasks there are.
    pub(super) fn tasks(&self) -> u64 {
        self.levels.values().map(|level| level.tasks).sum()
    }

    #[cfg(test)]
    pub(super) fn check(&self, entries: impl Iterator<Item = (TaskId, Entry)>) {
        let mut anew = Self::default();
        entries.for_each(|(id, entry)| anew.relist(id, None, Some(entry)));
        for (priority, level) in &self.levels {
            let other = anew.levels.remove(priority).unwrap_or_default();
            assert_eq!((&level.ready, level.tasks, level.cost), (&other.ready, other.tasks, other.cost));
        }
        assert!(anew.levels.is_empty());
    }
}
