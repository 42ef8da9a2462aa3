//! The Drones' part of the state: who is connected, and what is sent to them.
//!
//! A Drone is one process; it may have one connection after the other. Each connection has a
//! number, and what comes over an older one than the newest is not heard any more.

mod admission;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use web::model::{DroneCounts, DroneState, DroneView, Timestamp};
use wire::ids::{DroneId, TaskId};
use wire::message::Adoption;

use super::explain;
use super::state::State;
use super::story::Story;
use super::{Link, MAX_DRONES, Newcomer, Outbound, Parting, Receipt, label};
use crate::core::{Ability, Distrust, Event, Grant, Standing, Time};
use crate::crash;
use crate::store::{Change, KnownDrone, Visit};

/// Drones that are still shown after they went.
const DEPARTED: usize = 200;

/// Drones of whose figures watchers are told at a time. With more, they take turns, so that what
/// else there is to tell has room.
const TOLD: usize = 50;

/// Heartbeats over which its utilisation is told.
const BEATS: usize = 6;

/// A Drone that is connected, or was.
pub(super) struct Presence {
    pub(super) newcomer: Newcomer,
    seat: Option<Seat>,
    connections: u64,
    connected_at: Timestamp,
    last_seen_at: Timestamp,
    pub(super) items_done: u64,
    /// When it said lately for how long its threads had computed, in nanoseconds.
    busy: VecDeque<(Time, u64)>,
    /// Parts of its results that were looked at and were right, and results that were wrong.
    pub(super) checked: u64,
    pub(super) wrong: u64,
    /// How its last connection ended.
    parting: Parting,
    /// It is waited for, and the console says so.
    is_awaited: bool,
    /// It has not been here since the Queen started: its counts are of the Queen before.
    is_remembered: bool,
}

/// All Drones at a glance.
#[derive(Default)]
pub(super) struct Fleet {
    pub(super) connected: u64,
    /// Compute threads of those that are connected.
    pub(super) threads: u64,
    /// Those of them that are in quarantine, though they may be leaving.
    pub(super) quarantined: u64,
    pub(super) states: DroneCounts,
}

/// A connection.
struct Seat {
    number: u64,
    outbox: mpsc::Sender<Outbound>,
    closed: CancellationToken,
    /// How many outputs have come of it, and how many of those are safe.
    received: u64,
    stored: watch::Sender<u64>,
    /// It has said what it holds, and takes work.
    has_joined: bool,
}

/// What a connection is given to work with.
pub(super) struct Ends {
    pub(super) outbox: mpsc::Sender<Outbound>,
    pub(super) closed: CancellationToken,
    pub(super) stored: watch::Sender<u64>,
}

impl Presence {
    /// One that was here before the Queen started.
    fn remembered(drone: &KnownDrone, visit: &Visit) -> Self {
        let newcomer = Newcomer {
            name: drone.name.to_string(),
            instance: drone.instance,
            address: visit.address.clone(),
            software: visit.software.clone(),
            ability: Ability { threads: visit.threads, kinds: BTreeSet::new(), speeds: BTreeMap::new() },
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
            parting: if visit.has_left { Parting::Left } else { Parting::Lost },
            is_awaited: false,
            is_remembered: true,
        }
    }

    /// A process on its first connection to this Queen, of which `connections` were to others before.
    fn new(newcomer: Newcomer, seat: Seat, connections: u64) -> Self {
        let now = Timestamp::now();
        Self {
            newcomer,
            seat: Some(seat),
            connections: connections + 1,
            connected_at: now,
            last_seen_at: now,
            items_done: 0,
            busy: VecDeque::new(),
            checked: 0,
            wrong: 0,
            parting: Parting::Lost,
            is_awaited: false,
            is_remembered: false,
        }
    }

