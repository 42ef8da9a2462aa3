//! The scheduler: a deterministic state machine over intervals.
//!
//! It knows tasks, ranges, leases, Drones and time; never strings, digests, sockets or files.
//! [`Core::handle`] takes an [`Event`] and the time and appends [`Effect`]s, in the order in
//! which they have to take place; [`Core::next_deadline`] says when it wants an
//! [`Event::Tick`]. There is no clock, no randomness and no hash map in here, so that the
//! same events give the same effects.
//!
//! A task is an interval `0..total`. Each index is pending, leased or done, in
//! [`task::Task`]'s sets, and moves only `pending -> leased -> done` or back to pending when a
//! lease ends early, or when its result turns out to be worth nothing. Of a task of which each
//! item is computed twice it moves back to pending once, for another Drone; where there is none
//! it is with the Queen before it is done.
//! [`queue::Queue`] decides which task is next, [`drone::Drone`] whether a Drone has room,
//! [`sizing`] how much of the task it gets; [`dispatch`] puts the three together, and
//! [`steal`] gives an idle Drone what others have too much of. [`fleet`] is about Drones that
//! come, fall silent, go and come back, [`lease`] about what becomes of leases and who is to
//! blame, and [`explain`] about why something is not happening.

mod detach;
mod dispatch;
mod drone;
mod event;
mod explain;
mod fleet;
mod intervals;
#[cfg(test)]
mod invariants;
mod lease;
mod ledger;
mod meter;
mod queue;
mod roster;
mod sizing;
mod steal;
mod task;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use drone::Drone;
pub use event::{
    Ability, Blame, Distrust, DroneStatus, Effect, Event, Grant, Idle, LeaseCounts, Outcome, Progress, Speed, Standing,
    TaskWork, Totals, Waiting,
};
pub use fleet::Patience;
pub use intervals::RangeSet;
use lease::{Fault, Lease, Merit, Part};
pub use lease::{MAX_ATTEMPTS, MAX_DEATHS};
pub use ledger::Ledger;
use meter::Meter;
use queue::Queue;
use roster::Roster;
use task::Task;
pub use task::{Segment, Status};
pub use wire::work::Class;

/// Time since the Queen's start.
pub type Time = Duration;

/// The scheduler's state.
#[derive(Debug)]
pub struct Core {
    patience: Patience,
    tasks: Ledger<Task>,
    drones: Roster,
    leases: Ledger<Lease, LeaseId>,
    /// Tasks that have pending ranges.
    queue: Queue,
    /// Ranges that have to run alone, by task and first index, with the Drone that is being
    /// emptied for it.
    alone: BTreeMap<(TaskId, u64), Option<DroneId>>,
    /// Leases without a twin, by when they are expected to be done, in nanoseconds.
    by_finish: BTreeSet<(u64, LeaseId)>,
    /// Leases that are not old enough to be remembered, by when they were granted.
    young: VecDeque<(Time, LeaseId)>,
    /// Tasks by when they fail, and when each one does.
    by_task_deadline: BTreeSet<(Time, TaskId)>,
    task_deadlines: BTreeMap<TaskId, Time>,
    next_lease: u64,
    items_queued: u64,
    items_done: u64,
    cost_done: u64,
    lease_counts: LeaseCounts,
    meter: Meter,
}

impl Default for Core {
    fn default() -> Self {
        Self::new(Patience::default())
    }
}

