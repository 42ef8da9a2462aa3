//! How many there are of something, as far as they are counted.

use std::ops::AddAssign;

use crate::model::{TaskCounts, TaskState};

/// So many are counted at most: nobody waits until a million are.
pub const COUNT_MAX: u64 = 10_000;

/// How many there are, or that there are at least so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many were counted.
    pub count: u64,
    /// There may be more.
    pub is_cut: bool,
}

impl Counted {
    /// So many were found by one who stops behind [`COUNT_MAX`].
    pub fn up_to_max(found: u64) -> Self {
        Self { count: found.min(COUNT_MAX), is_cut: found > COUNT_MAX }
    }
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        let Self { count, is_cut } = Self::up_to_max(self.count + other.count);
        *self = Self { count, is_cut: is_cut || self.is_cut || other.is_cut };
    }
}

/// How many lines the list of tasks has, by the states of the tasks; a batch is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCounts([Counted; TaskState::ALL.len()]);

impl LineCounts {
    /// Adds tasks in a state.
    pub fn add(&mut self, state: TaskState, more: Counted) {
        self.0[state as usize] += more;
    }

    /// There may be more in these states than were counted.
    pub fn cut(&mut self, is_one: impl Fn(TaskState) -> bool) {
        for state in TaskState::ALL.into_iter().filter(|state| is_one(*state)) {
            self.add(state, Counted { count: 0, is_cut: true });
        }
    }

    /// Those in any of these states.
    pub fn of(&self, is_one: impl Fn(TaskState) -> bool) -> Counted {
        let mut sum = Counted::default();
        let wanted = TaskState::ALL.into_iter().filter(|state| is_one(*state));
        wanted.for_each(|state| sum += self.0[state as usize]);
        sum
    }
}

impl From<TaskCounts> for LineCounts {
    /// Of tasks that were looked at, each of which is a line.
    fn from(counts: TaskCounts) -> Self {
        Self(TaskState::ALL.map(|state| Counted::up_to_max(counts.of(state))))
    }
}

impl AddAssign for LineCounts {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_to_its_end_says_so() {
        let mut lines = LineCounts::default();
        lines.add(TaskState::Failed, Counted::up_to_max(COUNT_MAX));
        lines.add(TaskState::Paused, Counted::up_to_max(7));
        assert_eq!(lines.of(|state| state == TaskState::Failed), Counted { count: COUNT_MAX, is_cut: false });
        assert_eq!(lines.of(|_| true), Counted { count: COUNT_MAX, is_cut: true });
        lines.cut(|state| state == TaskState::Paused);
        assert_eq!(lines.of(|state| state == TaskState::Paused), Counted { count: 7, is_cut: true });
        assert_eq!(lines.of(|state| state == TaskState::Running), Counted::default());
    }
}
