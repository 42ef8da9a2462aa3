//! Who is connected, who was, and what is sent to whom.
//!
//! Each connection of a Drone has a number, and what comes over an older one than the newest is not
//! heard any more. What follows of it for the work is the core's to say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use web::hive::{DroneKey, is_called};
use web::model::{DroneCounts, DroneState, DroneView};
use wire::ids::{DroneId, Instance};

use super::drone_record::{DroneRecord, Ends, Seat, SortKey};
use super::explain;
use super::registry::Registry;
use super::seat::{Departure, Link, Newcomer, Outbound};
use crate::access::JoinSecrets;
use crate::clock::Now;
use crate::core::{Ability, DroneStatus, Standing};
use crate::store::{Change, KnownDrone, Receipt};

/// Drones that are still shown after they went.
const DEPARTED: usize = 200;

/// Drones of whose figures watchers are told at a time. With more, they take turns, so that what
/// else there is to tell has room.
const DRONES_AT_ONCE: usize = 50;

/// All Drones that are connected, or were lately.
#[derive(Default)]
pub(super) struct Fleet {
    records: BTreeMap<DroneId, DroneRecord>,
    /// Which process has which id, and who is in quarantine.
    registry: Registry,
    /// Drones that have gone, the last one last.
    departed: VecDeque<DroneId>,
    /// The number of the newest connection.
    last_link: u64,
    /// The Queen stops, and goodbye was said to all.
    is_dismissed: bool,
    /// Drones whose figures have changed since watchers were told of them.
    changed: BTreeSet<DroneId>,
    /// Those of which watchers were told last that they compute: their figures fall without any event.
    computing: BTreeSet<DroneId>,
    /// The number of the Drone of which watchers were told last.
    last_published: u64,
}

/// All Drones at a glance.
#[derive(Default)]
pub(super) struct FleetCounts {
    pub(super) connected: u64,
    /// Compute threads of those that are connected.
    pub(super) threads: u64,
    /// Connected Drones in quarantine, also those that are leaving.
    pub(super) quarantined: u64,
    pub(super) states: DroneCounts,
}

/// A Drone that has gone, or is away.
pub(super) struct Departed {
    pub(super) name: String,
    pub(super) departure: Departure,
    /// It was away until now.
    pub(super) was_awaited: bool,
    /// How many are connected still.
    pub(super) connected: u64,
    /// What is to be remembered of it.
    pub(super) visit: Change,
}

impl Fleet {
    /// The smallest id that no Drone ever had.
    pub(super) fn set_next_id(&mut self, next: u64) {
        self.registry.set_next(next);
    }

    /// Takes over which Drones the Queen before knew. Those that were here last are shown as gone, until they come
    /// back.
    pub(super) fn take_over(&mut self, known: Vec<KnownDrone>) {
        let mut visitors: Vec<_> = known.iter().filter_map(|drone| Some((drone, drone.visit.as_ref()?))).collect();
        visitors.sort_by_key(|(drone, visit)| (visit.last_seen_at, drone.id));
        for (drone, visit) in visitors.split_off(visitors.len().saturating_sub(DEPARTED)) {
            self.records.insert(drone.id, DroneRecord::remembered(drone, visit));
            self.departed.push_back(drone.id);
        }
        self.registry.take_over(known);
    }

    /// The id of a process, and whether it is new.
    pub(super) fn identify(&mut self, instance: Instance) -> (DroneId, bool) {
        self.registry.identify(instance)
    }

    /// Gives a connection of a Drone its place, which has none at the moment; says what is to be remembered of it,
    /// and whether the process was here before.
    pub(super) fn seat(&mut self, id: DroneId, newcomer: Newcomer, ends: Ends, now: Now) -> (Link, Change, bool) {
        self.departed.retain(|departed| *departed != id);
        self.last_link += 1;
        let number = self.last_link;
        let seat = Seat { number, ends, received: 0, has_joined: false };
        let record = match self.records.remove(&id) {
            Some(before) => before.back(newcomer, seat, now),
            None => DroneRecord::new(newcomer, seat, 0, now),
        };
        let (visit, is_back) = (record.visit(id), record.connections > 1);
        self.records.insert(id, record);
        (Link { drone: id, number }, visit, is_back)
    }

