//! The core by itself: what it must do in plain cases, and that nothing is lost in random ones.

mod failures;
mod lanes;
mod twice;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;
use wire::ids::{DroneId, LeaseId, TaskId};

use super::*;

const CLASS: Class = Class::SHORT;
/// Compressions per second of one thread of an [`able`] Drone.
const RATE: u64 = 1_000_000;
const SILENCE: Duration = Duration::from_secs(10);

fn able(threads: u16) -> Ability {
    let speeds = BTreeMap::from([(CLASS, Speed { rate: RATE, lanes: 1 })]);
    Ability { threads, kinds: BTreeSet::from([CLASS.kind]), speeds }
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
            own.map(|grant| Progress { lease: grant.lease, reached: grant.range.start, begun: false }).collect();
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
}

#[test]
fn one_word_goes_to_the_drone_that_comes() {
    let mut world = World::new();
    let (task, grants) = world.submit(0, &[1]);
    assert_eq!(grants, []);
    let (drone, grants) = world.join(1);
    let [grant] = &grants[..] else { panic!("one lease, not {grants:?}") };
    assert_eq!((grant.drone, grant.task, grant.range.clone()), (drone, task, 0..1));
    world.output(grant.lease, 1);
    assert_eq!(world.ended[&task], Outcome::Done);
    assert_eq!(world.core.totals(world.now).items_done, 1);
}

#[test]
fn chunks_stay_within_segments_and_credit() {
    let mut world = World::new();
    world.join(2);
    let (_, grants) = world.submit(0, &[300_000, 700_000, 5_000_000]);
    assert!(grants.iter().any(|grant| grant.range.end == 300_000));
    assert!(grants.iter().all(|grant| grant.range.end <= 300_000 || grant.range.start >= 300_000));
    assert!(grants.iter().all(|grant| grant.range.end - grant.range.start <= RATE / 5));
    let ahead: u64 = grants.iter().map(|grant| grant.range.end - grant.range.start).sum();
    assert!((RATE..=2 * RATE).contains(&ahead), "half a second to a second for each thread, not {ahead}");
}

#[test]
fn short_chunks_with_long_inputs_do_not_pass_what_a_drone_accepts() {
    let mut world = World::new();
    world.join(1);
    world.submit(0, &[10_000_000]);
    for task in 2..100 {
        let heavy = Segment { items: 1, cost: 1, bytes: 4 << 20 };
        let work = TaskWork { segments: [heavy].into(), ..work(0, &[1]) };
        world.tasks += 1;
        world.handle(Event::Submit { task: TaskId(task), work });
    }
    let heavy = world.held.values().filter(|grant| grant.task != TaskId(1)).count();
    assert!((5..=12).contains(&heavy), "{heavy} times 4 MiB");
    world.run();
    assert_eq!(world.ended.len(), 99);
}

#[test]
fn a_word_overtakes_a_large_task() {
    let mut world = World::new();
    world.join(1);
    let (large, leased) = world.submit(0, &[10_000_000]);
    let (word, grants) = world.submit(0, &[1]);
    let [grant] = &grants[..] else { panic!("the word is leased at once") };
    assert!(leased.iter().all(|other| grant.rank < other.rank), "and is first on the Drone");
    let order = world.run();
    assert_eq!(order[0], word);
    assert_eq!(world.ended[&large], Outcome::Done);
}

#[test]
fn a_word_is_first_even_where_time_has_stood_still() {
    let mut world = World::new();
    let (slow, _) = world.join(1);
    let (_, held) = world.submit(0, &[50_000_000]);
    let (fast, _) = world.join(1);
    for _ in 0..50 {
        let next = world.held.values().find(|grant| grant.drone == fast).unwrap().lease;
        world.output(next, u64::MAX);
    }
    // Only the slow one is there for the word.
    world.handle(Event::Leaving { drone: fast });
    let (_, grants) = world.submit(0, &[1]);
    assert_eq!(grants[0].drone, slow);
    assert!(held.iter().all(|grant| grants[0].rank <= grant.rank), "{grants:?} {held:?}");
}

#[test]
fn a_part_of_a_lease_moves_time_by_that_part() {
    let mut world = World::new();
    world.join(1);
    let (_, held) = world.submit(0, &[10_000_000]);
    world.output(held[0].lease, 10);
    let (_, grants) = world.submit(0, &[200_000]);
    assert_eq!(grants[0].rank, 10 + (grants[0].range.end - grants[0].range.start));
    assert!(grants[0].rank < held[0].rank);
}

