//! All that the scheduler knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::ids::{DroneId, LeaseId, TaskId};

use super::lease::Lease;
use super::ledger::Ledger;
use super::meter::Meter;
use super::queue::Queue;
use super::roster::Roster;
use super::status::LeaseCounts;
use super::task::Task;
use super::time::Time;
use super::timeouts::Timeouts;

/// The scheduler's state.
#[derive(Debug)]
pub struct Core {
    pub(super) timeouts: Timeouts,
    pub(super) tasks: Ledger<Task>,
    pub(super) drones: Roster,
    pub(super) leases: Ledger<Lease, LeaseId>,
    /// Tasks that have pending ranges.
    pub(super) queue: Queue,
    /// Ranges that have to run alone, by task and first index, with the Drone that is being
    /// emptied for it.
    pub(super) alone: BTreeMap<(TaskId, u64), Option<DroneId>>,
    /// Leases without a twin, by when they are expected to be done, in nanoseconds.
    pub(super) by_finish: BTreeSet<(u64, LeaseId)>,
    /// Leases that are not old enough to be remembered, by when they were granted.
    pub(super) young: VecDeque<(Time, LeaseId)>,
    /// Tasks by when they fail, and when each one does.
    pub(super) by_task_deadline: BTreeSet<(Time, TaskId)>,
    pub(super) task_deadlines: BTreeMap<TaskId, Time>,
    pub(super) next_lease: u64,
    pub(super) items_queued: u64,
    pub(super) items_done: u64,
    pub(super) cost_done: u64,
    pub(super) lease_counts: LeaseCounts,
    pub(super) meter: Meter,
}

impl Default for Core {
    fn default() -> Self {
        Self::new(Timeouts::default())
    }
}

impl Core {
    /// Nothing to do and nobody to do it.
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            tasks: Ledger::default(),
            drones: Roster::new(timeouts),
            leases: Ledger::default(),
            queue: Queue::default(),
            alone: BTreeMap::new(),
            by_finish: BTreeSet::new(),
            young: VecDeque::new(),
            by_task_deadline: BTreeSet::new(),
            task_deadlines: BTreeMap::new(),
            next_lease: 1,
            items_queued: 0,
            items_done: 0,
            cost_done: 0,
            lease_counts: LeaseCounts::default(),
            meter: Meter::new(Time::ZERO),
        }
    }
}
