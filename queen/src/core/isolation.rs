//! Ranges that are computed in isolation: alone on a Drone that does nothing else meanwhile.
//!
//! A range that was being computed at several losses of Drones may be what ends them. Computed beside other
//! work it would take that with it, and the blame would fall on what happened to be there. So a Drone is
//! emptied for it: it is given nothing until it holds nothing, then that range, and nothing else until that
//! has ended. If it is lost now, there is no doubt of what.

use wire::ids::{DroneId, LeaseId, TaskId};

use super::credit::CreditPool;
use super::dispatch::LeaseTerms;
use super::drone::{Drone, Isolation};
use super::effect::Effect;
use super::scheduler::Core;
use super::time::Time;

/// One of so many Drones is isolated at one time, but one in any case: most go on with the rest.
const DRONES_PER_ISOLATED: usize = 8;

impl Core {
    /// Chooses Drones for the ranges that are to be isolated, as far as there may be more such Drones.
    pub(super) fn isolate(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.isolated.is_empty() {
            return;
        }
        let most = (self.drones.len() / DRONES_PER_ISOLATED).max(1);
        let mut left = most.saturating_sub(self.drones.isolated());
        let waiting = self.isolated.iter().filter(|(_, drone)| drone.is_none()).map(|(key, _)| *key);
        for key in waiting.collect::<Vec<_>>() {
            if left == 0 {
                return;
            }
            let Some(drone) = self.drone_to_isolate(key, now) else { continue };
            left -= 1;
            self.isolated.insert(key, Some(drone));
            self.drones.change(drone, |drone| drone.isolation = Some(Isolation::Emptying(key)));
            self.lease_isolated(drone, now, effects);
        }
    }

    /// The least busy of the Drones that could compute a range.
    fn drone_to_isolate(&self, (task, start): (TaskId, u64), now: Time) -> Option<DroneId> {
        let task = self.tasks.get(task).filter(|task| !task.is_paused)?;
        let (_, history) = task.retries().find(|(range, _)| range.start == start)?;
        let suiting = self.drones.iter().filter(|(id, drone)| {
            drone.is_usable() && !drone.is_isolated() && drone.is_able(task) && self.may_try(task, history, *id, now)
        });
        suiting.min_by_key(|(_, drone)| drone.load()).map(|(id, _)| id)
    }

    /// Leases the range that a Drone is emptied for, if it is empty.
    pub(super) fn lease_isolated(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        let Some(drone) = self.drones.get(id).filter(|drone| drone.is_empty()) else { return };
        let Some(Isolation::Emptying(key)) = drone.isolation else { return };
        self.end_isolation(key);
        let taken = self.tasks.change(key.0, |task| task.take_retry(key.1)).flatten();
        let Some((range, history)) = taken else { return };
        let terms = LeaseTerms { pool: CreditPool::Ahead, range, history: Some(history), twin: None };
        if let Some(lease) = self.grant(key.0, id, terms, now, effects) {
            self.runs_isolated(id, lease);
        }
    }

    /// A Drone computes this lease and nothing else.
    pub(super) fn runs_isolated(&mut self, id: DroneId, lease: LeaseId) {
        self.drones.change(id, |drone| drone.isolation = Some(Isolation::Running(lease)));
    }

    /// A range waits for being isolated no longer.
    pub(super) fn end_isolation(&mut self, key: (TaskId, u64)) {
        if let Some(drone) = self.isolated.remove(&key).flatten() {
            self.drones.change(drone, |drone| drone.isolation = None);
        }
    }

    /// No range of this task waits for being isolated any longer; returns those that did, and who was emptied for each,
    /// and has room now.
    pub(super) fn end_isolation_of_task(&mut self, task: TaskId) -> Vec<((TaskId, u64), Option<DroneId>)> {
        let waiting = self.isolated.range((task, 0)..=(task, u64::MAX));
        let waiting: Vec<_> = waiting.map(|(key, drone)| (*key, *drone)).collect();
        waiting.iter().for_each(|(key, _)| self.end_isolation(*key));
        waiting
    }

    /// A Drone is emptied for no range any longer: another one has to be.
    pub(super) fn stop_emptying(&mut self, id: DroneId) {
        let emptying =
            |drone: &mut Drone| drone.isolation.take_if(|isolation| matches!(isolation, Isolation::Emptying(_)));
        if let Some(Isolation::Emptying(key)) = self.drones.change(id, emptying).flatten() {
            self.isolated.insert(key, None);
        }
    }
}
