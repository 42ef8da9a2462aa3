//! The scheduler: a deterministic state machine over intervals.
//!
//! It knows tasks, ranges, leases, Drones and time; never strings, digests, sockets or files.
//! [`Core::handle`] takes an [`Event`] and the time and appends [`Effect`]s, in the order in
//! which they have to take place; [`Core::next_deadline`] says when it wants an
//! [`Event::Tick`]. There is no clock, no randomness and no hash map in here, so that the
//! same events give the same effects.
//!
//! A task is an interval `0..total`. Each index is pending, leased or done, in
//! [`task::Task`]'s three sets, and moves only `pending -> leased -> done` or back to pending
//! when a lease ends early. [`queue::Queue`] decides which task is next, [`drone::Drone`]
//! whether a Drone has room, [`sizing`] how much of the task it gets; [`dispatch`] puts the
//! three together.

mod dispatch;
mod drone;
mod event;
mod intervals;
#[cfg(test)]
mod invariants;
mod ledger;
mod meter;
mod queue;
mod sizing;
mod task;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use drone::Drone;
pub use event::{Ability, Class, DroneStatus, Effect, Event, Grant, Outcome, TaskWork, Totals};
pub use intervals::RangeSet;
pub use ledger::Ledger;
use meter::Meter;
use queue::Queue;
use task::Task;
pub use task::{MAX_FAILURES, Segment, Status};

/// Time since the Queen's start.
pub type Time = Duration;

/// After how long a silence a Drone, or a lease that its heartbeats leave out, is given up.
pub const SILENCE: Duration = Duration::from_secs(10);

/// The right of one Drone to compute one chunk.
#[derive(Debug)]
struct Lease {
    task: TaskId,
    drone: DroneId,
    /// What is not done of it.
    range: Range<u64>,
    deadline: Time,
    charge: drone::Charge,
}

/// The scheduler's state.
#[derive(Debug)]
pub struct Core {
    tasks: Ledger<Task>,
    drones: BTreeMap<DroneId, Drone>,
    leases: BTreeMap<LeaseId, Lease>,
    /// Tasks that have pending ranges.
    queue: Queue,
    /// Drones by how much of their capacity is taken, least first.
    by_load: BTreeSet<(u64, DroneId)>,
    /// Drones by when their silence ends them.
    by_deadline: BTreeSet<(Time, DroneId)>,
    /// Compute threads of all Drones.
    threads: u64,
    next_lease: u64,
    items_queued: u64,
    items_done: u64,
    meter: Meter,
}

impl Default for Core {
    /// Nothing to do and nobody to do it.
    fn default() -> Self {
        Self {
            tasks: Ledger::default(),
            drones: BTreeMap::new(),
            leases: BTreeMap::new(),
            queue: Queue::default(),
            by_load: BTreeSet::new(),
            by_deadline: BTreeSet::new(),
            threads: 0,
            next_lease: 1,
            items_queued: 0,
            items_done: 0,
            meter: Meter::new(Time::ZERO),
        }
    }
}

impl Core {
    /// Takes in what happened; `now` never goes back.
    pub fn handle(&mut self, event: Event, now: Time, effects: &mut Vec<Effect>) {
        match event {
            Event::Submit { task, work } => self.submit(task, work, now, effects),
            Event::Cancel { task } => self.end_task(task, Outcome::Cancelled, now, effects),
            Event::Join { drone, ability } => self.join(drone, ability, now, effects),
            Event::Heartbeat { drone, leases } => self.heartbeat(drone, &leases, now, effects),
            Event::Output { drone, lease, range, spent } => self.output(drone, lease, range, spent, now, effects),
            Event::Failed { drone, lease, reason } => self.failed(drone, lease, &reason, now, effects),
            Event::Excuse { drone } => self.excuse(drone, now),
            Event::HandBack { drone, leases } => self.hand_back(drone, &leases, now, effects),
            Event::Leaving { drone } => {
                if let Some(drone) = self.drones.get_mut(&drone) {
                    drone.leaving = true;
                }
            }
            Event::Gone { drone } => self.gone(drone, now, effects),
            Event::Tick => self.tick(now, effects),
        }
    }

    /// When the next [`Event::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Time> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Which part of `range` is still wanted of this Drone under this lease, and of which task
    /// it is. Outputs come in index order, so a range that begins elsewhere is not wanted.
    pub fn wanted(&self, drone: DroneId, lease: LeaseId, range: &Range<u64>) -> Option<(TaskId, Range<u64>)> {
        let lease = self.leases.get(&lease).filter(|lease| lease.drone == drone)?;
        let end = range.end.min(lease.range.end);
        (range.start == lease.range.start && range.start < end).then_some((lease.task, range.start..end))
    }

    /// The task of a lease that this Drone holds.
    pub fn lease(&self, drone: DroneId, lease: LeaseId) -> Option<TaskId> {
        self.leases.get(&lease).filter(|lease| lease.drone == drone).map(|lease| lease.task)
    }