    /// A Drone has said what it holds; says what it can do, and whether it is trusted.
    pub(super) fn join(&mut self, id: DroneId) -> Option<(Ability, bool)> {
        let record = self.records.get_mut(&id)?;
        if let Some(seat) = &mut record.seat {
            seat.has_joined = true;
        }
        Some((record.newcomer.ability.clone(), self.registry.quarantined(id).is_none()))
    }

    /// Ends a Drone's connection; returns whether it had said on it what it holds.
    pub(super) fn vacate(&mut self, id: DroneId, departure: Departure) -> bool {
        let Some(record) = self.records.get_mut(&id) else { return false };
        record.departure = match departure {
            Departure::Left if record.is_drained => Departure::Drained,
            other => other,
        };
        let Some(seat) = record.seat.take() else { return false };
        seat.ends.closed.cancel();
        seat.has_joined
    }

    /// A Drone is gone, or away if it `is_awaited`; forgets the oldest of those that are gone.
    pub(super) fn depart(&mut self, id: DroneId, is_awaited: bool) -> Option<Departed> {
        let connected = self.connected().count() as u64;
        let record = self.records.get_mut(&id)?;
        let was_awaited = std::mem::replace(&mut record.is_awaited, is_awaited);
        let (name, departure) = (record.newcomer.name.clone(), record.departure);
        record.left_because = (!is_awaited).then(|| explain::departure(departure, was_awaited).1.to_owned());
        let departed = Departed { name, departure, was_awaited, connected, visit: record.visit(id) };
        if !is_awaited && !self.departed.contains(&id) {
            self.departed.push_back(id);
            if self.departed.len() > DEPARTED
                && let Some(oldest) = self.departed.pop_front()
            {
                self.records.remove(&oldest);
            }
        }
        Some(departed)
    }

    /// A user wants a Drone to leave.
    pub(super) fn drain(&mut self, id: DroneId) {
        self.send(id, Outbound::Drain);
        if let Some(record) = self.records.get_mut(&id) {
            record.is_drained = true;
        }
    }

    /// The Queen stops: says goodbye to all. What Drones hold they offer to the next one, who is to know of it.
    pub(super) fn dismiss(&mut self, reason: &'static str) {
        self.is_dismissed = true;
        self.records.keys().for_each(|drone| self.send(*drone, Outbound::Goodbye(reason)));
    }

    /// Whether the Queen stops.
    pub(super) fn is_dismissed(&self) -> bool {
        self.is_dismissed
    }

    /// The Queen stops, and a connection with her.
    pub(super) fn close(&mut self, link: Link) {
        if self.is_current(link) {
            self.vacate(link.drone, Departure::Left);
        }
    }

    /// Sends something to a Drone. One whose queue is full does not read; its connection ends.
    pub(super) fn send(&self, drone: DroneId, message: Outbound) {
        // Before it has said what it holds, nothing is known of what it is sent.
        let is_early =
            |seat: &&Seat| !seat.has_joined && matches!(message, Outbound::Lease(..) | Outbound::Shrink { .. });
        if let Some(seat) = self.seat_of(drone).filter(|seat| !is_early(seat))
            && seat.ends.outbox.try_send(message).is_err()
        {
            seat.ends.closed.cancel();
        }
    }

    /// Whether a Drone is connected.
    pub(super) fn is_seated(&self, id: DroneId) -> bool {
        self.seat_of(id).is_some()
    }

    /// Whether this is the Drone's newest connection.
    pub(super) fn is_current(&self, link: Link) -> bool {
        self.seat_of(link.drone).is_some_and(|seat| seat.number == link.number)
    }

    /// Whether a Drone's connection broke, and the console says that it is waited for.
    pub(super) fn is_awaited(&self, id: DroneId) -> bool {
        self.records.get(&id).is_some_and(|record| record.is_awaited)
    }

    /// A Drone said something; `is_news` if it is worth telling to watchers.
    pub(super) fn heard(&mut self, id: DroneId, is_news: bool, now: Now) {
        if let Some(record) = self.records.get_mut(&id) {
            record.heard(now);
            if is_news {
                self.changed.insert(id);
            }
        }
    }