#[test]
fn what_is_less_urgent_waits_while_there_is_more_urgent_work() {
    let mut world = World::new();
    world.join(1);
    let (urgent, _) = world.submit(1, &[10_000_000]);
    let (word, grants) = world.submit(0, &[1]);
    assert_eq!(grants, []);
    let order = world.run();
    assert_eq!(order.last(), Some(&word));
    assert!(world.ended.contains_key(&urgent));
}

#[test]
fn equals_share_and_priority_goes_first() {
    let mut world = World::new();
    let (first, _) = world.submit(0, &[2_000_000]);
    let (second, _) = world.submit(0, &[2_000_000]);
    let (urgent, _) = world.submit(5, &[500_000]);
    world.join(1);
    let order = world.run();
    let last_urgent = order.iter().rposition(|task| *task == urgent).unwrap();
    assert!(order[..last_urgent].iter().all(|task| *task == urgent), "{order:?}");
    let half = &order[last_urgent + 1..][..10];
    let of_first = half.iter().filter(|task| **task == first).count();
    assert!((4..=6).contains(&of_first), "{half:?}");
    assert!(half.contains(&second));
}

#[test]
fn a_late_task_does_not_make_up_for_the_time_before_it() {
    let mut world = World::new();
    world.join(1);
    let (first, _) = world.submit(0, &[20_000_000]);
    for _ in 0..20 {
        let next = *world.held.keys().next().unwrap();
        world.output(next, u64::MAX);
    }
    let (second, _) = world.submit(0, &[20_000_000]);
    let order = world.run();
    let of_first = order[..30].iter().filter(|task| **task == first).count();
    assert!((10..=16).contains(&of_first), "{:?} {second}", &order[..30]);
}

#[test]
fn what_a_lost_drone_held_is_done_by_others() {
    let mut world = World::new();
    let (lost, _) = world.join(1);
    let (task, grants) = world.submit(0, &[1_000_000]);
    world.output(grants[0].lease, 10);
    world.held.clear();
    world.join(1);
    world.handle(Event::Gone { drone: lost });
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn a_silent_drone_is_lost_when_its_time_is_over() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    world.submit(0, &[100]);
    world.now = SILENCE / 2;
    world.handle(Event::Tick);
    assert_eq!(world.core.next_deadline(), Some(SILENCE));
    world.heartbeat(drone);
    world.now = SILENCE;
    world.handle(Event::Tick);
    assert_eq!(world.disconnected, []);
    world.now = SILENCE + SILENCE / 2;
    world.handle(Event::Tick);
    assert_eq!(world.disconnected, [drone]);
    assert_eq!(world.core.next_deadline(), None);
}

#[test]
fn a_lease_that_a_drone_forgot_is_leased_anew() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (_, grants) = world.submit(0, &[1]);
    world.heartbeat(drone);
    for _ in 0..3 {
        world.now += SILENCE / 2;
        world.heartbeat_of(drone, 1);
    }
    assert!(!world.held.contains_key(&grants[0].lease));
    assert_eq!(world.held.len(), 1);
}

#[test]
fn an_item_of_a_batch_fails_alone() {
    let mut world = World::new();
    let drones = [world.join(1).0, world.join(1).0];
    let (task, _) = world.submit_work(TaskWork { batch: true, ..work(0, &[1_000]) });
    let poison = 777;
    while world.failed.is_empty() {
        let (lease, grant) = world.held.pop_first().unwrap();
        match grant.range.contains(&poison) {
            true => drop(world.handle(Event::Failed { drone: grant.drone, lease, reason: "smoke".into() })),
            false => {
                world.held.insert(lease, grant);
                world.output(lease, u64::MAX);
            }
        }
    }
    let [(of, index, Blame::Failures { drones: tried, .. })] = &world.failed[..] else { panic!("{:?}", world.failed) };
    assert_eq!((*of, *index), (task, poison));
    assert!(tried.len() == 2 && drones.iter().all(|drone| tried.contains(drone)), "{tried:?}");
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
    assert!(world.quarantined.is_empty());
}