    /// A task that has not ended.
    pub fn task(&self, id: TaskId, now: Time) -> Option<Status> {
        let task = self.tasks.get(id)?;
        let ahead = self.queue.cost_ahead(task.priority, task.cost_left());
        Some(task.status(self.duration_of(ahead, task.class, now), now))
    }

    /// A Drone that is connected.
    pub fn drone(&self, id: DroneId, now: Time) -> Option<DroneStatus> {
        self.drones.get(&id).map(|drone| drone.status(now))
    }

    /// All work at a glance.
    pub fn totals(&self, now: Time) -> Totals {
        let (rate, cost_rate) = self.meter.rates(now);
        let class = self.tasks.iter().next().map(|(_, task)| task.class);
        let eta = class.and_then(|class| self.duration_of(self.queue.cost(), class, now));
        Totals { items_queued: self.items_queued, items_done: self.items_done, rate, cost_rate, eta }
    }

    /// How long all Drones together need for `cost`: by what they do, or, while they have not
    /// been at work long enough, by what each was seen, or says, to be able to.
    fn duration_of(&self, cost: u64, class: Class, now: Time) -> Option<Duration> {
        let able = || self.drones.values().map(|drone| drone.rate(class) as f64 * f64::from(drone.threads)).sum();
        let rate: f64 = self.meter.steady_cost_rate(now).filter(|_| !self.drones.is_empty()).unwrap_or_else(able);
        Duration::try_from_secs_f64(cost as f64 / rate).ok()
    }

    fn submit(&mut self, id: TaskId, work: TaskWork, now: Time, effects: &mut Vec<Effect>) {
        let mut task = Task::new(work);
        self.items_queued += task.total() - task.done();
        task.pass = self.queue.enter(task.priority, task.cost_left());
        self.queue.insert(task.priority, task.pass, id);
        let is_done = task.is_done();
        self.tasks.insert(id, task);
        match is_done {
            true => self.end_task(id, Outcome::Done, now, effects),
            false => self.place_task(id, now, effects),
        }
    }

    fn join(&mut self, id: DroneId, ability: Ability, now: Time, effects: &mut Vec<Effect>) {
        let drone = Drone::new(ability, now);
        self.by_load.insert((drone.load(), id));
        self.by_deadline.insert((drone.deadline(), id));
        self.threads += u64::from(drone.threads);
        self.drones.insert(id, drone);
        self.fill(id, now, effects);
    }

    fn heartbeat(&mut self, id: DroneId, held: &[LeaseId], now: Time, effects: &mut Vec<Effect>) {
        if !self.renew(id, held, now) {
            return;
        }
        let overdue = |lease: &&LeaseId| self.leases.get(lease).is_some_and(|lease| lease.deadline < now);
        let forgotten: Vec<LeaseId> = self.drones[&id].leases.iter().filter(overdue).copied().collect();
        self.give_up(&forgotten, true, now, effects);
        self.fill(id, now, effects);
    }

    fn excuse(&mut self, id: DroneId, now: Time) {
        let held = self.drones.get(&id).map(|drone| drone.leases.iter().copied().collect::<Vec<_>>());
        self.renew(id, &held.unwrap_or_default(), now);
    }

    /// Gives a Drone, and leases that it holds, new time; returns whether it is there.
    fn renew(&mut self, id: DroneId, held: &[LeaseId], now: Time) -> bool {
        let Some(drone) = self.drones.get_mut(&id) else { return false };
        self.by_deadline.remove(&(drone.deadline(), id));
        drone.last_heard = now;
        self.by_deadline.insert((drone.deadline(), id));
        for lease in held {
            if let Some(lease) = self.leases.get_mut(lease).filter(|lease| lease.drone == id) {
                lease.deadline = now + SILENCE;
            }
        }
        true
    }

    fn output(
        &mut self,
        drone: DroneId,
        id: LeaseId,
        range: Range<u64>,
        spent: Duration,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some((task_id, range)) = self.wanted(drone, id, &range) else { return };
        let (Some(lease), Some(task)) = (self.leases.get_mut(&id), self.tasks.get_mut(task_id)) else { return };
        let items = range.end - range.start;
        let cost = task.credit(range.clone(), now);
        lease.range.start = range.end;
        let finished = lease.range.is_empty();
        // What is left of the lease is not served yet.
        self.queue.served(task.priority, cost, lease.charge.rank.saturating_sub(task.cost(&lease.range)));
        let (class, ended) = (task.class, task.is_done());
        self.items_queued -= items;
        self.items_done += items;
        self.meter.add(items, cost, now);
        if let Some(drone) = self.drones.get_mut(&drone) {
            drone.credit(class, items, cost, spent, now);
        }
        if finished {
            self.remove_lease(id);
        } else {
            self.recharge(id);
        }
        match ended {
            true => self.end_task(task_id, Outcome::Done, now, effects),
            false => effects.push(Effect::Progress(task_id)),
        }
        self.fill(drone, now, effects);
    }

