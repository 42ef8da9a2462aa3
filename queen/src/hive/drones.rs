//! What Drones say, and what users do to them.

#[cfg(test)]
mod tests;

use std::ops::Range;

use wire::ids::{DroneId, LeaseId, TaskId};
use wire::message::Offered;

use super::arrival::Arrival;
use super::drone_record::Ends;
use super::seat::{Departure, Link, Newcomer, Outbound};
use super::settings::MAX_DRONES;
use super::state::State;
use super::story::Story;
use crate::access::JoinSecrets;
use crate::clock::Now;
use crate::core::{Event, LeaseProgress};
use crate::store::{Change, Receipt};

impl State {
    /// Gives a connection its place; an older one of the same process ends. `None` if there are too many.
    pub(super) fn seat(&mut self, newcomer: Newcomer, ends: Ends, now: Now) -> Option<Link> {
        if self.fleet.connected().count() >= MAX_DRONES {
            return None;
        }
        let (id, is_new) = self.fleet.identify(newcomer.instance);
        if is_new {
            let (instance, name) = (newcomer.instance, newcomer.name.as_str().into());
            self.outgoing.push(Change::Drone { id, instance, name });
        }
        if self.fleet.is_seated(id) {
            self.fleet.vacate(id, Departure::Lost);
            self.handle(Event::Disconnected { drone: id }, now);
        }
        let (drone, threads, address) = (newcomer.name.clone(), newcomer.ability.threads, newcomer.address.clone());
        let (link, visit, was_here) = self.fleet.seat(id, newcomer, ends, now);
        self.activities.connect(id, threads, now.elapsed);
        self.outgoing.push(visit);
        let is_back = was_here || !is_new;
        self.log_drone(id, if is_back { "return" } else { "connect" }, came_with(threads, &address), now);
        self.stories.push(Story::Joined { drone, threads, is_back });
        self.feed.drone(id);
        Some(link)
    }

    /// The Drone has said what it holds; from now on it takes work.
    pub(super) fn join(&mut self, link: Link, offers: &[Offered], now: Now) {
        if !self.fleet.is_current(link) {
            return;
        }
        let Some((ability, trusted)) = self.fleet.join(link.drone) else { return };
        let offers = offers.iter().map(|offer| self.offered(offer)).collect();
        self.handle(Event::Join { drone: link.drone, ability, trusted, offers }, now);
    }

    /// A Drone's offer as the core hears it: it may be about another task of the same id.
    fn offered(&self, offer: &Offered) -> (TaskId, Range<u64>) {
        let record = self.tasks.get(offer.task);
        let is_same = record.is_some_and(|record| record.terms.instance(offer.task) == offer.instance);
        // No task has the id 0: the core declines an offer of it.
        (if is_same { offer.task } else { TaskId(0) }, offer.from..offer.to)
    }

    /// A Drone lives and holds these leases.
    pub(super) fn heartbeat(
        &mut self,
        link: Link,
        progress: Vec<LeaseProgress>,
        computed: u64,
        busy_ns: u64,
        now: Now,
    ) {
        let drone = link.drone;
        if !self.fleet.is_current(link) {
            return;
        }
        self.fleet.heard(drone, false, now);
        self.fleet.was_busy(drone, busy_ns, now);
        self.note_beat(drone, busy_ns, now);
        if self.disk.fault.is_some() || self.fleet.has_unstored(drone) {
            // A Drone that may not send more results, because those before are not stored yet, has to stop computing.
            self.handle(Event::Excuse { drone, was_heard: true }, now);
        }
        self.handle(Event::Heartbeat { drone, progress, computed }, now);
    }

    /// Results came over a connection, and were looked at; the receipt says how many came over it so far.
    pub(super) fn outputs(&mut self, receipt: Receipt, arrivals: Vec<Arrival>, now: Now) {
        let Receipt { drone, connection, outputs } = receipt;
        if self.fleet.is_current(Link { drone, number: connection }) {
            self.fleet.heard(drone, true, now);
            self.fleet.received(drone, outputs);
            arrivals.into_iter().for_each(|arrival| self.output(drone, arrival, now));
        }
    }

