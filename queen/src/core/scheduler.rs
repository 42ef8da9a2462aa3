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
    /// How long is waited for Drones.
    pub(super) timeouts: Timeouts,
    /// The tasks that have not ended, by what is next.
    pub(super) tasks: Tasks,
    /// The Drones that are connected or waited for.
    pub(super) drones: Roster,
    /// The leases that have not ended.
    pub(super) leases: Leases,
    /// Pending ranges that are to be computed in isolation, by task and first index, with the Drone that is
    /// being emptied for it.
    pub(super) isolated: BTreeMap<(TaskId, u64), Option<DroneId>>,
    /// Leases that are not old enough to be recorded, by when they were granted.
    pub(super) unrecorded: VecDeque<(Time, LeaseId)>,
    /// Items done since the start.
    pub(super) items_done: u64,
    /// Compressions that Drones computed since the start, and that counted.
    pub(super) cost_done: u64,
    /// How many leases there were since the start, and what became of them.
    pub(super) lease_counts: LeaseCounts,
    /// How fast all Drones together were lately.
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
            unrecorded: VecDeque::new(),
            items_done: 0,
            cost_done: 0,
            lease_counts: LeaseCounts::default(),
            meter: Meter::new(Time::ZERO),
        }
    }
}