    /// A Drone says for how long its threads have computed so far, in nanoseconds.
    pub(super) fn was_busy(&mut self, id: DroneId, busy_ns: u64, now: Now) {
        if let Some(record) = self.records.get_mut(&id) {
            record.was_busy(busy_ns, now);
        }
    }

    /// So many outputs have come of a Drone's connection.
    pub(super) fn received(&mut self, id: DroneId, outputs: u64) {
        if let Some(seat) = self.records.get_mut(&id).and_then(|record| record.seat.as_mut()) {
            seat.received = outputs;
        }
    }

    /// Whether some of a Drone's outputs are not on disk yet.
    pub(super) fn has_unstored(&self, id: DroneId) -> bool {
        self.seat_of(id).is_some_and(|seat| *seat.ends.stored.borrow() < seat.received)
    }

    /// The first so many outputs of a connection are on disk.
    pub(super) fn stored(&self, receipt: Receipt) {
        let Receipt { drone, connection, outputs } = receipt;
        if let Some(seat) = self.seat_of(drone).filter(|seat| seat.number == connection) {
            seat.ends.stored.send_replace(outputs);
        }
    }

    /// So many items count that a Drone has computed.
    pub(super) fn count_items(&mut self, id: DroneId, items: u64) {
        if let Some(record) = self.records.get_mut(&id) {
            record.items_done += items;
        }
    }

    /// Results of a Drone were computed a second time, and it was right.
    pub(super) fn was_right(&mut self, id: DroneId) {
        if let Some(record) = self.records.get_mut(&id) {
            record.checked += 1;
        }
    }

    /// A Drone gave a wrong result; returns whether that is the first one since it was pardoned.
    pub(super) fn was_wrong(&mut self, id: DroneId) -> bool {
        if let Some(record) = self.records.get_mut(&id) {
            record.wrong += 1;
        }
        self.registry.convict(id)
    }

    /// A Drone could not compute a lease.
    pub(super) fn has_failed(&mut self, id: DroneId) {
        if let Some(record) = self.records.get_mut(&id) {
            record.failures += 1;
        }
    }

    /// How often a Drone was right so far.
    pub(super) fn trust_in(&self, id: DroneId) -> u64 {
        self.records.get(&id).map_or(0, |record| record.checked)
    }

    /// Gives a Drone no more work.
    pub(super) fn quarantine(&mut self, id: DroneId, reason: Box<str>) {
        self.registry.distrust(id, reason);
    }

    /// Lifts a quarantine; returns whether there was one.
    pub(super) fn pardon(&mut self, id: DroneId) -> bool {
        self.registry.pardon(id)
    }

    /// Whether a Drone is in quarantine.
    pub(super) fn is_quarantined(&self, id: DroneId) -> bool {
        self.registry.quarantined(id).is_some()
    }

    /// Drones that came with a secret that is not valid any more.
    pub(super) fn with_revoked(&self, valid: &JoinSecrets) -> Vec<DroneId> {
        let is_revoked = |record: &DroneRecord| record.newcomer.secret.is_some_and(|secret| !valid.has(secret));
        self.records.iter().filter(|(_, record)| is_revoked(record)).map(|(id, _)| *id).collect()
    }

    /// How many connected Drones came with the secret that has this number.
    pub(super) fn with_secret(&self, secret: u64) -> u64 {
        let came_with = |record: &&DroneRecord| record.seat.is_some() && record.newcomer.secret == Some(secret);
        self.records.values().filter(came_with).count() as u64
    }

    /// What a Drone is called.
    pub(super) fn name_of(&self, id: DroneId) -> String {
        self.records.get(&id).map_or_else(|| format!("drone {id}"), |record| record.newcomer.name.clone())
    }

    /// Whether a Drone is connected, or was lately.
    pub(super) fn is_known(&self, id: DroneId) -> bool {
        self.records.contains_key(&id)
    }

    /// Whether a Drone's name or address begins so, in small letters; all do so where nothing is `wanted`.
    pub(super) fn is_called_so(&self, id: DroneId, wanted: Option<&str>) -> bool {
        let newcomer = self.records.get(&id).map(|record| &record.newcomer);
        wanted.is_none_or(|wanted| newcomer.is_some_and(|drone| is_called(wanted, &drone.name, &drone.address)))
    }