#[test]
fn an_item_of_a_batch_ends_drones_alone() {
    let mut world = World::new();
    let (task, _) = world.submit_work(TaskWork { batch: true, ..work(0, &[1_000]) });
    let (poison, mut dead) = (5, 0);
    while world.failed.is_empty() {
        let (drone, _) = world.join(1);
        while let Some(next) = world.held.values().min_by_key(|grant| (grant.rank, grant.lease)).cloned() {
            if next.range.contains(&poison) {
                dead += 1;
                world.leave(drone);
                world.handle(Event::Disconnected { drone });
                world.now += Timeouts::default().grace;
                world.handle(Event::Tick);
                break;
            }
            world.output(next.lease, u64::MAX);
        }
        assert!(dead < 20, "blame narrows");
    }
    assert!(matches!(world.failed[..], [(of, 5, Blame::Deaths { .. })] if of == task), "{:?}", world.failed);
    world.join(1);
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn a_paused_range_that_has_to_run_alone_keeps_no_other_waiting() {
    let mut world = World::new();
    let dies_twice = |world: &mut World| {
        let (task, _) = world.submit(0, &[1]);
        for _ in 0..2 {
            let (drone, grants) = world.join(1);
            assert_eq!(grants.len(), 1);
            world.leave(drone);
            world.handle(Event::Disconnected { drone });
            world.now += Timeouts::default().grace;
            world.handle(Event::Tick);
        }
        task
    };
    let paused = dies_twice(&mut world);
    world.handle(Event::Pause { task: paused });
    let other = dies_twice(&mut world);
    world.join(1);
    world.run();
    assert!(world.ended.contains_key(&other) && !world.ended.contains_key(&paused));
}

#[test]
fn a_detached_item_is_not_computed() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (task, grants) = world.submit_work(TaskWork { batch: true, ..work(0, &[10, 20]) });
    assert_eq!(grants.len(), 2);
    for index in [0, 5, 29, 29] {
        world.detach(task, index);
    }
    assert!(world.held.values().all(|grant| [0, 5, 29].iter().all(|index| !grant.range.contains(index))));
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
    assert_eq!(world.core.standing(drone).unwrap().leases, 0);
}

#[test]
fn a_leaving_drone_gets_nothing_new() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    world.handle(Event::Leaving { drone });
    assert_eq!(world.submit(0, &[1]).1, []);
    assert_eq!(world.join(1).1.len(), 1);
}

#[test]
fn what_was_done_before_is_not_leased() {
    let mut world = World::new();
    world.join(1);
    let mut half = work(0, &[100, 100]);
    [10..20, 90..150].into_iter().for_each(|range| half.done.insert(range));
    world.tasks += 1;
    world.credited.insert(TaskId(1), half.done.clone());
    world.handle(Event::Submit { task: TaskId(1), work: half });
    assert_eq!(world.core.task(TaskId(1), world.now).unwrap().done, 70);
    assert_eq!(world.core.totals(world.now).items_queued, 130);
    let leased: RangeSet = world.held.values().fold(RangeSet::default(), |mut all, grant| {
        all.insert(grant.range.clone());
        all
    });
    assert!(leased.iter().eq([0..10, 20..90, 150..200]), "{leased:?}");
    world.run();
    assert_eq!(world.ended[&TaskId(1)], Outcome::Done);
    let mut all = work(0, &[5]);
    all.done.insert(0..5);
    world.tasks += 1;
    world.credited.insert(TaskId(2), all.done.clone());
    world.handle(Event::Submit { task: TaskId(2), work: all });
    assert_eq!(world.ended[&TaskId(2)], Outcome::Done, "a task of which all is done ends at once");
}

#[test]
fn a_drone_that_was_not_listened_to_is_not_silent() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (_, grants) = world.submit(0, &[100]);
    for _ in 0..3 {
        world.now += SILENCE / 2;
        world.handle(Event::Excuse { drone, was_heard: false });
        world.handle(Event::Tick);
    }
    assert_eq!(world.disconnected, []);
    world.heartbeat_of(drone, 1);
    assert!(world.held.contains_key(&grants[0].lease));
}

#[test]
fn an_output_counts_once_and_only_in_order() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (_, grants) = world.submit(0, &[10_000_000]);
    let lease = grants[0].lease;
    let end = grants[0].range.end;
    let mut credited = |drone, range| {
        let spent = Duration::from_millis(1);
        world.handle(Event::Output { drone, lease, range, spent });
        world.credited.get(&TaskId(1)).map_or(0, RangeSet::len)
    };
    assert_eq!(credited(drone, 1..2), 0, "not the next index");
    assert_eq!(credited(DroneId(99), 0..2), 0, "another's lease");
    assert_eq!(credited(drone, 0..2), 2);
    assert_eq!(credited(drone, 0..2), 2, "done already");
    assert_eq!(credited(drone, 2..end + 5), end, "cut at its end");
    assert_eq!(world.core.task(TaskId(1), world.now).unwrap().done, end);
}

