//! Puts tasks on Drones: the next one that fits, where most room is.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::credit::CreditPool;
use super::effect::{Effect, Grant};
use super::history::History;
use super::lease::Lease;
use super::scheduler::Core;
use super::sizing::{self, Capacity};
use super::task::Task;
use super::time::Time;

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
    Retry(u64),
}

/// What a new lease is to be.
pub(super) struct LeaseTerms {
    pub(super) pool: CreditPool,
    pub(super) range: Range<u64>,
    pub(super) history: Option<Box<History>>,
    pub(super) twin: Option<LeaseId>,
}

impl Core {
    /// Places chunks of one task on the Drones with most room, until none has any.
    pub(super) fn place_task(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        self.isolate(now, effects);
        while let Some((drone, pool, pick)) = self.drone_for(id, now) {
            self.place(id, drone, pool, pick, now, effects);
        }
    }

    /// Places the next tasks on one Drone until it has no more room; what others have too much
    /// of, if there are none.
    pub(super) fn fill(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        self.isolate(now, effects);
        self.lease_isolated(id, now, effects);
        while let Some((task, pool, pick)) = self.task_for(id, now) {
            self.place(task, id, pool, pick, now, effects);
        }
        self.steal(id, now, effects);
    }

    fn drone_for(&self, id: TaskId, now: Time) -> Option<(DroneId, CreditPool, Pick)> {
        let task = self.tasks.get(id).filter(|task| task.has_pending() && !task.is_paused)?;
        let mut reserves = 0;
        for drone_id in self.drones.with_room(task.priority).take(LOOK) {
            let drone = self.drones.get(drone_id)?;
            let pool = drone.opening(task.priority)?;
            if drone.suits(pool, id, task)
                && let Some(pick) = self.pick(task, drone_id, now)
            {
                return Some((drone_id, pool, pick));
            }
            reserves += usize::from(pool == CreditPool::Reserve);
            if reserves >= LOOK_RESERVE {
                break;
            }
        }
        None
    }

    fn task_for(&self, id: DroneId, now: Time) -> Option<(TaskId, CreditPool, Pick)> {
        let drone = self.drones.get(id)?;
        for (priority, ready) in self.tasks.queue().levels() {
            // Without room for this priority, there is none for less urgent work either.
            let pool = drone.opening(priority)?;
            let look = if pool == CreditPool::Reserve { LOOK_RESERVE } else { LOOK };
            let found = ready.take(look).find_map(|task_id| {
                let task = self.tasks.get(task_id).filter(|task| drone.suits(pool, task_id, task))?;
                Some((task_id, pool, self.pick(task, id, now)?))
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// What of a task this Drone may compute next, beside other work.
    fn pick(&self, task: &Task, drone: DroneId, now: Time) -> Option<Pick> {
        let suits = |(range, history): (Range<u64>, &History)| {
            (!history.must_be_isolated() && self.may_try(task, history, drone, now)).then_some(Pick::Retry(range.start))
        };
        // Ranges that were computed once are computed a second time before much more is computed once.
        let is_behind = || task.is_twice && task.open_ends() >= LOOK;
        let fresh = || task.next_run().filter(|_| !is_behind()).map(|_| Pick::Fresh);
        task.retries().take(LOOK).find_map(suits).or_else(fresh)
    }

    /// Whether a Drone may compute a range with which something went wrong: where it failed
    /// itself, only if there is no other one, and not at once again.
    pub(super) fn may_try(&self, task: &Task, history: &History, drone: DroneId, now: Time) -> bool {
        let is_over = |attempt| attempt + self.timeouts.retry <= now;
        !history.avoids(drone) || self.has_no_other(task, history) && history.last_failure(drone).is_none_or(is_over)
    }

    /// Whether all Drones that could compute a range are better not given it.
    pub(super) fn has_no_other(&self, task: &Task, history: &History) -> bool {
        self.able(task).all(|id| history.avoids(id))
    }

    /// Drones that may be given some of a task.
    pub(super) fn able(&self, task: &Task) -> impl Iterator<Item = DroneId> {
        self.drones.iter().filter(|(_, drone)| drone.is_usable() && drone.is_able(task)).map(|(id, _)| id)
    }

    fn place(
        &mut self,
        id: TaskId,
        drone: DroneId,
        pool: CreditPool,
        pick: Pick,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let drones = &self.drones;
        let take = |task: &mut Task| match pick {
            Pick::Retry(start) => task.take_retry(start).map(|(range, history)| (range, Some(history))),
            Pick::Fresh => {
                let capacity = Capacity { threads: drones.threads(), speed: drones.speed(task.class) };
                let chunk = sizing::chunk(task, drones.get(drone)?, pool, capacity)?;
                Some((task.take_first(chunk.end - chunk.start)?, None))
            }
        };
        let Some((range, history)) = self.tasks.change(id, take).flatten() else { return };
        self.grant(id, drone, LeaseTerms { pool, range, history, twin: None }, now, effects);
    }

    /// Leases a range, which the caller has taken from wherever it was, and has it sent.
    pub(super) fn grant(
        &mut self,
        task_id: TaskId,
        drone_id: DroneId,
        terms: LeaseTerms,
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
        terms: LeaseTerms,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Option<(LeaseId, u64)> {
        let drone = self.drones.get(drone_id)?;
        let LeaseTerms { pool, range, history, twin } = terms;
        let id = self.leases.next_id();
        let lease = |task: &mut Task| {
            if twin.is_none() {
                task.pass = task.pass.saturating_add(task.cost(&range));
            }
            let mut charge = drone.charge(task, &range, pool, task.pass);
            charge.rank = drone.rank(task_id, &charge);
            let (at, is_first) = task.lease(id);
            (charge, at, is_first)
        };
        let (charge, at, is_first) = self.tasks.change(task_id, lease)?;
        if is_first {
            effects.push(Effect::Started(task_id));
        }
        let load = self.drones.change(drone_id, |drone| {
            drone.add_lease(id, task_id, &charge);
            drone.load()
        })?;
        self.unrecorded.push_back((now, id));
        let next = range.start;
        let lease = Lease {
            task: task_id,
            drone: drone_id,
            first: next,
            range,
            next,
            reached: next,
            begun: false,
            granted: now,
            spent: Duration::ZERO,
            named: None,
            kept_until: now,
            finish: now + Duration::from_nanos(load),
            charge,
            twin,
            history,
            is_recorded: false,
            at,
        };
        self.leases.insert(id, lease);
        Some((id, charge.rank))
    }
}