    /// A Drone cannot compute a lease.
    pub(super) fn failed(&mut self, link: Link, lease: LeaseId, reason: String, now: Now) {
        if !self.fleet.is_current(link) {
            return;
        }
        self.fleet.has_failed(link.drone);
        if !self.is_audit(link.drone, lease, now) {
            self.handle(Event::Failed { drone: link.drone, lease, reason }, now);
        }
    }

    /// The inputs that a Drone needs for a lease cannot be read.
    pub(super) fn unreadable(&mut self, link: Link, lease: LeaseId, reason: String, now: Now) {
        if let Some(lease) = self.core.lease(link.drone, lease) {
            self.handle(Event::InputsUnavailable { task: lease.task, reason }, now);
        }
    }

    /// A Drone gives leases back.
    pub(super) fn hand_back(&mut self, link: Link, leases: Vec<LeaseId>, now: Now) {
        if self.fleet.is_current(link) {
            self.handle(Event::HandBack { drone: link.drone, leases }, now);
        }
    }

    /// A Drone takes no more.
    pub(super) fn leaving(&mut self, link: Link, now: Now) {
        if self.fleet.is_current(link) {
            self.fleet.heard(link.drone, true, now);
            self.handle(Event::Leaving { drone: link.drone }, now);
        }
    }

    /// A Drone's connection has ended. Of one that broke the core says what follows.
    pub(super) fn unseat(&mut self, link: Link, departure: Departure, now: Now) {
        if self.fleet.is_dismissed() {
            return self.fleet.close(link);
        }
        if !self.fleet.is_current(link) {
            return;
        }
        let drone = link.drone;
        let had_joined = self.fleet.vacate(drone, departure);
        match departure {
            _ if !had_joined && self.core.standing(drone).is_none() => {}
            Departure::Left | Departure::Drained | Departure::Revoked | Departure::Disconnected => {
                self.handle(Event::Gone { drone }, now)
            }
            Departure::Lost => self.handle(Event::Disconnected { drone }, now),
        }
        self.depart(drone, now);
    }

    /// Cuts off all Drones that came with a secret that is not among the `valid` ones.
    pub(super) fn expel(&mut self, valid: &JoinSecrets, now: Now) {
        if self.fleet.is_dismissed() {
            return;
        }
        for drone in self.fleet.with_revoked(valid) {
            self.cut_off(drone, "its secret was revoked", Departure::Revoked, now);
        }
    }

    /// A user cuts a Drone off that is there, or away; it may come back.
    pub(super) fn disconnect(&mut self, drone: DroneId, now: Now) {
        self.cut_off(drone, "an operator disconnected it", Departure::Disconnected, now);
    }

    /// Whether a Drone has a connection to be ended, or something that is kept for it.
    pub(super) fn may_be_cut_off(&self, drone: DroneId) -> bool {
        self.core.standing(drone).is_some() || self.fleet.is_seated(drone)
    }

    /// Ends a Drone's connection, if it has one, and gives what it holds to others.
    fn cut_off(&mut self, drone: DroneId, reason: &'static str, departure: Departure, now: Now) {
        if !self.may_be_cut_off(drone) {
            return;
        }
        let is_known = self.core.standing(drone).is_some();
        self.fleet.send(drone, Outbound::Goodbye(reason));
        self.fleet.vacate(drone, departure);
        if is_known {
            self.handle(Event::Gone { drone }, now);
        }
        self.depart(drone, now);
    }

    /// A user wants a Drone to leave; whether it is there.
    pub(super) fn drain(&mut self, drone: DroneId, now: Now) -> bool {
        let is_there = self.fleet.is_seated(drone);
        if is_there {
            self.fleet.drain(drone);
            self.feed.drone(drone);
            self.handle(Event::Leaving { drone }, now);
        }
        is_there
    }

    /// A user trusts a Drone again.
    pub(super) fn pardon(&mut self, drone: DroneId, now: Now) {
        if self.fleet.pardon(drone) {
            self.outgoing.push(Change::Quarantine { drone, reason: None });
            self.feed.drone(drone);
            self.handle(Event::Pardon { drone }, now);
        }
    }
}

/// With what a Drone came, and from where.
fn came_with(threads: u16, address: &str) -> String {
    format!("{threads} compute thread{}, from {address}", if threads == 1 { "" } else { "s" })
}