    /// Where a Drone stands, for users; `standing` is what the core says of it.
    pub(super) fn state(&self, id: DroneId, standing: Option<Standing>) -> Option<DroneState> {
        Some(self.records.get(&id)?.state(standing, self.is_quarantined(id)))
    }

    /// A Drone as users are told; `status` is what the core knows of it.
    pub(super) fn view(&self, id: DroneId, status: Option<DroneStatus>) -> Option<DroneView> {
        Some(self.records.get(&id)?.view(id, status, self.registry.quarantined(id)))
    }

    /// What a Drone is called, and the part of its threads' time in which they computed lately.
    pub(super) fn busyness(&self, id: DroneId) -> Option<(&str, Option<f64>)> {
        let record = self.records.get(&id)?;
        Some((&record.newcomer.name, record.utilisation()))
    }

    /// Those that are connected or waited for, then those that went lately, the last one first.
    pub(super) fn all(&self) -> impl Iterator<Item = DroneId> {
        let departed: BTreeSet<_> = self.departed.iter().copied().collect();
        let here = self.records.keys().filter(move |id| !departed.contains(id));
        here.chain(self.departed.iter().rev()).copied()
    }

    /// Connected Drones.
    pub(super) fn connected(&self) -> impl DoubleEndedIterator<Item = DroneId> {
        self.records.iter().filter(|(_, record)| record.seat.is_some()).map(|(id, _)| *id)
    }

    /// Whether there are Drones besides this one that may be given work.
    pub(super) fn has_others(&self, id: DroneId) -> bool {
        self.connected().any(|other| other != id && !self.is_quarantined(other))
    }

    /// By what a Drone is sorted; `cost_rate` is what the core says that it computes.
    pub(super) fn sort_key(&self, id: DroneId, by: DroneKey, cost_rate: impl FnOnce() -> f64) -> Option<SortKey<'_>> {
        Some(self.records.get(&id)?.sort_key(id, by, cost_rate))
    }

    /// How many there are, and where they stand; `standing` is what the core says of each.
    pub(super) fn counts(&self, standing: impl Fn(DroneId) -> Option<Standing>) -> FleetCounts {
        let mut counts = FleetCounts::default();
        for (id, record) in &self.records {
            let is_quarantined = self.is_quarantined(*id);
            counts.states.count(record.state(standing(*id), is_quarantined));
            if record.seat.is_some() {
                counts.connected += 1;
                counts.threads += u64::from(record.newcomer.ability.threads);
                counts.quarantined += u64::from(is_quarantined);
            }
        }
        counts
    }

    /// The figures of a Drone have changed.
    pub(super) fn touch(&mut self, id: DroneId) {
        self.changed.insert(id);
    }

    /// The figures have changed of all of which watchers were told that they compute.
    pub(super) fn touch_computing(&mut self) {
        self.changed.extend(&self.computing);
    }

    /// Watchers are told of a Drone; `None` if it is forgotten.
    pub(super) fn publish(&mut self, id: DroneId, view: Option<&DroneView>) {
        match view.is_some_and(|view| view.rate > 0.0 || view.utilisation.is_some_and(|share| share > 0.0)) {
            true => self.computing.insert(id),
            false => self.computing.remove(&id),
        };
    }

    /// These Drones need not be told of again, since watchers are told of them now.
    pub(super) fn untouch(&mut self, published: &BTreeSet<DroneId>) {
        self.changed.retain(|id| !published.contains(id));
    }

    /// Whether there are figures that watchers were not told of.
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Those of whose figures watchers are told now; the others are behind the last of them.
    pub(super) fn take_changed(&mut self) -> Vec<DroneId> {
        let next = DroneId(self.last_published + 1);
        let turn: Vec<_> =
            self.changed.range(next..).chain(self.changed.range(..next)).take(DRONES_AT_ONCE).copied().collect();
        for id in &turn {
            self.changed.remove(id);
        }
        self.last_published = turn.last().map_or(self.last_published, |last| last.0);
        turn
    }

    fn seat_of(&self, id: DroneId) -> Option<&Seat> {
        self.records.get(&id)?.seat.as_ref()
    }
}
