//! What is known of one Drone that is connected, or was.
//!
//! A Drone is one process; it may have one connection after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use web::hive::DroneKey;
use web::model::{DroneState, DroneView, Timestamp};
use wire::ids::DroneId;

use super::explain;
use super::seat::{Departure, Newcomer, Outbound};
use crate::clock::Now;
use crate::core::{Ability, DroneStatus, Standing, Time};
use crate::store::{Change, KnownDrone, Visit};

/// What this project's Drones call themselves, in front of their version.
const PROGRAM: &str = "hive-drone ";

/// Heartbeats over which its utilisation is told.
const BEATS: usize = 6;

/// A Drone that is connected, or was.
pub(super) struct DroneRecord {
    pub(super) newcomer: Newcomer,
    pub(super) seat: Option<Seat>,
    pub(super) connections: u64,
    connected_at: Timestamp,
    last_seen_at: Timestamp,
    pub(super) items_done: u64,
    /// When it said lately for how long its threads had computed, in nanoseconds.
    busy: VecDeque<(Time, u64)>,
    /// How often some of its results were computed a second time and were right.
    pub(super) checked: u64,
    /// Results of it that were wrong.
    pub(super) wrong: u64,
    /// Leases that it could not compute.
    pub(super) failures: u64,
    /// How its last connection ended.
    pub(super) departure: Departure,
    /// Why it is gone, if it is and that is known.
    pub(super) left_because: Option<String>,
    /// A user wanted the process to leave, which it does for good.
    pub(super) is_drained: bool,
    /// Its connection broke, what it holds is kept for it, and the console says so.
    pub(super) is_awaited: bool,
    /// It has not been here since the Queen started: its counts are of the Queen before.
    is_remembered: bool,
}

/// A connection.
pub(super) struct Seat {
    pub(super) number: u64,
    pub(super) ends: Ends,
    /// How many outputs have come of it.
    pub(super) received: u64,
    /// The Drone has said what it holds, and takes work.
    pub(super) has_joined: bool,
}

/// The Hive's ends of what it shares with a connection.
pub(super) struct Ends {
    /// What is sent to the Drone.
    pub(super) outbox: mpsc::Sender<Outbound>,
    /// Cancelled when the connection is to be closed.
    pub(super) closed: CancellationToken,
    /// How many of its outputs are on disk.
    pub(super) stored: watch::Sender<u64>,
}

/// What a Drone is sorted by: the first of these in which two differ decides.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey<'a> {
    text: &'a str,
    number: u64,
    second: u64,
}

/// The bits of a number that is not negative, which are ordered as such numbers are.
fn rank(number: f64) -> u64 {
    number.max(0.0).to_bits()
}

impl DroneRecord {
    /// A process that was here before the Queen started.
    pub(super) fn remembered(drone: &KnownDrone, visit: &Visit) -> Self {
        let newcomer = Newcomer {
            name: drone.name.to_string(),
            instance: drone.instance,
            address: visit.address.clone(),
            software: visit.software.clone(),
            ability: Ability { threads: visit.threads, kinds: BTreeSet::new(), speeds: BTreeMap::new(), material: 0 },
            kernels: visit.kernels.clone(),
            secret: visit.secret,
        };
        Self {
            newcomer,
            seat: None,
            connections: visit.connections,
            connected_at: Timestamp(visit.connected_at),
            last_seen_at: Timestamp(visit.last_seen_at),
            items_done: visit.items_done,
            busy: VecDeque::new(),
            checked: visit.checked,
            wrong: visit.wrong,
            failures: 0,
            departure: if visit.has_left { Departure::Left } else { Departure::Lost },
            left_because: visit.left_because.clone(),
            is_drained: false,
            is_awaited: false,
            is_remembered: true,
        }
    }

    /// A process on its first connection to this Queen, of which `connections` were to others before.
    pub(super) fn new(newcomer: Newcomer, seat: Seat, connections: u64, now: Now) -> Self {
        Self {
            newcomer,
            seat: Some(seat),
            connections: connections + 1,
            connected_at: now.at,
            last_seen_at: now.at,
            items_done: 0,
            busy: VecDeque::new(),
            checked: 0,
            wrong: 0,
            failures: 0,
            departure: Departure::Lost,
            left_because: None,
            is_drained: false,
            is_awaited: false,
            is_remembered: false,
        }
    }

    /// The same process on another connection. Its counts go on, as the Queen's own do.
    pub(super) fn back(self, newcomer: Newcomer, seat: Seat, now: Now) -> Self {
        if self.is_remembered {
            return Self::new(newcomer, seat, self.connections, now);
        }
        let connections = self.connections + 1;
        Self {
            newcomer,
            seat: Some(seat),
            connections,
            connected_at: now.at,
            last_seen_at: now.at,
            left_because: None,
            is_awaited: false,
            ..self
        }
    }

    /// Notes that the Drone said something.
    pub(super) fn heard(&mut self, now: Now) {
        self.last_seen_at = now.at;
    }

    /// It says for how long its threads have computed so far, in nanoseconds.
    pub(super) fn was_busy(&mut self, busy_ns: u64, now: Now) {
        self.busy.truncate(BEATS - 1);
        self.busy.push_front((now.elapsed, busy_ns));
    }