    fn failed(&mut self, drone: DroneId, id: LeaseId, reason: &str, now: Time, effects: &mut Vec<Effect>) {
        let Some(lease) = self.leases.get(&id).filter(|lease| lease.drone == drone) else { return };
        let task_id = lease.task;
        let Some(task) = self.tasks.get_mut(task_id) else { return };
        task.failures += 1;
        match task.failures >= MAX_FAILURES {
            true => {
                let reason = format!("{MAX_FAILURES} attempts to compute it failed, the last one: {reason}");
                self.end_task(task_id, Outcome::Failed { reason }, now, effects);
            }
            false => self.give_up(&[id], false, now, effects),
        }
        self.fill(drone, now, effects);
    }

    fn hand_back(&mut self, drone: DroneId, leases: &[LeaseId], now: Time, effects: &mut Vec<Effect>) {
        let own = |id: &&LeaseId| self.leases.get(id).is_some_and(|lease| lease.drone == drone);
        let own: Vec<LeaseId> = leases.iter().filter(own).copied().collect();
        self.give_up(&own, false, now, effects);
        self.fill(drone, now, effects);
    }

    fn gone(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        let Some(drone) = self.drones.get_mut(&id) else { return };
        drone.leaving = true;
        let leases: Vec<LeaseId> = drone.leases.iter().copied().collect();
        self.give_up(&leases, false, now, effects);
        if let Some(drone) = self.drones.remove(&id) {
            self.by_load.remove(&(drone.load(), id));
            self.by_deadline.remove(&(drone.deadline(), id));
            self.threads -= u64::from(drone.threads);
        }
    }

    fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((_, drone)) = self.by_deadline.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.gone(drone, now, effects);
            effects.push(Effect::Disconnect { drone, reason: "nothing was heard of it for too long" });
        }
    }

    /// Ends these leases; what is not done of them is pending again, and placed where there is room.
    fn give_up(&mut self, leases: &[LeaseId], withdraw: bool, now: Time, effects: &mut Vec<Effect>) {
        let mut tasks = BTreeSet::new();
        for id in leases {
            let Some(lease) = self.remove_lease(*id) else { continue };
            if withdraw {
                effects.push(Effect::Withdraw { drone: lease.drone, lease: *id, end: lease.range.start });
            }
            if let Some(task) = self.tasks.get_mut(lease.task) {
                task.release(lease.range);
                self.queue.insert(task.priority, task.pass, lease.task);
                tasks.insert(lease.task);
            }
        }
        for task in tasks {
            self.place_task(task, now, effects);
        }
    }

    fn end_task(&mut self, id: TaskId, outcome: Outcome, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.remove(id) else { return };
        self.items_queued -= task.total() - task.done();
        self.queue.remove(task.priority, task.pass, id);
        self.queue.leave(task.priority, task.cost_left());
        let mut freed = BTreeSet::new();
        for lease_id in task.leases() {
            if let Some(lease) = self.remove_lease(lease_id) {
                effects.push(Effect::Withdraw { drone: lease.drone, lease: lease_id, end: lease.range.start });
                freed.insert(lease.drone);
            }
        }
        effects.push(Effect::Ended { task: id, outcome, done: task.into_done() });
        for drone in freed {
            self.fill(drone, now, effects);
        }
    }

    /// Removes a lease from wherever it is referred to; its range belongs to nobody then.
    fn remove_lease(&mut self, id: LeaseId) -> Option<Lease> {
        let lease = self.leases.remove(&id)?;
        if let Some(task) = self.tasks.get_mut(lease.task) {
            task.end_lease(id);
        }
        self.change_load(lease.drone, |drone| drone.discharge(id, lease.task, &lease.charge));
        Some(lease)
    }

    /// Counts only what is left of a lease against its Drone's credit.
    fn recharge(&mut self, id: LeaseId) {
        let Some(lease) = self.leases.get(&id) else { return };
        let (Some(task), Some(drone)) = (self.tasks.get(lease.task), self.drones.get(&lease.drone)) else { return };
        let old = lease.charge;
        let new = drone.charge(task, &lease.range, old.place, old.rank);
        let drone = lease.drone;
        self.change_load(drone, |drone| drone.replace_charge(&old, &new));
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.charge = new;
        }
    }

    /// Changes a Drone's load and keeps the index by load right.
    fn change_load(&mut self, id: DroneId, change: impl FnOnce(&mut Drone)) {
        let Some(drone) = self.drones.get_mut(&id) else { return };
        let before = drone.load();
        change(drone);
        let after = drone.load();
        if before != after {
            self.by_load.remove(&(before, id));
            self.by_load.insert((after, id));
        }
    }
}
