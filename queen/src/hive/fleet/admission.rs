//! Which Drones came with which secret, and what becomes of them when it is revoked.

use wire::ids::DroneId;

use crate::access::JoinSecrets;
use crate::core::{Event, Time};
use crate::hive::state::State;
use crate::hive::{Outbound, Parting, SharedHive};

impl SharedHive {
    /// Cuts off all Drones that came with a secret that is not among the `valid` ones. What they held goes to others
    /// at once, also what is kept for one whose connection broke.
    pub fn expel(&self, valid: &JoinSecrets) {
        self.change(|state, now| state.expel(valid, now));
    }

    /// How many connected Drones came with the secret that has this number.
    pub fn drones_of_secret(&self, secret: u64) -> u64 {
        let state = self.lock();
        let came_with =
            |id: &DroneId| state.presences.get(id).is_some_and(|presence| presence.newcomer.secret == Some(secret));
        state.connected().filter(came_with).count() as u64
    }
}

impl State {
    fn expel(&mut self, valid: &JoinSecrets, now: Time) {
        if self.is_dismissed {
            return;
        }
        let is_expelled = |(id, presence): &(&DroneId, &super::Presence)| {
            let is_here = presence.seat.is_some() || self.core.drone(**id, now).is_some();
            is_here && presence.newcomer.secret.is_some_and(|secret| !valid.has(secret))
        };
        let expelled: Vec<_> = self.presences.iter().filter(is_expelled).map(|(id, _)| *id).collect();
        for drone in expelled {
            self.send(drone, Outbound::Goodbye("its secret was revoked"));
            self.vacate(drone, Parting::Revoked);
            if self.core.drone(drone, now).is_some() {
                self.handle(Event::Gone { drone }, now);
            }
            self.part(drone);
        }
    }
}