#[test]
fn an_eta_counts_the_work_before_it() {
    let mut world = World::new();
    world.submit(1, &[10 * RATE]);
    let (task, _) = world.submit(0, &[RATE]);
    assert_eq!(world.core.task(task, world.now).unwrap().eta, None, "nobody is there to do it");
    world.join(1);
    let eta = world.core.task(task, world.now).unwrap().eta.unwrap();
    assert_eq!(eta.as_secs(), 11);
}

#[test]
fn an_eta_is_not_misled_by_a_rest() {
    let mut world = World::new();
    world.join(1);
    world.submit(0, &[1]);
    world.run();
    world.now += Duration::from_secs(2);
    let (task, _) = world.submit(0, &[10 * RATE]);
    assert_eq!(world.core.task(task, world.now).unwrap().eta.unwrap().as_secs(), 10);
}

#[derive(Debug, Clone)]
enum Step {
    Submit { priority: i8, segments: Vec<u64>, batch: bool, twice: bool },
    Join { threads: u16 },
    Gone(usize),
    Lost(usize),
    ComeBack(usize),
    Quarantine(usize),
    Pardon(usize),
    Pause(usize),
    Resume(usize),
    SetPriority { task: usize, priority: i8 },
    Revoke { task: usize, start: u64, length: u64 },
    Leaving(usize),
    Output { lease: usize, items: u64 },
    Seconds { agree: bool },
    Failed(usize),
    HandBack(usize),
    Excuse(usize),
    Heartbeat { drone: usize, forget: usize },
    Cancel(usize),
    Detach { task: usize, index: u64 },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let segments = prop::collection::vec(prop_oneof![1..10_u64, 1..3_000_000_u64], 1..5);
    prop_oneof![
        3 => (-2..=2_i8, segments, any::<bool>(), any::<bool>())
            .prop_map(|(priority, segments, batch, twice)| Step::Submit { priority, segments, batch, twice }),
        2 => (1..4_u16).prop_map(|threads| Step::Join { threads }),
        1 => any::<usize>().prop_map(Step::Gone),
        3 => any::<usize>().prop_map(Step::Lost),
        3 => any::<usize>().prop_map(Step::ComeBack),
        1 => any::<usize>().prop_map(Step::Quarantine),
        2 => any::<usize>().prop_map(Step::Pardon),
        1 => any::<usize>().prop_map(Step::Pause),
        2 => any::<usize>().prop_map(Step::Resume),
        1 => (any::<usize>(), -2..=2_i8).prop_map(|(task, priority)| Step::SetPriority { task, priority }),
        2 => (any::<usize>(), 0..1_000_000_u64, 1..1_000_000_u64)
            .prop_map(|(task, start, length)| Step::Revoke { task, start, length }),
        1 => any::<usize>().prop_map(Step::Leaving),
        20 => (any::<usize>(), prop_oneof![1..100_u64, Just(u64::MAX)])
            .prop_map(|(lease, items)| Step::Output { lease, items }),
        2 => any::<bool>().prop_map(|agree| Step::Seconds { agree }),
        1 => any::<usize>().prop_map(Step::Failed),
        1 => any::<usize>().prop_map(Step::HandBack),
        1 => any::<usize>().prop_map(Step::Excuse),
        3 => (any::<usize>(), 0..3_usize).prop_map(|(drone, forget)| Step::Heartbeat { drone, forget }),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), prop_oneof![0..20_u64, 0..1_000_000_u64])
            .prop_map(|(task, index)| Step::Detach { task, index }),
        2 => (1..8_000_u64).prop_map(Step::Wait),
    ]
}

impl World {
    fn detach(&mut self, task: TaskId, index: u64) {
        if self.core.item(task, index).is_some() {
            self.credited.entry(task).or_default().insert(index..index + 1);
        }
        self.handle(Event::Detach { task, index });
    }

    fn pick_drone(&self, seed: usize) -> Option<DroneId> {
        self.core.drones.iter().nth(seed % self.core.drones.len().max(1)).map(|(id, _)| id)
    }

