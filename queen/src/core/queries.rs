//! What others ask the core, which changes nothing.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};
use wire::work::Class;

use super::drone::Drone;
use super::scheduler::Core;
use super::status::{DroneStatus, LeaseStatus, LeaseSummary, Standing, Status, Totals};
use super::time::Time;

/// Of so many tasks at most it is said that a Drone computes them.
const MAX_TASKS: usize = 8;

impl Core {
    /// A lease that this Drone holds.
    pub fn lease(&self, drone: DroneId, lease: LeaseId) -> Option<LeaseStatus> {
        let lease = self.leases.get(lease).filter(|lease| lease.drone == drone)?;
        Some(LeaseStatus { task: lease.task, next: lease.next })
    }

    /// A task that has not ended.
    pub fn task(&self, id: TaskId, now: Time) -> Option<Status> {
        let task = self.tasks.get(id)?;
        let eta = match task.is_paused {
            true => None,
            false => self.duration_of(self.tasks.queue().cost_ahead(task.priority, task.cost_left()), task.class, now),
        };
        Some(task.status(eta, now))
    }

    /// Whether all of a range of a task that has not ended is done.
    pub fn is_done(&self, id: TaskId, range: &Range<u64>) -> bool {
        self.tasks.get(id).is_some_and(|task| task.is_done_in(range))
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
        let drone = self.drones.get(id)?;
        let (rate, cost_rate) = drone.rates(now);
        let tasks: Vec<_> = drone.tasks().take(MAX_TASKS).collect();
        let first = tasks.first().and_then(|task| self.tasks.get(*task));
        let benchmark = first.and_then(|task| drone.benchmark(task.class));
        Some(DroneStatus { standing: drone.standing(), idle: self.idle(id), rate, cost_rate, tasks, benchmark })
    }

    /// The leases of a Drone, the most urgent first, and whether each was begun.
    pub fn leases(&self, id: DroneId) -> impl Iterator<Item = LeaseSummary<bool>> {
        let leases = self.drones.get(id).into_iter().flat_map(Drone::by_urgency);
        leases.filter_map(|id| self.leases.get(id)).map(|lease| lease.summary(lease.begun))
    }

    /// The task that a Drone most likely computes.
    pub fn computes(&self, id: DroneId) -> Option<TaskId> {
        let first = self.drones.get(id)?.by_urgency().next()?;
        Some(self.leases.get(first)?.task)
    }

    /// Items per second of a task lately.
    pub fn task_rate(&self, id: TaskId, now: Time) -> Option<f64> {
        Some(self.tasks.get(id)?.rate(now))
    }

    /// Items and compressions per second of a Drone lately.
    pub fn drone_rates(&self, id: DroneId, now: Time) -> Option<(f64, f64)> {
        Some(self.drones.get(id)?.rates(now))
    }

    /// Where a Drone stands that is connected, or that is waited for.
    pub fn standing(&self, id: DroneId) -> Option<Standing> {
        self.drones.get(id).map(Drone::standing)
    }

    /// Whether another Drone than this one can be given some of a task; `None` if the task has ended.
    pub fn has_other_for(&self, task: TaskId, drone: DroneId) -> Option<bool> {
        Some(self.able(self.tasks.get(task)?).any(|id| id != drone))
    }

    /// Compressions per second of a class of work that all Drones do together.
    pub fn speed(&self, class: Class) -> u128 {
        self.drones.values().filter(|drone| drone.is_usable()).map(|drone| drone.speed(class)).sum()
    }

    /// All work at a glance.
    pub fn totals(&self, now: Time) -> Totals {
        let (rate, cost_rate) = self.meter.rates(now);
        let class = self.tasks.iter().next().map(|(_, task)| task.class);
        // Nobody knows when tasks go on that are paused.
        let is_at_rest = self.tasks.queue().cost() == 0 && self.tasks.items() > 0;
        let eta =
            class.filter(|_| !is_at_rest).and_then(|class| self.duration_of(self.tasks.queue().cost(), class, now));
        let items_queued = self.tasks.items();
        let Self { items_done, cost_done, lease_counts: leases, .. } = *self;
        Totals { items_queued, items_done, cost_done, leases, rate, cost_rate, eta }
    }

    /// How long all Drones together need for `cost`: by what they do, or, while they have not
    /// been at work long enough, by what each was seen, or says, to be able to.
    fn duration_of(&self, cost: u128, class: Class, now: Time) -> Option<Duration> {
        let able = || self.drones.speed(class) as f64;
        let rate: f64 = self.meter.steady_cost_rate(now).filter(|_| !self.drones.is_empty()).unwrap_or_else(able);
        Duration::try_from_secs_f64(cost as f64 / rate).ok()
    }
}