    /// A process on another connection. Its counts go on, as the Queen's own do.
    fn back(self, newcomer: Newcomer, seat: Seat) -> Self {
        if self.is_remembered {
            return Self::new(newcomer, seat, self.connections);
        }
        let now = Timestamp::now();
        let connections = self.connections + 1;
        Self {
            newcomer,
            seat: Some(seat),
            connections,
            connected_at: now,
            last_seen_at: now,
            is_awaited: false,
            ..self
        }
    }

    /// What is to be remembered of it.
    fn visit(&self, drone: DroneId) -> Change {
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
            has_left: self.seat.is_none() && matches!(self.parting, Parting::Left),
            secret: self.newcomer.secret,
        };
        Change::Visit { drone, visit: Box::new(visit) }
    }

    /// Where it stands, for users.
    fn state(&self, standing: Option<Standing>, is_quarantined: bool) -> DroneState {
        match (&self.seat, standing) {
            (None, Some(standing)) if standing.away => DroneState::Away,
            (None, _) => match self.parting {
                Parting::Left => DroneState::Left,
                Parting::Lost | Parting::Revoked => DroneState::Lost,
            },
            (Some(_), Some(standing)) if standing.leaving => DroneState::Leaving,
            (Some(_), _) if is_quarantined => DroneState::Quarantined,
            (Some(_), Some(standing)) if standing.leases > 0 => DroneState::Busy,
            (Some(_), _) => DroneState::Idle,
        }
    }

    /// The part of its threads' time in which they computed, over the last heartbeats.
    fn utilisation(&self) -> Option<f64> {
        let (newest, oldest) = (self.busy.front()?, self.busy.back()?);
        let passed = newest.0.saturating_sub(oldest.0).as_secs_f64() * f64::from(self.newcomer.ability.threads);
        let busy = newest.1.saturating_sub(oldest.1) as f64 / 1e9;
        (passed > 0.0).then(|| (busy / passed).min(1.0))
    }
}

impl State {
    /// Takes over which Drones the Queen before had, the last of them: they are gone, until they come back.
    pub(super) fn remember(&mut self, known: &[KnownDrone]) {
        let mut known: Vec<_> = known.iter().filter_map(|drone| Some((drone, drone.visit.as_ref()?))).collect();
        known.sort_by_key(|(drone, visit)| (visit.last_seen_at, drone.id));
        for (drone, visit) in known.split_off(known.len().saturating_sub(DEPARTED)) {
            self.presences.insert(drone.id, Presence::remembered(drone, visit));
            self.departed.push_back(drone.id);
        }
    }

    /// Gives a connection its place; an older one of the same process ends.
    pub(super) fn seat(&mut self, newcomer: Newcomer, ends: Ends, now: Time) -> Option<Link> {
        if self.connected().count() >= MAX_DRONES {
            return None;
        }
        let (id, is_new) = self.registry.identify(newcomer.instance);
        if is_new {
            let (instance, name) = (newcomer.instance, newcomer.name.as_str().into());
            self.changes.push(Change::Drone { id, instance, name });
        }
        if self.presences.get(&id).is_some_and(|presence| presence.seat.is_some()) {
            self.vacate(id, Parting::Lost);
            self.handle(Event::Disconnected { drone: id }, now);
        }
        self.departed.retain(|departed| *departed != id);
        let number = self.next_link;
        self.next_link += 1;
        let Ends { outbox, closed, stored } = ends;
        let seat = Seat { number, outbox, closed, received: 0, stored, has_joined: false };
        let (drone, threads) = (newcomer.name.clone(), newcomer.ability.threads);
        let presence = match self.presences.remove(&id) {
            Some(before) => before.back(newcomer, seat),
            None => Presence::new(newcomer, seat, 0),
        };
        let is_back = presence.connections > 1 || !is_new;
        self.changes.push(presence.visit(id));
        self.presences.insert(id, presence);
        self.stories.push(Story::Joined { drone, threads, is_back });
        self.feed.drone(id);
        Some(Link { drone: id, number })
    }

