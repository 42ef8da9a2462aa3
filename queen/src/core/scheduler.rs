//! All that the scheduler knows.

use std::collections::{BTreeMap, VecDeque};

use wire::ids::{DroneId, LeaseId, TaskId};

use super::leases::Leases;
use super::meter::Meter;
use super::roster::Roster;
use super::status::LeaseCounts;
use super::tasks::Tasks;
use super::time::Time;
use super::timeouts::Timeouts;

/// The scheduler's state.
#[derive(Debug)]
pub struct Core {
    pub(super) timeouts: Timeouts,
    pub(super) tasks: Tasks,
    pub(super) drones: Roster,
    pub(super) leases: Leases,
    /// Pending ranges that are to be computed in isolation, by task and first index, with the Drone that is
    /// being emptied for it.
    pub(super) isolated: BTreeMap<(TaskId, u64), Option<DroneId>>,
    /// Leases that are not old enough to be remembered, by when they were granted.
    pub(super) young: VecDeque<(Time, LeaseId)>,
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
            tasks: Tasks::default(),
            drones: Roster::new(timeouts),
            leases: Leases::default(),
            isolated: BTreeMap::new(),
            young: VecDeque::new(),
            items_done: 0,
            cost_done: 0,
            lease_counts: LeaseCounts::default(),
            meter: Meter::new(Time::ZERO),
        }
    }
}
