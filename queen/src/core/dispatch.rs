//! Puts tasks on Drones: the next one that fits, where most room is.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};
use wire::work::Class;

use super::drone::Place;
use super::effect::{Effect, Grant};
use super::lease::Lease;
use super::scheduler::Core;
use super::sizing::{self, Fleet};
use super::task::Task;
use super::time::Time;
use super::trouble::Trouble;

/// How many tasks are looked at for one Drone, and Drones for one task, before that is left
/// to the next occasion: every heartbeat is one.
pub(super) const LOOK: usize = 64;

/// The same for a reserve, which most tasks are not for.
const LOOK_RESERVE: usize = 8;

/// Which pending part of a task is next.
enum Pick {
    /// As much as is right of what nothing went wrong with.
    Fresh,
    /// The range that begins here, with which something went wrong.
    Apart(u64),
}

/// What a new lease is to be.
pub(super) struct Terms {
    pub(super) place: Place,
    pub(super) range: Range<u64>,
    pub(super) trouble: Option<Box<Trouble>>,
    pub(super) twin: Option<LeaseId>,
}

impl Core {
    /// Places chunks of one task on the Drones with most room, until none has any.
    pub(super) fn place_task(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        self.reserve(now, effects);
        self.drones.settle();
        while let Some((drone, place, pick)) = self.drone_for(id, now) {
            self.place(id, drone, place, pick, now, effects);
            self.drones.settle();
        }
    }

    /// Places the next tasks on one Drone until it has no more room; what others have too much
    /// of, if there are none.
    pub(super) fn fill(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        self.reserve(now, effects);
        self.run_alone(id, now, effects);
        while let Some((task, place, pick)) = self.task_for(id, now) {
            self.place(task, id, place, pick, now, effects);
        }
        self.steal(id, now, effects);
    }

    fn drone_for(&self, id: TaskId, now: Time) -> Option<(DroneId, Place, Pick)> {
        let task = self.tasks.get(id).filter(|task| task.has_pending() && !task.is_paused)?;
        let mut reserves = 0;
        for drone_id in self.drones.with_room(task.priority).take(LOOK) {
            let drone = self.drones.get(drone_id)?;
            let place = drone.opening(task.priority)?;
            if drone.suits(place, id, task)
                && let Some(pick) = self.pick(task, drone_id, now)
            {
                return Some((drone_id, place, pick));
            }
            reserves += usize::from(place == Place::Reserve);
            if reserves >= LOOK_RESERVE {
                break;
            }
        }
        None
    }

