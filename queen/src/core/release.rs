//! Leases that end before their range is done, and what is remembered of that.

use std::collections::BTreeSet;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::effect::{Blame, Effect, Outcome};
use super::history::{EndCause, MAX_LOSSES};
use super::lease::Lease;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::time::Time;

/// A range fails its task after so many Drones died while they computed nothing else.
pub const MAX_DEATHS: usize = 3;

impl Core {
    pub(super) fn hand_back(&mut self, drone: DroneId, leases: &[LeaseId], now: Time, effects: &mut Vec<Effect>) {
        let own = |id: &&LeaseId| self.leases.get(**id).is_some_and(|lease| lease.drone == drone);
        let own: Vec<_> = leases.iter().filter(own).map(|id| (*id, EndCause::None)).collect();
        self.give_up(&own, false, LeaseEnd::Returned, now, effects);
        self.fill(drone, now, effects);
    }

    /// Ends these leases; what is not done of them is pending again, and placed where there is room.
    pub(super) fn give_up(
        &mut self,
        leases: &[(LeaseId, EndCause)],
        withdraw: bool,
        end: LeaseEnd,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let mut tasks = BTreeSet::new();
        let mut dead = Vec::new();
        for (id, fault) in leases {
            let Some(lease) = self.remove_lease(*id, end, effects) else { continue };
            if withdraw {
                effects.push(Effect::Withdraw { drone: lease.drone, lease: *id, end: lease.next });
            }
            match lease.twin {
                Some(twin) => {
                    self.blame_twin(twin, lease.drone, *fault, now);
                    self.untwin(twin);
                }
                None => {
                    tasks.insert(lease.task);
                    dead.extend(self.release(lease, *fault, now));
                }
            }
        }
        for (task, blame) in dead {
            match blame {
                Blame::Deaths { ref range, .. } if self.tasks.get(task).is_some_and(|task| task.is_batch) => {
                    self.fail_item(task, range.clone(), blame, now, effects);
                }
                _ => self.end_task(task, Outcome::Failed(blame), now, effects),
            }
        }
        for task in tasks {
            self.place_task(task, now, effects);
        }
    }

    /// What is left of a lease belongs to nobody again, but is remembered with what went wrong.
    /// Returns what its task fails of, if it was one death too many.
    fn release(&mut self, lease: Lease, fault: EndCause, now: Time) -> Option<(TaskId, Blame)> {
        let Lease { task: id, drone, range, history, .. } = lease;
        let task = self.tasks.get(id)?;
        let history = match fault {
            EndCause::None => history,
            EndCause::Failure => {
                let mut history = history.unwrap_or_default();
                history.add_failure(drone, now);
                Some(history)
            }
            EndCause::Loss => {
                let mut history = history.unwrap_or_default();
                if history.must_be_isolated() {
                    if !history.deaths.contains(&drone) {
                        history.deaths.push(drone);
                    }
                } else {
                    history.losses += 1;
                }
                let may_be_blamed = !task.is_batch || range.end - range.start == 1;
                if history.deaths.len() >= MAX_DEATHS && may_be_blamed {
                    return Some((id, Blame::Deaths { drones: history.deaths.clone(), range }));
                }
                Some(history)
            }
        };
        match history {
            Some(history) if fault != EndCause::None => self.put_back_in_parts(id, range, history),
            history => self.put_back(id, range, history),
        }
        None
    }

    /// A lease goes on whose twin came to nothing: what went wrong with that one counts for the range. The Drone
    /// that goes on computes other work beside it, so that losses of twins do not isolate it: that is left to the
    /// loss of this one.
    fn blame_twin(&mut self, id: LeaseId, drone: DroneId, fault: EndCause, now: Time) {
        self.leases.change(id, |lease| match fault {
            EndCause::None => {}
            EndCause::Failure => lease.history.get_or_insert_default().add_failure(drone, now),
            EndCause::Loss => {
                let history = lease.history.get_or_insert_default();
                history.losses = history.losses.max(MAX_LOSSES - 1);
            }
        });
    }

    /// The other lease of the same range has ended.
    pub(super) fn untwin(&mut self, id: LeaseId) {
        self.leases.change(id, |lease| lease.twin = None);
    }

    /// Removes a lease from wherever it is referred to; its range belongs to nobody then.
    pub(super) fn remove_lease(&mut self, id: LeaseId, end: LeaseEnd, effects: &mut Vec<Effect>) -> Option<Lease> {
        let lease = self.leases.remove(id)?;
        effects.push(Effect::Over { drone: lease.drone, lease: lease.summary(end) });
        if lease.is_recorded {
            effects.push(Effect::Unhold(id));
        }
        if let Some(moved) = self.tasks.change(lease.task, |task| task.end_lease(lease.at)).flatten() {
            self.leases.change(moved, |moved| moved.at = lease.at);
        }
        self.drones.change(lease.drone, |drone| drone.remove_lease(id, lease.task, &lease.charge));
        Some(lease)
    }

    /// Takes the tail of a lease away, from `end` on; the caller gives it to somebody.
    pub(super) fn shorten(&mut self, id: LeaseId, end: u64, now: Time, effects: &mut Vec<Effect>) {
        self.leases.change(id, |lease| lease.range.end = end);
        let Some(lease) = self.leases.get(id) else { return };
        effects.push(Effect::Withdraw { drone: lease.drone, lease: id, end });
        if lease.is_recorded {
            let (drone, task, range) = (lease.drone, lease.task, lease.range.clone());
            effects.push(Effect::Hold { lease: id, drone, task, range });
        }
        self.recharge(id, now);
    }

    /// Counts only what is left of a lease against its Drone's credit.
    pub(super) fn recharge(&mut self, id: LeaseId, now: Time) {
        let Some(lease) = self.leases.get(id) else { return };
        let (Some(task), Some(drone)) = (self.tasks.get(lease.task), self.drones.get(lease.drone)) else { return };
        let old = lease.charge;
        let new = drone.charge(task, &lease.rest(), old.pool, old.rank).at(old.priority);
        let finish = if lease.begun { now + new.time() } else { lease.finish };
        let drone = lease.drone;
        self.drones.change(drone, |drone| drone.replace_charge(&old, &new));
        self.leases.change(id, |lease| (lease.charge, lease.finish) = (new, finish));
    }
}
