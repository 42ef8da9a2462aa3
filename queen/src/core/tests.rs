//! The core by itself: what it must do in plain cases, and that nothing is lost in random ones.

mod batches;
mod ends;
mod failures;
mod finish;
mod fleet;
mod isolation;
mod lanes;
mod material;
mod random;
mod sharing;
mod twice;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::*;

const CLASS: Class = Class::SHORT;
/// Compressions per second of one thread of an [`able`] Drone.
const RATE: u64 = 1_000_000;
/// Bytes of material that an [`able`] Drone keeps.
const KEEPS: u64 = 1_000_000;
const SILENCE: Duration = Duration::from_secs(10);

fn able(threads: u16) -> Ability {
    let speeds = BTreeMap::from([(CLASS, Speed { rate: RATE, lanes: 1 })]);
    Ability { threads, kinds: BTreeSet::from([CLASS.kind]), speeds, material: KEEPS }
}

/// Items of one compression and ten bytes, in segments of the given sizes.
fn work(priority: i8, segments: &[u64]) -> TaskWork {
    let segment = |items: &u64| Segment { items: *items, cost: *items, bytes: 10 * items };
    TaskWork {
        class: CLASS,
        priority,
        segments: segments.iter().map(segment).collect(),
        done: RangeSet::default(),
        paused: false,
        target: Duration::from_millis(200),
        has_ledger: false,
        chunk_bytes: 0,
        material: 0,
        deadline: None,
        avoid: None,
        batch: false,
        twice: false,
    }
}

/// A core, and what a shell would know of it.
struct World {
    core: Core,
    now: Time,
    tasks: u64,
    drones: u64,
    /// What Drones hold, as they know it.
    held: BTreeMap<LeaseId, Grant>,
    /// Leases that ended, and how.
    over: Vec<(DroneId, LeaseSummary<LeaseEnd>)>,
    /// What was credited of each task.
    credited: BTreeMap<TaskId, RangeSet>,
    ended: BTreeMap<TaskId, Outcome>,
    /// Items of batches that failed.
    failed: Vec<(TaskId, u64, Blame)>,
    started: BTreeSet<TaskId>,
    disconnected: Vec<DroneId>,
    quarantined: BTreeSet<DroneId>,
    /// What a Queen who starts anew would know of leases.
    recorded: BTreeMap<LeaseId, Range<u64>>,
    /// What Drones have computed that are without a connection.
    offered: BTreeMap<DroneId, Vec<Grant>>,
    computed: u64,
    /// Tasks of which each item is computed twice, and who has computed what of them once.
    twice: BTreeMap<TaskId, Vec<(Range<u64>, DroneId)>>,
    /// What the Queen is to compute the second time.
    seconds: Vec<(TaskId, Range<u64>)>,
}

impl World {
    fn new() -> Self {
        Self {
            core: Core::default(),
            now: Time::ZERO,
            tasks: 0,
            drones: 0,
            held: BTreeMap::new(),
            over: Vec::new(),
            credited: BTreeMap::new(),
            ended: BTreeMap::new(),
            failed: Vec::new(),
            started: BTreeSet::new(),
            disconnected: Vec::new(),
            quarantined: BTreeSet::new(),
            recorded: BTreeMap::new(),
            offered: BTreeMap::new(),
            computed: 0,
            twice: BTreeMap::new(),
            seconds: Vec::new(),
        }
    }

    /// Leases that were granted by this event, in order.
    fn handle(&mut self, event: Event) -> Vec<Grant> {
        let mut effects = Vec::new();
        let (drone, came) = match &event {
            Event::Output { drone, range, .. } | Event::Claim { drone, range, .. } => {
                (Some(*drone), Some(range.clone()))
            }
            Event::Second { range, .. } => (None, Some(range.clone())),
            _ => (None, None),
        };
        self.core.handle(event, self.now, &mut effects);
        self.core.check_invariants();
        let mut grants = Vec::new();
        for effect in effects {
            match effect {
                Effect::Lease(grant) => {
                    assert!(self.held.insert(grant.lease, grant.clone()).is_none(), "a lease id is used once");
                    grants.push(grant);
                }
                Effect::Withdraw { lease, end, .. } => self.shrink(lease, end),
                Effect::Adopted { drone, leases } => self.adopted(drone, &leases),
                Effect::Hold { lease, range, .. } => drop(self.recorded.insert(lease, range)),
                Effect::Unhold(lease) => assert!(self.recorded.remove(&lease).is_some()),
                Effect::Quarantined { drone, .. } => drop(self.quarantined.insert(drone)),
                Effect::Over { drone, lease } => self.over.push((drone, lease)),
                Effect::Forgotten(_) => {}
                Effect::Started(task) => assert!(self.started.insert(task)),
                Effect::Credit { task, range } => {
                    assert!(came.as_ref().is_some_and(|came| came.start <= range.start && range.end <= came.end));
                    self.forget_once(task, &range);
                    self.credited.entry(task).or_default().insert(range);
                }
                Effect::Claim { task, range, by_queen } => {
                    self.forget_once(task, &range);
                    match by_queen {
                        true => self.seconds.push((task, range)),
                        false => self.twice.entry(task).or_default().extend(drone.map(|drone| (range, drone))),
                    }
                }
                Effect::Advanced(_) => {}
                Effect::FailedItem { task, index, blame } => {
                    self.credited.entry(task).or_default().insert(index..index + 1);
                    self.failed.push((task, index, blame));
                }
                Effect::Ended { task, outcome, done } => {
                    assert_eq!(done, self.credited.remove(&task).unwrap_or_default());
                    assert!(self.ended.insert(task, outcome).is_none(), "a task ends once");
                }
                Effect::Disconnect { drone, .. } => {
                    self.leave(drone);
                    self.disconnected.push(drone);
                }
            }
        }
        grants
    }

