//! Drones that cannot compute what they are given, and whose fault that is.

use wire::ids::{DroneId, LeaseId, TaskId};

use super::effect::{Blame, Distrust, Effect, Outcome};
use super::history::EndCause;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::task::Task;
use super::time::Time;

/// A range fails its task when two Drones have failed on it, since one alone may be what is wrong. Where there is no
/// other that could try, it does after so many attempts of the only one.
pub const ATTEMPTS_OF_ONLY_DRONE: usize = 3;

impl Core {
    pub(super) fn failed(
        &mut self,
        drone_id: DroneId,
        id: LeaseId,
        reason: &str,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lease) = self.leases.get(id).filter(|lease| lease.drone == drone_id) else { return };
        self.lease_counts.failed += 1;
        let task = lease.task;
        let tried = lease.history.as_deref().map_or(&[][..], |history| &history.failed);
        let (range, is_batch) = (lease.range.clone(), self.tasks.get(task).is_some_and(|task| task.is_batch));
        let may_be_blamed = !is_batch || range.end - range.start == 1;
        // Each item of a batch is a task of its own.
        let item = if is_batch { range.clone() } else { 0..u64::MAX };
        let drones: Vec<_> = tried.iter().map(|(drone, _)| *drone).chain([drone_id]).collect();
        let is_confirmed = drones.iter().any(|other| *other != drone_id);
        if lease.twin.is_none() && may_be_blamed && (is_confirmed || drones.len() >= ATTEMPTS_OF_ONLY_DRONE) {
            if is_confirmed {
                // The range is to blame, not who tried it.
                self.drones.forgive(task, &item);
            }
            let blame = Blame::Failures { drones, reason: reason.to_owned() };
            self.remove_lease(id, LeaseEnd::Failed, effects);
            if is_batch {
                self.fail_item(task, range, blame, now, effects);
            } else {
                self.end_task(task, Outcome::Failed(blame), now, effects);
            }
        } else {
            self.give_up(&[(id, EndCause::Failure)], false, LeaseEnd::Failed, now, effects);
            let failures = self.drones.change(drone_id, |drone| drone.fail(task, item, now)).flatten();
            if let Some(tasks) = failures {
                effects.push(Effect::Quarantined { drone: drone_id, why: Distrust::Failures(tasks.clone()) });
                self.quarantine(drone_id, now, effects);
                tasks.into_iter().for_each(|task| self.disregard(task, drone_id, now, effects));
            }
        }
        self.fill(drone_id, now, effects);
    }

    /// A Drone is what was wrong where it failed: others may try, and it counts for nothing.
    fn disregard(&mut self, id: TaskId, drone: DroneId, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(id) else { return };
        let ranges: Vec<_> =
            task.retries().filter(|(_, history)| history.avoids(drone)).map(|(range, _)| range).collect();
        for range in ranges {
            let taken = self.tasks.change(id, |task| task.take_retry(range.start)).flatten();
            let Some((range, mut history)) = taken else { continue };
            history.disregard(drone);
            self.put_back(id, range, (!history.is_empty()).then_some(history));
        }
        let leases: Vec<_> = self.tasks.get(id).into_iter().flat_map(Task::leases).collect();
        for lease in leases {
            self.leases.change(lease, |lease| lease.history.iter_mut().for_each(|history| history.disregard(drone)));
        }
        self.place_task(id, now, effects);
    }
}
