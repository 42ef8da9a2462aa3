//! Which Drones a request wants, and in which order.

use std::cmp::Ordering;

use crate::error::Problem;
use crate::hive::is_called;
use crate::model::{DroneState, DroneView};
use crate::request::query::Query;

/// Which Drones are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DroneFilter {
    /// Only those in this state.
    pub(crate) state: Option<DroneState>,
    /// Only those whose name or address begins so, whatever the case of its letters.
    pub(crate) name: Option<String>,
    /// In this order; those that are here first, and then those that left, the last one first, if nothing is said.
    pub(crate) sort: Option<DroneSort>,
}

/// An order of Drones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DroneSort {
    /// By what.
    pub(crate) by: DroneKey,
    /// The largest first.
    pub(crate) is_descending: bool,
}

/// What Drones are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DroneKey {
    Id,
    Name,
    Threads,
    Rate,
    Utilisation,
    ItemsDone,
    Wrong,
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

    fn compare(self, one: &DroneView, other: &DroneView) -> Ordering {
        match self {
            Self::Id => one.id.cmp(&other.id),
            Self::Name => one.name.cmp(&other.name),
            Self::Threads => one.threads.cmp(&other.threads),
            Self::Rate => one.compressions_per_second.total_cmp(&other.compressions_per_second),
            Self::Utilisation => one.utilisation.unwrap_or_default().total_cmp(&other.utilisation.unwrap_or_default()),
            Self::ItemsDone => one.items_done.cmp(&other.items_done),
            Self::Wrong => (one.wrong, one.failures).cmp(&(other.wrong, other.failures)),
            Self::LastSeen => one.last_seen_at.0.cmp(&other.last_seen_at.0),
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

impl DroneFilter {
    /// Takes which ones are wanted.
    pub(crate) fn take(query: &mut Query) -> Result<Self, Problem> {
        Ok(Self {
            state: query.one_of("state", &DroneState::ALL, DroneState::name)?,
            name: query.text("name")?.map(|name| name.to_lowercase()),
            sort: query.one_of("sort", &DroneSort::all(), DroneSort::name)?,
        })
    }

    /// Whether those are wanted that have this name and address, in whatever state.
    pub(crate) fn is_called_so(&self, drone: &DroneView) -> bool {
        self.name.as_deref().is_none_or(|name| is_called(name, &drone.name, &drone.address))
    }

    /// Those that are wanted, in the order in which they are.
    pub(crate) fn select(&self, mut drones: Vec<DroneView>) -> Vec<DroneView> {
        drones.retain(|drone| self.state.is_none_or(|state| state == drone.state) && self.is_called_so(drone));
        if let Some(DroneSort { by, is_descending }) = self.sort {
            drones.sort_by(|one, other| {
                let order = by.compare(one, other);
                if is_descending { order.reverse() } else { order }
            });
        }
        drones
    }
}