    /// The Drone has said what it holds; from now on it takes work.
    pub(super) fn join(&mut self, link: Link, offers: Vec<(TaskId, std::ops::Range<u64>)>, now: Time) {
        let trusted = self.registry.quarantined(link.drone).is_none();
        let Some(presence) = self.presences.get_mut(&link.drone) else { return };
        let ability = presence.newcomer.ability.clone();
        if let Some(seat) = &mut presence.seat {
            seat.has_joined = true;
        }
        self.handle(Event::Join { drone: link.drone, ability, trusted, offers }, now);
    }

    /// Whether this is the Drone's newest connection.
    pub(super) fn is_current(&self, link: Link) -> bool {
        let seat = self.presences.get(&link.drone).and_then(|presence| presence.seat.as_ref());
        seat.is_some_and(|seat| seat.number == link.number)
    }

    /// A Drone said something; `news` if it is worth telling to watchers.
    pub(super) fn heard(&mut self, id: DroneId, news: bool) {
        if let Some(presence) = self.presences.get_mut(&id) {
            presence.last_seen_at = Timestamp::now();
            if news {
                self.restless.insert(id);
            }
        }
    }

    /// Those of whose figures watchers are told now; the others are behind the last of them.
    pub(super) fn take_restless(&mut self) -> Vec<DroneId> {
        let next = DroneId(self.told.0 + 1);
        let turn: Vec<_> = self.restless.range(next..).chain(self.restless.range(..next)).take(TOLD).copied().collect();
        for id in &turn {
            self.restless.remove(id);
        }
        self.told = turn.last().copied().unwrap_or(self.told);
        turn
    }

    /// A Drone says for how long its threads have computed so far.
    pub(super) fn was_busy(&mut self, id: DroneId, busy_ns: u64, now: Time) {
        if let Some(presence) = self.presences.get_mut(&id) {
            presence.busy.truncate(BEATS - 1);
            presence.busy.push_front((now, busy_ns));
        }
    }

    /// A Drone's connection has ended. Of one that broke the core says what follows.
    pub(super) fn unseat(&mut self, link: Link, parting: Parting, now: Time) {
        if self.is_dismissed {
            return self.close(link);
        }
        if !self.is_current(link) {
            return;
        }
        let drone = link.drone;
        let had_joined = self.vacate(drone, parting);
        match parting {
            _ if !had_joined && self.core.drone(drone, now).is_none() => {}
            Parting::Left | Parting::Revoked => self.handle(Event::Gone { drone }, now),
            Parting::Lost => self.handle(Event::Disconnected { drone }, now),
        }
        self.part(drone);
    }

    /// Its connection is to end, and the core has given up what it had.
    pub(super) fn disconnect(&mut self, id: DroneId, reason: &'static str) {
        self.send(id, Outbound::Goodbye(reason));
        self.vacate(id, Parting::Lost);
        self.part(id);
    }

    /// A Drone did not come back in time.
    pub(super) fn forgotten(&mut self, id: DroneId) {
        if self.presences.get(&id).is_some_and(|presence| presence.is_awaited) {
            self.part(id);
        }
    }

    /// The Queen stops, and a connection with her.
    pub(super) fn close(&mut self, link: Link) {
        if self.is_current(link) {
            self.vacate(link.drone, Parting::Left);
        }
    }

    /// A user wants a Drone to leave; whether it is there.
    pub(super) fn drain(&mut self, drone: DroneId, now: Time) -> bool {
        let is_there = self.presences.get(&drone).is_some_and(|presence| presence.seat.is_some());
        if is_there {
            self.send(drone, Outbound::Drain);
            self.feed.drone(drone);
            self.handle(Event::Leaving { drone }, now);
        }
        is_there
    }

    /// A user trusts a Drone again.
    pub(super) fn pardon(&mut self, drone: DroneId, now: Time) {
        if self.registry.pardon(drone) {
            self.changes.push(Change::Quarantine { drone, reason: None });
            self.feed.drone(drone);
            self.handle(Event::Pardon { drone }, now);
        }
    }

