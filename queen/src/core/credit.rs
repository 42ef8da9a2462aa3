//! What leases take of a Drone's credit, by priority.

use std::collections::VecDeque;
use std::time::Duration;

use wire::ids::{LeaseId, TaskId};

/// Which of the two parts of a Drone's credit a lease is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CreditPool {
    /// For whatever is next.
    Ahead,
    /// For short chunks of tasks of which the Drone holds nothing yet.
    Reserve,
}

/// What a lease takes of its Drone's credit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub(super) pool: CreditPool,
    pub(super) priority: i8,
    pub(super) rank: u64,
    pub(super) time_ns: u64,
    pub(super) bytes: u64,
    /// What its task's material takes; counted once for all leases of the task.
    pub(super) material: u64,
}

/// How much of a pool is taken.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PoolUsage {
    pub(super) leases: u64,
    pub(super) time_ns: u64,
}

/// What a Drone holds of one priority. Mostly the oldest lease of the oldest task goes first,
/// which in a queue moves nothing.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) priority: i8,
    pub(super) ahead: PoolUsage,
    pub(super) reserve: PoolUsage,
    /// The leases by rank.
    pub(super) ranks: VecDeque<(u64, LeaseId)>,
    /// How many leases of each task, by task.
    pub(super) tasks: VecDeque<(TaskId, u32)>,
}

impl Level {
    pub(super) fn new(priority: i8) -> Self {
        let (ahead, reserve) = (PoolUsage::default(), PoolUsage::default());
        Self { priority, ahead, reserve, ranks: VecDeque::new(), tasks: VecDeque::new() }
    }

    pub(super) fn usage_mut(&mut self, pool: CreditPool) -> &mut PoolUsage {
        match pool {
            CreditPool::Ahead => &mut self.ahead,
            CreditPool::Reserve => &mut self.reserve,
        }
    }

    /// Where a task is, or would be.
    pub(super) fn find_task(&self, task: TaskId) -> Result<usize, usize> {
        self.tasks.binary_search_by_key(&task, |(task, _)| *task)
    }
}

impl PoolUsage {
    pub(super) fn add(&mut self, other: Self) {
        self.leases += other.leases;
        self.time_ns += other.time_ns;
    }
}

impl Charge {
    /// The same at the priority that its lease was given with.
    pub(super) fn at(self, priority: i8) -> Self {
        Self { priority, ..self }
    }

    /// Thread time.
    pub(super) fn time(&self) -> Duration {
        Duration::from_nanos(self.time_ns)
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (u64, u64) {
        (self.time_ns, self.bytes)
    }
}
