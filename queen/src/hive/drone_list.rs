//! The list of Drones: which are asked for is found without telling all there is to know of each.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use web::hive::{DronePage, DroneQuery, DroneSort};
use web::model::DroneState;
use wire::ids::DroneId;

use super::state::State;
use crate::clock::Now;

impl State {
    /// A part of the list of Drones.
    pub(super) fn drone_page(&self, query: &DroneQuery, now: Now) -> DronePage {
        let (mut counts, mut wanted, mut has_known) = (BTreeMap::new(), Vec::new(), false);
        for id in self.fleet.all() {
            has_known = true;
            if !self.fleet.is_called_so(id, query.name.as_deref()) {
                continue;
            }
            let Some(state) = self.drone_state(id) else { continue };
            *counts.entry(state).or_default() += 1;
            let is_meant = query.state.is_none_or(|meant| meant == state);
            if is_meant && (state.is_connected() || !query.is_connected) {
                wanted.push(id);
            }
        }
        if let Some(sort) = query.sort {
            self.sort_drones(&mut wanted, sort, now);
        }
        let mut rest = wanted.into_iter().skip(query.skip);
        let drones = rest.by_ref().take(query.limit).filter_map(|id| self.drone(id, now)).collect();
        DronePage { drones, has_more: rest.next().is_some(), counts, has_known }
    }

    /// Puts Drones into an order; those that are equal by it stay as they are.
    fn sort_drones(&self, drones: &mut [DroneId], DroneSort { by, is_descending }: DroneSort, now: Now) {
        let cost_rate = |id| self.core.drone_rates(id, now.elapsed).map_or(0.0, |(_, cost_rate)| cost_rate);
        let key = |id: &DroneId| self.fleet.sort_key(*id, by, || cost_rate(*id));
        match is_descending {
            true => drones.sort_by_cached_key(|id| Reverse(key(id))),
            false => drones.sort_by_cached_key(key),
        }
    }

    /// Where a Drone stands, for users.
    pub(super) fn drone_state(&self, id: DroneId) -> Option<DroneState> {
        self.fleet.state(id, self.core.standing(id))
    }

    /// Compressions per second lately of each Drone that is connected or away.
    pub(super) fn drone_rates(&self, now: Now) -> BTreeMap<DroneId, f64> {
        let rate = |id| Some((id, self.core.drone_rates(id, now.elapsed)?.1));
        self.fleet.all().filter_map(rate).collect()
    }
}