    fn pick_lease(&self, seed: usize) -> Option<Grant> {
        self.held.values().nth(seed % self.held.len().max(1)).cloned()
    }

    fn pick_task(&self, seed: usize) -> TaskId {
        TaskId(seed as u64 % self.tasks.max(1) + 1)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Submit { priority, segments, batch, twice } => {
                drop(self.submit_work(TaskWork { batch, twice, ..work(priority, &segments) }));
            }
            Step::Seconds { agree } => self.compute_seconds(agree),
            Step::Join { threads } => drop(self.join(threads)),
            Step::Gone(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.held.retain(|_, grant| grant.drone != drone);
                    self.offered.remove(&drone);
                    self.handle(Event::Gone { drone });
                }
            }
            Step::Lost(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.leave(drone);
                    self.handle(Event::Disconnected { drone });
                }
            }
            Step::ComeBack(seed) => {
                if let Some(drone) = self.offered.keys().nth(seed % self.offered.len().max(1)).copied() {
                    self.come_back(drone);
                }
            }
            Step::Quarantine(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Quarantine { drone });
                }
            }
            Step::Pardon(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Pardon { drone });
                }
            }
            Step::Pause(seed) => drop(self.handle(Event::Pause { task: self.pick_task(seed) })),
            Step::Resume(seed) => drop(self.handle(Event::Resume { task: self.pick_task(seed) })),
            Step::SetPriority { task, priority } => {
                self.handle(Event::SetPriority { task: self.pick_task(task), priority });
            }
            Step::Revoke { task, start, length } => {
                let task = self.pick_task(task);
                let range = start..start + length;
                if let Some(credited) = self.credited.get_mut(&task) {
                    while credited.take_within(&range).is_some() {}
                }
                self.handle(Event::Revoke { task, range });
            }
            Step::Leaving(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Leaving { drone });
                }
            }
            Step::Output { lease, items } => {
                if let Some(grant) = self.pick_lease(lease) {
                    self.output(grant.lease, items);
                }
            }
            Step::Failed(seed) => {
                if let Some(grant) = self.pick_lease(seed) {
                    self.held.remove(&grant.lease);
                    self.handle(Event::Failed { drone: grant.drone, lease: grant.lease, reason: "random".into() });
                }
            }
            Step::HandBack(seed) => {
                if let Some(grant) = self.pick_lease(seed) {
                    self.held.remove(&grant.lease);
                    self.handle(Event::HandBack { drone: grant.drone, leases: vec![grant.lease] });
                }
            }
            Step::Excuse(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Excuse { drone, was_heard: false });
                }
            }
            Step::Heartbeat { drone, forget } => {
                if let Some(drone) = self.pick_drone(drone) {
                    self.heartbeat_of(drone, forget);
                }
            }
            Step::Cancel(seed) => {
                self.handle(Event::Cancel { task: self.pick_task(seed) });
            }
            Step::Detach { task, index } => {
                let task = self.pick_task(task);
                self.detach(task, index);
            }
            Step::Wait(ms) => {
                self.now += Duration::from_millis(ms);
                self.handle(Event::Tick);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_task_ends_right(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        // What went wrong is over: Drones stay, nothing is paused, and time passes.
        (1..=world.tasks).for_each(|task| drop(world.handle(Event::Resume { task: TaskId(task) })));
        world.offered.keys().copied().collect::<Vec<_>>().into_iter().for_each(|drone| drop(world.come_back(drone)));
        world.join(2);
        world.join(2);
        for _ in 0..4 {
            world.run();
            world.now += SILENCE;
            (1..=world.drones).for_each(|drone| drop(world.heartbeat(DroneId(drone))));
            world.handle(Event::Tick);
        }
        world.run();
        assert_eq!(world.ended.len() as u64, world.tasks, "every task ends once a Drone stays");
        assert!(world.held.is_empty() && world.core.leases.is_empty() && world.recorded.is_empty());
        let totals = world.core.totals(world.now);
        assert_eq!(totals.items_queued, 0);
    }

    #[test]
    fn the_same_events_give_the_same_effects(steps in prop::collection::vec(step(), 1..60)) {
        let trace = || {
            let mut world = World::new();
            steps.iter().cloned().for_each(|step| world.step(step));
            format!("{:?} {:?}", world.held, world.core)
        };
        assert_eq!(trace(), trace());
    }
}