    /// A lease ends at `end` now.
    fn shrink(&mut self, lease: LeaseId, end: u64) {
        let Some(grant) = self.held.get_mut(&lease) else { return };
        grant.range.end = grant.range.end.min(end);
        if grant.range.is_empty() {
            self.held.remove(&lease);
        }
    }

    /// A Drone has no connection, and keeps what it holds.
    fn leave(&mut self, drone: DroneId) {
        let own = self.held.extract_if(.., |_, grant| grant.drone == drone).map(|(_, grant)| grant);
        self.offered.entry(drone).or_default().extend(own);
    }

    fn adopted(&mut self, drone: DroneId, leases: &[Option<(LeaseId, Range<u64>)>]) {
        let offered = self.offered.remove(&drone).unwrap_or_default();
        assert_eq!(offered.len(), leases.len());
        for (grant, lease) in offered.into_iter().zip(leases) {
            let Some((lease, range)) = lease.clone() else { continue };
            assert!(grant.range.start <= range.start && range.end <= grant.range.end && !range.is_empty());
            assert!(self.held.insert(lease, Grant { lease, range, ..grant }).is_none());
        }
    }

    /// A Drone that was lost comes back with what it holds.
    fn come_back(&mut self, drone: DroneId) -> Vec<Grant> {
        let offers = self.offered.entry(drone).or_default();
        let offers = offers.iter().map(|grant| (grant.task, grant.range.clone())).collect();
        self.handle(Event::Join { drone, ability: able(1), trusted: true, offers })
    }

    /// A Drone says that it holds what it holds.
    fn heartbeat(&mut self, drone: DroneId) -> Vec<Grant> {
        self.heartbeat_of(drone, 0)
    }

    /// The same, but without the first ones.
    fn heartbeat_of(&mut self, drone: DroneId, forget: usize) -> Vec<Grant> {
        let own = self.held.values().filter(|grant| grant.drone == drone).skip(forget);
        let progress =
            own.map(|grant| LeaseProgress { lease: grant.lease, reached: grant.range.start, begun: false }).collect();
        self.computed += 1;
        self.handle(Event::Heartbeat { drone, progress, computed: self.computed })
    }

    fn submit(&mut self, priority: i8, segments: &[u64]) -> (TaskId, Vec<Grant>) {
        self.submit_work(work(priority, segments))
    }

    fn submit_work(&mut self, work: TaskWork) -> (TaskId, Vec<Grant>) {
        self.tasks += 1;
        let task = TaskId(self.tasks);
        if work.twice {
            self.twice.insert(task, Vec::new());
        }
        (task, self.handle(Event::Submit { task, work }))
    }

    fn join(&mut self, threads: u16) -> (DroneId, Vec<Grant>) {
        self.drones += 1;
        let drone = DroneId(self.drones);
        (drone, self.handle(Event::Join { drone, ability: able(threads), trusted: true, offers: Vec::new() }))
    }

    /// The Drone outputs the next `items` of a lease, and takes the time that it takes.
    fn output(&mut self, id: LeaseId, items: u64) -> Vec<Grant> {
        let Some(grant) = self.held.get_mut(&id) else { return Vec::new() };
        let range = grant.range.start..grant.range.end.min(grant.range.start.saturating_add(items));
        let (drone, task) = (grant.drone, grant.task);
        grant.range.start = range.end;
        if grant.range.is_empty() {
            self.held.remove(&id);
        }
        if self.twice.contains_key(&task) {
            return self.output_twice(task, drone, id, range);
        }
        let spent = Duration::from_nanos((range.end - range.start) * 1_000_000_000 / RATE);
        self.handle(Event::Output { drone, lease: id, range, spent })
    }

    /// Drones compute what they hold, in the order in which they should, until nothing is held.
    fn run(&mut self) -> Vec<TaskId> {
        let mut order = Vec::new();
        loop {
            self.compute_seconds(true);
            let urgency = |grant: &&Grant| (-i16::from(grant.priority), grant.rank, grant.lease);
            let Some(next) = self.held.values().min_by_key(urgency).cloned() else { return order };
            self.now += Duration::from_micros(next.range.end - next.range.start);
            order.push(next.task);
            self.output(next.lease, u64::MAX);
            for drone in 1..=self.drones {
                self.heartbeat(DroneId(drone));
            }
        }
    }

    /// An item leaves its task.
    fn detach(&mut self, task: TaskId, index: u64) {
        if self.core.item(task, index).is_some() {
            self.credited.entry(task).or_default().insert(index..index + 1);
        }
        self.handle(Event::Detach { task, index });
    }
}