    /// Ends a connection; returns whether the core had heard of it.
    fn vacate(&mut self, id: DroneId, parting: Parting) -> bool {
        let Some(presence) = self.presences.get_mut(&id) else { return false };
        presence.parting = parting;
        let Some(seat) = presence.seat.take() else { return false };
        seat.closed.cancel();
        seat.has_joined
    }

    /// Tells that a Drone is gone, or away, and forgets the oldest of those that are gone.
    fn part(&mut self, id: DroneId) {
        let is_awaited = self.core.standing(id).is_some_and(|standing| standing.away && standing.leases > 0);
        let connected = self.connected().count() as u64;
        let Some(presence) = self.presences.get_mut(&id) else { return };
        let was_awaited = std::mem::replace(&mut presence.is_awaited, is_awaited);
        let (drone, parting) = (presence.newcomer.name.clone(), presence.parting);
        self.stories.push(match is_awaited {
            true => Story::Away { drone, connected },
            false => Story::Parted { drone, parting, was_awaited, connected },
        });
        self.deferred.push(presence.visit(id));
        self.feed.drone(id);
        if !is_awaited && !self.departed.contains(&id) {
            self.departed.push_back(id);
            if self.departed.len() > DEPARTED
                && let Some(oldest) = self.departed.pop_front()
            {
                self.presences.remove(&oldest);
            }
        }
    }

    /// The Queen stops. What Drones hold they offer to the next one, who is to know of it.
    pub(super) fn dismiss(&mut self, reason: &'static str) {
        self.is_dismissed = true;
        self.presences.keys().for_each(|drone| self.send(*drone, Outbound::Goodbye(reason)));
    }

    /// Puts a Drone into quarantine of which the core knows that already.
    pub(super) fn distrust(&mut self, id: DroneId, reason: String) {
        let drone = self.name_of(id);
        self.stories.push(Story::Quarantined { drone, reason: reason.clone() });
        self.registry.distrust(id, reason.as_str().into());
        self.deferred.push(Change::Quarantine { drone: id, reason: Some(reason) });
        self.feed.drone(id);
    }

    /// Why the core does not trust a Drone any more.
    pub(super) fn distrusted(&mut self, id: DroneId, why: &Distrust) {
        let reason = explain::distrust(why, |task| self.label(task));
        self.distrust(id, reason);
    }

    pub(super) fn adopted(&mut self, drone: DroneId, leases: Vec<Option<(wire::ids::LeaseId, std::ops::Range<u64>)>>) {
        let taken = leases.iter().flatten().count();
        if !leases.is_empty() {
            let (drone, offered) = (self.name_of(drone), leases.len());
            self.stories.push(Story::Adopted { drone, taken, offered });
        }
        let adoption = |(lease, range): (_, std::ops::Range<u64>)| Adoption { lease, from: range.start, to: range.end };
        let leases = leases.into_iter().map(|lease| lease.map(adoption)).collect();
        self.send(drone, Outbound::Adopted(leases));
    }

    pub(super) fn lease(&mut self, grant: Grant) {
        let Some((grant, job)) = self.job_of_grant(grant) else { return };
        if grant.range.start == 0 {
            let drone = self.name_of(grant.drone);
            let task = label(grant.task, job.terms.name.as_deref());
            self.stories.push(Story::Sent { task, drone, job: job.clone() });
        }
        crash::point("dispatch");
        self.restless.insert(grant.drone);
        self.send(grant.drone, Outbound::Lease(grant, job));
    }

    /// So many outputs have come of a Drone.
    pub(super) fn received(&mut self, drone: DroneId, outputs: u64) {
        if let Some(seat) = self.presences.get_mut(&drone).and_then(|presence| presence.seat.as_mut()) {
            seat.received = outputs;
        }
    }

    /// Whether some of those are not safe yet.
    pub(super) fn owes(&self, drone: DroneId) -> bool {
        let seat = self.presences.get(&drone).and_then(|presence| presence.seat.as_ref());
        seat.is_some_and(|seat| *seat.stored.borrow() < seat.received)
    }

