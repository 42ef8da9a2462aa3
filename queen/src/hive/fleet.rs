//! The Drones' part of the state: who is connected, and what is sent to them.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use web::model::{DroneState, DroneView, Timestamp};
use wire::ids::DroneId;

use super::state::State;
use super::story::Story;
use super::{MAX_DRONES, Newcomer, Outbound, Parting, label};
use crate::core::{Grant, Time};
use crate::crash;

/// Drones that are still shown after they went.
const DEPARTED: usize = 50;

/// A connected Drone.
pub(super) struct Seat {
    pub(super) newcomer: Newcomer,
    outbox: mpsc::Sender<Outbound>,
    closed: CancellationToken,
    connected_at: Timestamp,
    last_seen_at: Timestamp,
    pub(super) items_done: u64,
}

impl Seat {
    pub(super) fn new(newcomer: Newcomer, outbox: mpsc::Sender<Outbound>, closed: CancellationToken) -> Self {
        let now = Timestamp::now();
        Self { newcomer, outbox, closed, connected_at: now, last_seen_at: now, items_done: 0 }
    }
}

impl State {
    pub(super) fn seat(&mut self, seat: Seat) -> Option<DroneId> {
        if self.seats.len() >= MAX_DRONES {
            return None;
        }
        let id = DroneId(self.next_drone);
        self.next_drone += 1;
        let (drone, threads) = (seat.newcomer.name.clone(), seat.newcomer.ability.threads);
        self.seats.insert(id, seat);
        self.stories.push(Story::Joined { drone, threads });
        self.feed.drone(id);
        Some(id)
    }

    /// A Drone said something; `news` if it is worth telling to watchers.
    pub(super) fn heard(&mut self, id: DroneId, news: bool) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.last_seen_at = Timestamp::now();
            if news {
                self.feed.drone(id);
            }
        }
    }

    pub(super) fn unseat(&mut self, id: DroneId, parting: Parting, now: Time) {
        let Some(mut view) = self.drone(id, now).filter(|view| view.state.is_connected()) else { return };
        view.state = match parting {
            Parting::Left => DroneState::Left,
            Parting::Lost => DroneState::Lost,
        };
        (view.leases, view.rate, view.compressions_per_second) = (0, 0.0, 0.0);
        self.seats.remove(&id);
        self.stories.push(Story::Parted { drone: view.name.clone(), parting, connected: self.seats.len() });
        if self.departed.len() == DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back(view);
        self.feed.drone(id);
    }

    pub(super) fn disconnect(&mut self, id: DroneId, reason: &'static str, now: Time) {
        self.send(id, Outbound::Goodbye(reason));
        if let Some(seat) = self.seats.get(&id) {
            seat.closed.cancel();
        }
        self.unseat(id, Parting::Lost, now);
    }

    pub(super) fn dismiss(&mut self, reason: &'static str) {
        let drones: Vec<_> = self.seats.keys().copied().collect();
        drones.into_iter().for_each(|drone| self.send(drone, Outbound::Goodbye(reason)));
    }

    pub(super) fn lease(&mut self, grant: Grant) {
        let Some(record) = self.tasks.get(grant.task) else { return };
        let job = record.job(grant.task);
        if grant.range.start == 0 {
            let drone = self.seats.get(&grant.drone).map(|seat| seat.newcomer.name.clone()).unwrap_or_default();
            let task = label(grant.task, job.terms.name.as_deref());
            self.stories.push(Story::Sent { task, drone, job: job.clone() });
        }
        crash::point("dispatch");
        self.feed.drone(grant.drone);
        self.send(grant.drone, Outbound::Lease(grant, job));
    }

    /// A Drone whose queue is full does not read; its connection ends.
    pub(super) fn send(&self, drone: DroneId, message: Outbound) {
        if let Some(seat) = self.seats.get(&drone)
            && seat.outbox.try_send(message).is_err()
        {
            seat.closed.cancel();
        }
    }

    pub(super) fn drone(&self, id: DroneId, now: Time) -> Option<DroneView> {
        let Some(seat) = self.seats.get(&id) else {
            return self.departed.iter().find(|view| view.id == id).cloned();
        };
        let status = self.core.drone(id, now);
        let leases = status.map_or(0, |status| status.leases);
        let state = match status {
            Some(status) if status.leaving => DroneState::Leaving,
            _ if leases > 0 => DroneState::Busy,
            _ => DroneState::Idle,
        };
        Some(DroneView {
            id,
            instance: String::new(),
            name: seat.newcomer.name.clone(),
            address: seat.newcomer.address.clone(),
            software: seat.newcomer.software.clone(),
            state,
            idle_because: None,
            quarantined_because: None,
            threads: seat.newcomer.ability.threads,
            leases,
            rate: status.map_or(0.0, |status| status.rate),
            compressions_per_second: status.map_or(0.0, |status| status.cost_rate),
            items_done: seat.items_done,
            checked: 0,
            wrong: 0,
            connections: 1,
            connected_at: seat.connected_at,
            last_seen_at: seat.last_seen_at,
        })
    }

    pub(super) fn drones(&self, now: Time) -> Vec<DroneView> {
        let connected = self.seats.keys().filter_map(|id| self.drone(*id, now));
        connected.chain(self.departed.iter().rev().cloned()).collect()
    }

    /// Connected Drones and their threads.
    pub(super) fn fleet(&self) -> (u64, u64) {
        let threads = self.seats.values().map(|seat| u64::from(seat.newcomer.ability.threads)).sum();
        (self.seats.len() as u64, threads)
    }
}
