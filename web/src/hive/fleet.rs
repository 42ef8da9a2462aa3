//! Which Drones are asked for, and in which order.

use std::collections::BTreeMap;

use crate::model::{DroneState, DroneView};

/// A part of the list of Drones, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroneQuery {
    /// Only those in this state.
    pub state: Option<DroneState>,
    /// Only those that are connected.
    pub is_connected: bool,
    /// Only those that are [called so](super::is_called), in small letters.
    pub name: Option<String>,
    /// In this order; those that are connected or away first, and then those that left, the last one first, if nothing
    /// is said.
    pub sort: Option<DroneSort>,
    /// How many that come before are left out.
    pub skip: usize,
    /// At most so many.
    pub limit: usize,
}

/// All of them.
impl Default for DroneQuery {
    fn default() -> Self {
        Self { state: None, is_connected: false, name: None, sort: None, skip: 0, limit: usize::MAX }
    }
}

/// A part of the list of Drones.
#[derive(Debug, Clone)]
pub struct DronePage {
    /// In the order that was asked for.
    pub drones: Vec<DroneView>,
    /// More follow.
    pub has_more: bool,
    /// How many there are in each state of those that are called as was asked for.
    pub counts: BTreeMap<DroneState, u64>,
    /// There is a Drone, or was, whatever was asked for.
    pub has_known: bool,
}

/// An order of Drones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroneSort {
    /// By what.
    pub by: DroneKey,
    /// The largest first.
    pub is_descending: bool,
}

/// What Drones are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DroneKey {
    /// Their numbers.
    Id,
    /// As they call themselves.
    Name,
    /// Compute threads.
    Threads,
    /// Compressions per second.
    Rate,
    /// The part of their threads' time in which they compute; what is not known is 0.
    Utilisation,
    /// Items done.
    ItemsDone,
    /// Wrong results, and then leases that they could not compute.
    Wrong,
    /// When they were last heard.
    LastSeen,
}

impl DroneKey {
    const ALL: [Self; 8] = [
        Self::Id,
        Self::Name,
        Self::Threads,
        Self::Rate,
        Self::Utilisation,
        Self::ItemsDone,
        Self::Wrong,
        Self::LastSeen,
    ];

    /// The smallest first, and the largest first.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Id => ["id", "-id"],
            Self::Name => ["name", "-name"],
            Self::Threads => ["threads", "-threads"],
            Self::Rate => ["rate", "-rate"],
            Self::Utilisation => ["utilisation", "-utilisation"],
            Self::ItemsDone => ["items_done", "-items_done"],
            Self::Wrong => ["wrong", "-wrong"],
            Self::LastSeen => ["last_seen_at", "-last_seen_at"],
        }
    }
}

impl DroneSort {
    /// All that a request can say.
    pub(crate) fn all() -> Vec<Self> {
        DroneKey::ALL.into_iter().flat_map(|by| [false, true].map(|is_descending| Self { by, is_descending })).collect()
    }

    /// As `?sort=` says it.
    pub(crate) fn name(self) -> &'static str {
        let [ascending, descending] = self.by.names();
        if self.is_descending { descending } else { ascending }
    }
}