    /// What is to be remembered of it.
    pub(super) fn visit(&self, drone: DroneId) -> Change {
        let visit = Visit {
            address: self.newcomer.address.clone(),
            software: self.newcomer.software.clone(),
            threads: self.newcomer.ability.threads,
            kernels: self.newcomer.kernels.clone(),
            items_done: self.items_done,
            checked: self.checked,
            wrong: self.wrong,
            connections: self.connections,
            connected_at: self.connected_at.0,
            last_seen_at: self.last_seen_at.0,
            has_left: self.seat.is_none() && matches!(self.departure, Departure::Left | Departure::Drained),
            left_because: self.left_because.clone(),
            secret: self.newcomer.secret,
        };
        Change::Visit { drone, visit: Box::new(visit) }
    }

    /// Where it stands, for users.
    pub(super) fn state(&self, standing: Option<Standing>, is_quarantined: bool) -> DroneState {
        match (&self.seat, standing) {
            (None, Some(standing)) if standing.away => DroneState::Away,
            (None, _) => match self.departure {
                Departure::Left | Departure::Drained => DroneState::Left,
                Departure::Lost | Departure::Revoked | Departure::Disconnected => DroneState::Lost,
            },
            (Some(_), Some(standing)) if standing.leaving => DroneState::Leaving,
            (Some(_), _) if is_quarantined => DroneState::Quarantined,
            (Some(_), Some(standing)) if standing.leases > 0 => DroneState::Busy,
            (Some(_), _) => DroneState::Idle,
        }
    }

    /// The Drone as users see it; `status` is what the core knows of it, `quarantined` why it is given no work.
    pub(super) fn view(&self, id: DroneId, status: Option<DroneStatus>, quarantined: Option<&str>) -> DroneView {
        let standing = status.as_ref().map(|status| status.standing);
        let idle = status.as_ref().and_then(|status| status.idle).filter(|_| self.seat.is_some());
        DroneView {
            id,
            name: self.newcomer.name.clone(),
            instance: self.newcomer.instance.to_string(),
            address: self.newcomer.address.clone(),
            software: self.newcomer.software.clone(),
            state: self.state(standing, quarantined.is_some()),
            threads: self.newcomer.ability.threads,
            kernels: self.newcomer.kernels.clone(),
            leases: standing.map_or(0, |standing| standing.leases),
            benchmark: status.as_ref().and_then(|status| status.benchmark).map(|rate| rate as f64),
            failures: self.failures,
            outdated: self.is_outdated(),
            idle_because: idle.map(|idle| explain::idle(idle).into()),
            quarantined_because: quarantined.map(Into::into),
            left_because: self.left_because.clone(),
            rate: status.as_ref().map_or(0.0, |status| status.rate),
            compressions_per_second: status.as_ref().map_or(0.0, |status| status.cost_rate),
            utilisation: self.shown_utilisation(),
            items_done: self.items_done,
            checked: self.checked,
            wrong: self.wrong,
            connections: self.connections,
            connected_at: self.connected_at,
            last_seen_at: self.last_seen_at,
            tasks: status.map_or_else(Vec::new, |status| status.tasks),
        }
    }

    /// By what it is sorted; `cost_rate` is what the core says that it computes.
    pub(super) fn sort_key(&self, id: DroneId, by: DroneKey, cost_rate: impl FnOnce() -> f64) -> SortKey<'_> {
        let number = |number| SortKey { text: "", number, second: 0 };
        match by {
            DroneKey::Id => number(id.0),
            DroneKey::Name => SortKey { text: &self.newcomer.name, number: 0, second: 0 },
            DroneKey::Threads => number(self.newcomer.ability.threads.into()),
            DroneKey::Rate => number(rank(cost_rate())),
            DroneKey::Utilisation => number(rank(self.shown_utilisation().unwrap_or_default())),
            DroneKey::ItemsDone => number(self.items_done),
            DroneKey::Wrong => SortKey { text: "", number: self.wrong, second: self.failures },
            DroneKey::LastSeen => number(self.last_seen_at.0.max(0).unsigned_abs()),
        }
    }

    /// The part of its threads' time in which they compute, while it is connected.
    fn shown_utilisation(&self) -> Option<f64> {
        self.seat.as_ref().and_then(|_| self.utilisation())
    }

    /// Whether it is the program of another version than the Queen, as far as it says so.
    fn is_outdated(&self) -> bool {
        self.newcomer.software.strip_prefix(PROGRAM).is_some_and(|version| version != env!("CARGO_PKG_VERSION"))
    }

    /// The part of its threads' time in which they computed, over the last heartbeats.
    pub(super) fn utilisation(&self) -> Option<f64> {
        let (newest, oldest) = (self.busy.front()?, self.busy.back()?);
        let passed = newest.0.saturating_sub(oldest.0).as_secs_f64() * f64::from(self.newcomer.ability.threads);
        let busy = newest.1.saturating_sub(oldest.1) as f64 / 1e9;
        (passed > 0.0).then(|| (busy / passed).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_ranked_by_how_high_they_are() {
        let rates = [-1.0, 0.0, f64::MIN_POSITIVE, 0.5, 1.0, 1.5, 2.0, 1e6, 1e12, f64::INFINITY];
        assert!(rates.map(rank).is_sorted());
        assert!(rates[1..].iter().map(|rate| rank(*rate)).is_sorted_by(|one, next| one < next));
    }
}
