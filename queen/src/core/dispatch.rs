//! Puts tasks on Drones: the next one that fits, where most room is.

use wire::ids::{DroneId, LeaseId, TaskId};

use super::drone::Place;
use super::{Core, Effect, Grant, Lease, SILENCE, Time, sizing};

/// How many tasks are looked at for one Drone, and Drones for one task, before that is left
/// to the next occasion: every heartbeat is one.
const LOOK: usize = 64;

impl Core {
    /// Places chunks of one task on the Drones with most room, until none has any.
    pub(super) fn place_task(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        while let Some((drone, place)) = self.drone_for(id) {
            self.grant(id, drone, place, now, effects);
        }
    }

    /// Places the next tasks on one Drone until it has no more room.
    pub(super) fn fill(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        while let Some((task, place)) = self.task_for(id) {
            self.grant(task, id, place, now, effects);
        }
    }

    fn drone_for(&self, id: TaskId) -> Option<(DroneId, Place)> {
        let task = self.tasks.get(id).filter(|task| task.has_pending())?;
        self.by_load.iter().take(LOOK).find_map(|(_, drone)| Some((*drone, self.drones.get(drone)?.room(id, task)?)))
    }

    fn task_for(&self, id: DroneId) -> Option<(TaskId, Place)> {
        let drone = self.drones.get(&id).filter(|drone| !drone.leaving)?;
        self.queue.ready().take(LOOK).find_map(|task| Some((task, drone.room(task, self.tasks.get(task)?)?)))
    }

    fn grant(&mut self, task_id: TaskId, drone_id: DroneId, place: Place, now: Time, effects: &mut Vec<Effect>) {
        let (Some(task), Some(drone)) = (self.tasks.get_mut(task_id), self.drones.get(&drone_id)) else { return };
        let Some(chunk) = sizing::chunk(task, drone, place, self.threads) else { return };
        let Some(range) = task.take_first(chunk.end - chunk.start) else { return };
        let lease = LeaseId(self.next_lease);
        self.next_lease += 1;
        self.queue.remove(task.priority, task.pass, task_id);
        task.pass = task.pass.saturating_add(task.cost(&range));
        let rank = drone.rank(task_id, task, &range, task.pass);
        let charge = drone.charge(task, &range, place, rank);
        if task.has_pending() {
            self.queue.insert(task.priority, task.pass, task_id);
        }
        if task.lease(lease) {
            effects.push(Effect::Started(task_id));
        }
        let priority = task.priority;
        effects.push(Effect::Lease(Grant {
            drone: drone_id,
            lease,
            task: task_id,
            range: range.clone(),
            priority,
            rank,
        }));
        self.change_load(drone_id, |drone| drone.take(lease, task_id, &charge));
        let deadline = now + SILENCE;
        self.leases.insert(lease, Lease { task: task_id, drone: drone_id, range, deadline, charge });
    }
}