    fn task_for(&self, id: DroneId, now: Time) -> Option<(TaskId, Place, Pick)> {
        let drone = self.drones.get(id)?;
        for (priority, ready) in self.queue.levels() {
            // Where there is none, there is none for what is less urgent.
            let place = drone.opening(priority)?;
            let look = if place == Place::Reserve { LOOK_RESERVE } else { LOOK };
            let found = ready.take(look).find_map(|task_id| {
                let task = self.tasks.get(task_id).filter(|task| drone.suits(place, task_id, task))?;
                Some((task_id, place, self.pick(task, id, now)?))
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// What of a task this Drone may compute next, beside other work.
    fn pick(&self, task: &Task, drone: DroneId, now: Time) -> Option<Pick> {
        let suits = |(range, trouble): (Range<u64>, &Trouble)| {
            (!trouble.is_alone() && self.may_try(task.class, trouble, drone, now)).then_some(Pick::Apart(range.start))
        };
        // Little is to wait for being computed a second time.
        let is_behind = || task.is_twice && task.open_ends() >= LOOK;
        let fresh = || task.next_run().filter(|_| !is_behind()).map(|_| Pick::Fresh);
        task.apart().take(LOOK).find_map(suits).or_else(fresh)
    }

    /// Whether a Drone may compute a range with which something went wrong: where it failed
    /// itself, only if there is no other one, and not at once again.
    pub(super) fn may_try(&self, class: Class, trouble: &Trouble, drone: DroneId, now: Time) -> bool {
        let is_over = |attempt| attempt + self.timeouts.retry <= now;
        !trouble.is_of(drone) || self.has_no_other(class, trouble) && trouble.last_attempt(drone).is_none_or(is_over)
    }

    /// Whether all Drones that could compute a range are better not given it.
    pub(super) fn has_no_other(&self, class: Class, trouble: &Trouble) -> bool {
        let mut able = self.drones.iter().filter(|(_, drone)| drone.is_usable() && drone.is_able(class));
        able.all(|(id, _)| trouble.is_of(id))
    }

    fn place(&mut self, id: TaskId, drone: DroneId, place: Place, pick: Pick, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let (range, trouble) = match pick {
            Pick::Apart(start) => match task.take_apart(start) {
                Some((range, trouble)) => (range, Some(trouble)),
                None => return,
            },
            Pick::Fresh => {
                let fleet = Fleet { threads: self.drones.threads(), speed: self.drones.speed(task.class) };
                let chunk = self.drones.get(drone).and_then(|drone| sizing::chunk(task, drone, place, fleet));
                let Some(chunk) = chunk else { return };
                match task.take_first(chunk.end - chunk.start) {
                    Some(range) => (range, None),
                    None => return,
                }
            }
        };
        self.grant(id, drone, Terms { place, range, trouble, twin: None }, now, effects);
    }

    /// Leases a range, which the caller has taken from wherever it was, and has it sent.
    pub(super) fn grant(
        &mut self,
        task_id: TaskId,
        drone_id: DroneId,
        terms: Terms,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Option<LeaseId> {
        let is_twin = terms.twin.is_some();
        let (lease, rank) = self.lease_out(task_id, drone_id, terms, now, effects)?;
        let (priority, range) = (self.tasks.get(task_id)?.priority, self.leases.get(lease)?.range.clone());
        self.lease_counts.given += 1;
        self.lease_counts.twinned += u64::from(is_twin);
        effects.push(Effect::Lease(Grant { drone: drone_id, lease, task: task_id, range, priority, rank }));
        Some(lease)
    }

    /// Leases a range without having it sent.
    pub(super) fn lease_out(
        &mut self,
        task_id: TaskId,
        drone_id: DroneId,
        terms: Terms,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Option<(LeaseId, u64)> {
        let (task, drone) = (self.tasks.get_mut(task_id)?, self.drones.get(drone_id)?);
        let Terms { place, range, trouble, twin } = terms;
        let id = LeaseId(self.next_lease);
        self.next_lease += 1;
        self.queue.remove(task.priority, task.pass, task_id);
        if twin.is_none() {
            task.pass = task.pass.saturating_add(task.cost(&range));
        }
        let mut charge = drone.charge(task, &range, place, task.pass);
        charge.rank = drone.rank(task_id, &charge);
        if task.has_pending() && !task.is_paused {
            self.queue.insert(task.priority, task.pass, task_id);
        }
        let (at, is_first) = task.lease(id);
        if is_first {
            effects.push(Effect::Started(task_id));
        }
        let load = self.drones.change(drone_id, |drone| {
            drone.take(id, task_id, &charge);
            drone.load()
        })?;
        self.young.push_back((now, id));
        let next = range.start;
        let lease = Lease {
            task: task_id,
            drone: drone_id,
            range,
            next,
            reached: next,
            begun: false,
            granted: now,
            named: None,
            kept_until: now,
            finish: now + Duration::from_nanos(load),
            charge,
            twin,
            trouble,
            is_held: false,
            at,
        };
        if twin.is_none() {
            self.by_finish.insert(lease.due(id));
        }
        self.leases.insert(id, lease);
        Some((id, charge.rank))
    }

    /// Finds Drones for the ranges that have to run alone. Such a Drone is given nothing until
    /// it is empty, then that range and nothing else.
    fn reserve(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.alone.is_empty() {
            return;
        }
        self.drones.settle();
        // Most Drones go on with the rest.
        let most = (self.drones.len() / 8).max(1);
        let mut left = most.saturating_sub(self.drones.secluded());
        let unreserved = self.alone.iter().filter(|(_, drone)| drone.is_none()).map(|(key, _)| *key);
        for key in unreserved.collect::<Vec<_>>() {
            if left == 0 {
                return;
            }
            let Some(task) = self.tasks.get(key.0).filter(|task| !task.is_paused) else { continue };
            let Some((_, trouble)) = task.apart().find(|(range, _)| range.start == key.1) else { continue };
            let suiting = self.drones.iter().filter(|(id, drone)| {
                drone.is_usable()
                    && !drone.is_secluded()
                    && drone.is_able(task.class)
                    && self.may_try(task.class, trouble, *id, now)
            });
            let Some((id, _)) = suiting.min_by_key(|(_, drone)| drone.load()) else { continue };
            left -= 1;
            self.alone.insert(key, Some(id));
            self.drones.change(id, |drone| drone.reserved = Some(key));
            self.run_alone(id, now, effects);
        }
    }

    /// Leases to an empty Drone the range that it is reserved for.
    fn run_alone(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        if self.drones.get(id).is_none_or(|drone| drone.reserved.is_none() || !drone.is_empty()) {
            return;
        }
        let Some(key) = self.drones.change(id, |drone| drone.reserved.take()).flatten() else { return };
        self.alone.remove(&key);
        let Some((range, trouble)) = self.tasks.get_mut(key.0).and_then(|task| task.take_apart(key.1)) else { return };
        let terms = Terms { place: Place::Ahead, range, trouble: Some(trouble), twin: None };
        let lease = self.grant(key.0, id, terms, now, effects);
        self.drones.change(id, |drone| drone.alone = lease);
    }

    /// Nothing of this task has to run alone any more, or nothing for now.
    pub(super) fn unreserve(&mut self, task: TaskId, is_over: bool) {
        let keys: Vec<_> = self.alone.range((task, 0)..=(task, u64::MAX)).map(|(key, drone)| (*key, *drone)).collect();
        for (key, drone) in keys {
            if let Some(drone) = drone {
                self.drones.change(drone, |drone| drone.reserved = None);
            }
            match is_over {
                true => self.alone.remove(&key),
                false => self.alone.insert(key, None),
            };
        }
    }

    /// This Drone runs nothing alone: somebody else has to.
    pub(super) fn free_reservation(&mut self, id: DroneId) {
        if let Some(key) = self.drones.change(id, |drone| drone.reserved.take()).flatten() {
            self.alone.insert(key, None);
        }
    }
}