impl Core {
    /// Nothing to do and nobody to do it.
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            tasks: Ledger::default(),
            drones: Roster::new(patience),
            leases: Ledger::default(),
            queue: Queue::default(),
            alone: BTreeMap::new(),
            by_finish: BTreeSet::new(),
            young: VecDeque::new(),
            by_task_deadline: BTreeSet::new(),
            task_deadlines: BTreeMap::new(),
            next_lease: 1,
            items_queued: 0,
            items_done: 0,
            cost_done: 0,
            lease_counts: LeaseCounts::default(),
            meter: Meter::new(Time::ZERO),
        }
    }

    /// Takes in what happened; `now` never goes back.
    pub fn handle(&mut self, event: Event, now: Time, effects: &mut Vec<Effect>) {
        match event {
            Event::Submit { task, work } => self.submit(task, work, now, effects),
            Event::Cancel { task } => self.end_task(task, Outcome::Cancelled, now, effects),
            Event::Pause { task } => self.pause(task, now, effects),
            Event::Resume { task } => self.resume(task, now, effects),
            Event::SetPriority { task, priority } => self.set_priority(task, priority, now, effects),
            Event::SetDeadline { task, deadline } => self.set_deadline(task, deadline),
            Event::Revoke { task, range } => self.revoke(task, &range, now, effects),
            Event::Detach { task, index } => self.detach(task, index, now, effects),
            Event::Inherit { drone, held } => self.inherit(drone, held, now, effects),
            Event::Join { drone, ability, trusted, offers } => {
                self.join(drone, ability, trusted, &offers, now, effects);
            }
            Event::Heartbeat { drone, progress, computed } => self.heartbeat(drone, &progress, computed, now, effects),
            Event::Output { drone, lease, range, spent } => {
                self.output(drone, Part { lease, range, spent }, Merit::Result, now, effects);
            }
            Event::Claim { drone, lease, range, spent, by_queen } => {
                self.output(drone, Part { lease, range, spent }, Merit::Claim { by_queen }, now, effects);
            }
            Event::Second { task, range, agrees } => self.second(task, &range, agrees, now, effects),
            Event::Failed { drone, lease, reason } => self.failed(drone, lease, &reason, now, effects),
            Event::Spoil { task, reason } => {
                self.end_task(task, Outcome::Failed(Blame::Inputs { reason }), now, effects);
            }
            Event::Excuse { drone, was_heard } => self.excuse(drone, was_heard, now),
            Event::HandBack { drone, leases } => self.hand_back(drone, &leases, now, effects),
            Event::Leaving { drone } => self.leaving(drone),
            Event::Quarantine { drone } => self.quarantine(drone, now, effects),
            Event::Pardon { drone } => self.pardon(drone, now, effects),
            Event::Lost { drone } => self.lost(drone, now, effects),
            Event::Gone { drone } => self.gone(drone, Fault::None, now, effects),
            Event::Tick => self.tick(now, effects),
        }
        self.drones.settle();
    }

    /// When the next [`Event::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Time> {
        let drone = self.drones.first_deadline().map(|(deadline, _)| deadline);
        let task = self.by_task_deadline.first().map(|(deadline, _)| *deadline);
        [drone, task, self.next_hold()].into_iter().flatten().min()
    }

    /// Which part of `range` is wanted of this Drone under this lease, and of which task it is.
    /// Outputs come in index order, so a range that begins elsewhere is not wanted.
    pub fn wanted(&self, drone: DroneId, lease: LeaseId, range: &Range<u64>) -> Option<(TaskId, Range<u64>)> {
        let lease = self.leases.get(lease).filter(|lease| lease.drone == drone && lease.next == range.start)?;
        Some((lease.task, lease.wanted(range)?))
    }

    /// The task of a lease that this Drone holds.
    pub fn lease(&self, drone: DroneId, lease: LeaseId) -> Option<TaskId> {
        self.leases.get(lease).filter(|lease| lease.drone == drone).map(|lease| lease.task)
    }

    /// The index that the next output of a lease which this Drone holds has to begin with.
    pub fn next_index(&self, drone: DroneId, lease: LeaseId) -> Option<u64> {
        self.leases.get(lease).filter(|lease| lease.drone == drone).map(|lease| lease.next)
    }

    /// A task that has not ended.
    pub fn task(&self, id: TaskId, now: Time) -> Option<Status> {
        let task = self.tasks.get(id)?;
        let eta = match task.is_paused {
            true => None,
            false => self.duration_of(self.queue.cost_ahead(task.priority, task.cost_left()), task.class, now),
        };
        Some(task.status(eta, now))
    }

    /// Whether all of a range of a task that has not ended is done.
    pub fn is_done(&self, id: TaskId, range: &Range<u64>) -> bool {
        self.tasks.get(id).is_some_and(|task| task.is_done_in(range))
    }

    /// Whether a Drone besides this one could compute what it has under a lease.
    pub fn has_another(&self, drone: DroneId, lease: LeaseId) -> bool {
        let Some(lease) = self.leases.get(lease) else { return false };
        let Some(task) = self.tasks.get(lease.task) else { return false };
        let has_failed = |id| lease.trouble.as_deref().is_some_and(|trouble| trouble.last_attempt(id).is_some());
        let mut able = self.drones.iter().filter(|(_, other)| other.is_usable() && other.is_able(task.class));
        able.any(|(id, _)| id != drone && !has_failed(id))
    }

    /// What of `range` of a task a Drone has computed, and the Queen is to compute again, in order.
    pub fn with_queen(&self, task: TaskId, range: &Range<u64>) -> Vec<Range<u64>> {
        self.tasks.get(task).map_or_else(Vec::new, |task| task.with_queen(range).collect())
    }

    /// Whether an item of a task that has not ended is being computed; `None` if it is done.
    pub fn item(&self, id: TaskId, index: u64) -> Option<bool> {
        let task = self.tasks.get(id).filter(|task| index < task.total() && !task.is_done_in(&(index..index + 1)))?;
        let is_leased = |lease| self.leases.get(lease).is_some_and(|lease| lease.range.contains(&index));
        Some(task.leases().any(is_leased) || task.with_queen(&(index..index + 1)).next().is_some())
    }

    /// A Drone that is connected, or that is waited for.
    pub fn drone(&self, id: DroneId, now: Time) -> Option<DroneStatus> {
        self.drones.get(id).map(|drone| drone.status(self.idle(id), now))
    }

    /// Where a Drone stands that is connected, or that is waited for.
    pub fn standing(&self, id: DroneId) -> Option<Standing> {
        self.drones.get(id).map(Drone::standing)
    }

    /// All work at a glance.
    pub fn totals(&self, now: Time) -> Totals {
        let (rate, cost_rate) = self.meter.rates(now);
        let class = self.tasks.iter().next().map(|(_, task)| task.class);
        // Nobody knows when tasks go on that are paused.
        let is_at_rest = self.queue.cost() == 0 && self.items_queued > 0;
        let eta = class.filter(|_| !is_at_rest).and_then(|class| self.duration_of(self.queue.cost(), class, now));
        let Self { items_queued, items_done, cost_done, lease_counts: leases, .. } = *self;
        Totals { items_queued, items_done, cost_done, leases, rate, cost_rate, eta }
    }

    /// How long all Drones together need for `cost`: by what they do, or, while they have not
    /// been at work long enough, by what each was seen, or says, to be able to.
    fn duration_of(&self, cost: u64, class: Class, now: Time) -> Option<Duration> {
        let able = || self.drones.speed(class) as f64;
        let rate: f64 = self.meter.steady_cost_rate(now).filter(|_| !self.drones.is_empty()).unwrap_or_else(able);
        Duration::try_from_secs_f64(cost as f64 / rate).ok()
    }

    fn submit(&mut self, id: TaskId, work: TaskWork, now: Time, effects: &mut Vec<Effect>) {
        let deadline = work.deadline;
        let mut task = Task::new(work);
        self.drones.know(task.class);
        self.items_queued += task.total() - task.done();
        if !task.is_paused {
            self.queue.admit(id, &mut task);
        }
        let is_done = task.is_done();
        self.tasks.insert(id, task);
        self.set_deadline(id, deadline);
        match is_done {
            true => self.end_task(id, Outcome::Done, now, effects),
            false => self.place_task(id, now, effects),
        }
    }

    fn set_deadline(&mut self, id: TaskId, deadline: Option<Time>) {
        if let Some(before) = self.task_deadlines.remove(&id) {
            self.by_task_deadline.remove(&(before, id));
        }
        if let Some(deadline) = deadline.filter(|_| self.tasks.get(id).is_some()) {
            self.by_task_deadline.insert((deadline, id));
            self.task_deadlines.insert(id, deadline);
        }
    }

    fn pause(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| !task.is_paused) else { return };
        task.is_paused = true;
        self.queue.dismiss(id, task);
        let leases: Vec<_> = lease::in_order(task.leases()).into_iter().map(|lease| (lease, Fault::None)).collect();
        let drones: BTreeSet<_> = leases.iter().filter_map(|(lease, _)| Some(self.leases.get(*lease)?.drone)).collect();
        self.unreserve(id, false);
        self.give_up(&leases, true, now, effects);
        drones.into_iter().for_each(|drone| self.fill(drone, now, effects));
    }

    fn resume(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.is_paused) else { return };
        task.is_paused = false;
        self.queue.admit(id, task);
        self.place_task(id, now, effects);
    }

    fn set_priority(&mut self, id: TaskId, priority: i8, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.priority != priority) else { return };
        if task.is_paused {
            task.priority = priority;
            return;
        }
        if priority < task.priority {
            // Drones would go on with what they hold of it as the urgent work that it was when it was given to them.
            self.pause(id, now, effects);
            self.set_priority(id, priority, now, effects);
            self.resume(id, now, effects);
            return;
        }
        self.queue.dismiss(id, task);
        task.priority = priority;
        self.queue.admit(id, task);
        self.place_task(id, now, effects);
    }

    fn revoke(&mut self, id: TaskId, range: &Range<u64>, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let (items, cost) = task.revoke(range);
        if items == 0 {
            return;
        }
        self.items_queued += items;
        if !task.is_paused {
            self.queue.regain(task.priority, task.in_all(cost));
            self.queue.insert(task.priority, task.pass, id);
        }
        effects.push(Effect::Progress(id));
        self.place_task(id, now, effects);
    }

    fn end_task(&mut self, id: TaskId, outcome: Outcome, now: Time, effects: &mut Vec<Effect>) {
        self.unreserve(id, true);
        let Some(task) = self.tasks.remove(id) else { return };
        self.items_queued -= task.total() - task.done();
        if !task.is_paused {
            self.queue.dismiss(id, &task);
        }
        self.set_deadline(id, None);
        let mut freed = BTreeSet::new();
        for lease_id in lease::in_order(task.leases()) {
            if let Some(lease) = self.remove_lease(lease_id, effects) {
                effects.push(Effect::Withdraw { drone: lease.drone, lease: lease_id, end: lease.next });
                freed.insert(lease.drone);
            }
        }
        effects.push(Effect::Ended { task: id, outcome, done: task.into_done() });
        for drone in freed {
            self.fill(drone, now, effects);
        }
    }

    fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((_, task)) = self.by_task_deadline.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.end_task(task, Outcome::Failed(Blame::Deadline), now, effects);
        }
        self.tick_drones(now, effects);
        self.hold(now, effects);
    }
}