    /// So many outputs of a connection are safe.
    pub(super) fn stored(&self, receipt: Receipt) {
        let Receipt { link, outputs } = receipt;
        if self.is_current(link)
            && let Some(seat) = self.presences.get(&link.drone).and_then(|presence| presence.seat.as_ref())
        {
            seat.stored.send_replace(outputs);
        }
    }

    /// A Drone whose queue is full does not read; its connection ends.
    pub(super) fn send(&self, drone: DroneId, message: Outbound) {
        // Before it has said what it holds, nothing is known of what it is sent.
        let is_early =
            |seat: &&Seat| !seat.has_joined && matches!(message, Outbound::Lease(..) | Outbound::Shrink { .. });
        if let Some(seat) =
            self.presences.get(&drone).and_then(|presence| presence.seat.as_ref()).filter(|seat| !is_early(seat))
            && seat.outbox.try_send(message).is_err()
        {
            seat.closed.cancel();
        }
    }

    pub(super) fn name_of(&self, id: DroneId) -> String {
        self.presences.get(&id).map_or_else(|| format!("drone {id}"), |presence| presence.newcomer.name.clone())
    }

    pub(super) fn drone(&self, id: DroneId, now: Time) -> Option<DroneView> {
        let presence = self.presences.get(&id)?;
        let status = self.core.drone(id, now);
        let standing = status.map(|status| status.standing);
        let quarantined = self.registry.quarantined(id);
        let idle = status.and_then(|status| status.idle).filter(|_| presence.seat.is_some());
        Some(DroneView {
            id,
            name: presence.newcomer.name.clone(),
            instance: presence.newcomer.instance.to_string(),
            address: presence.newcomer.address.clone(),
            software: presence.newcomer.software.clone(),
            state: presence.state(standing, quarantined.is_some()),
            threads: presence.newcomer.ability.threads,
            kernels: presence.newcomer.kernels.clone(),
            leases: standing.map_or(0, |standing| standing.leases),
            idle_because: idle.map(|idle| explain::idle(idle).into()),
            quarantined_because: quarantined.map(Into::into),
            rate: status.map_or(0.0, |status| status.rate),
            compressions_per_second: status.map_or(0.0, |status| status.cost_rate),
            utilisation: presence.seat.as_ref().and_then(|_| presence.utilisation()),
            items_done: presence.items_done,
            checked: presence.checked,
            wrong: presence.wrong,
            connections: presence.connections,
            connected_at: presence.connected_at,
            last_seen_at: presence.last_seen_at,
        })
    }

    /// Those that are connected or waited for, then those that went lately, the last one first.
    pub(super) fn drones(&self, now: Time) -> Vec<DroneView> {
        let here = self.presences.keys().filter(|id| !self.departed.contains(id));
        here.chain(self.departed.iter().rev()).filter_map(|id| self.drone(*id, now)).collect()
    }

    /// Connected Drones, their threads, and how many of them are in quarantine; and how many stand where.
    pub(super) fn fleet(&self) -> Fleet {
        let mut fleet = Fleet::default();
        for (id, presence) in &self.presences {
            let is_quarantined = self.registry.quarantined(*id).is_some();
            fleet.states.count(presence.state(self.core.standing(*id), is_quarantined));
            if presence.seat.is_some() {
                fleet.connected += 1;
                fleet.threads += u64::from(presence.newcomer.ability.threads);
                fleet.quarantined += u64::from(is_quarantined);
            }
        }
        fleet
    }

    /// Drones besides this one that may be given work.
    pub(super) fn has_others(&self, id: DroneId) -> bool {
        let suits = |(other, presence): (&DroneId, &Presence)| {
            *other != id && presence.seat.is_some() && self.registry.quarantined(*other).is_none()
        };
        self.presences.iter().any(suits)
    }

    /// Connected Drones.
    pub(super) fn connected(&self) -> impl Iterator<Item = DroneId> {
        self.presences.iter().filter(|(_, presence)| presence.seat.is_some()).map(|(id, _)| *id)
    }
}
