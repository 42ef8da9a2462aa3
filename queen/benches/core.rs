//! What the scheduler itself costs: for each chunk, over queued tasks and Drones; for a task, a heartbeat, a tick.
//!
//! Time is the bench's own, so that a second of the world passes as fast as the core can handle it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use queen::core::{
    Ability, Class, Core, Effect, Event, LeaseProgress, RangeSet, Segment, Speed, TaskWork, Time, Timeouts,
};
use wire::ids::{DroneId, LeaseId, TaskId};

const CLASS: Class = Class::SHORT;
/// Compressions per second of one thread.
const RATE: u64 = 10_000_000;
const THREADS: u16 = 4;

/// What the queue is full of.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Tasks whose end no bench sees, whose chunks take 200 ms.
    Large,
    /// One string each, which takes 50 ms.
    Slow,
    /// One string each, of one compression.
    Word,
}

impl Shape {
    fn work(self) -> TaskWork {
        let (items, cost) = match self {
            Self::Large => (1 << 44, 1 << 44),
            Self::Slow => (1, RATE / 20),
            Self::Word => (1, 1),
        };
        TaskWork {
            class: CLASS,
            priority: 0,
            segments: [Segment { items, cost, bytes: 0 }].into(),
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

    /// Thread time of a range.
    fn time(self, items: u64) -> Duration {
        let cost = items * if let Self::Slow = self { RATE / 20 } else { 1 };
        Duration::from_nanos(cost * 1_000_000_000 / RATE)
    }
}

/// A core whose queue and Drones stay full.
struct World {
    core: Core,
    now: Time,
    shape: Shape,
    /// What each Drone holds, in the order in which it came: no more than is needed, since it takes its place in
    /// the caches beside the core.
    held: Vec<VecDeque<(LeaseId, Range<u64>)>>,
    tasks: u64,
    /// Leases so far.
    leased: usize,
    computed: u64,
    effects: Vec<Effect>,
    turn: usize,
    random: u64,
}

impl World {
    /// With so many Drones, all of them idle.
    fn new(shape: Shape, drones: usize) -> Self {
        let core = Core::new(Timeouts { silence: Duration::from_secs(3600), ..Timeouts::default() });
        let held = (0..drones).map(|_| VecDeque::new()).collect();
        let effects = Vec::new();
        let mut world =
            Self { core, now: Time::ZERO, shape, held, tasks: 0, leased: 0, computed: 0, effects, turn: 0, random: 1 };
        for drone in (1..=drones as u64).map(DroneId) {
            let ability = Ability {
                threads: THREADS,
                kinds: BTreeSet::from([CLASS.kind]),
                speeds: BTreeMap::from([(CLASS, Speed { rate: RATE, lanes: 1 })]),
                material: 0,
            };
            world.handle(Event::Join { drone, ability, trusted: true, offers: Vec::new() });
        }
        world
    }

    /// With Drones that hold all they may, and so many tasks of which something is to be leased.
    fn full(shape: Shape, queued: usize, drones: usize) -> Self {
        let mut world = Self::new(shape, drones);
        match shape {
            Shape::Large => (0..queued).for_each(|_| world.submit()),
            Shape::Slow | Shape::Word => {
                let mut leased = None;
                while leased.replace(world.leased) != Some(world.leased) {
                    world.submit();
                }
                (1..queued).for_each(|_| world.submit());
            }
        }
        // Until each lease was given in its turn.
        let leases: usize = world.held.iter().map(VecDeque::len).sum();
        (0..2 * leases).for_each(|_| world.chunk());
        world
    }

    fn submit(&mut self) {
        self.submit_of(self.shape.work());
    }

    fn submit_of(&mut self, work: TaskWork) -> TaskId {
        self.tasks += 1;
        let task = TaskId(self.tasks);
        self.handle(Event::Submit { task, work });
        task
    }

    /// Says how many tasks ended.
    fn handle(&mut self, event: Event) -> usize {
        let mut effects = std::mem::take(&mut self.effects);
        self.core.handle(event, self.now, &mut effects);
        let mut ended = 0;
        for effect in effects.drain(..) {
            match effect {
                Effect::Lease(grant) => {
                    self.leased += 1;
                    self.held[grant.drone.0 as usize - 1].push_back((grant.lease, grant.range));
                }
                Effect::Withdraw { drone, lease, end } => {
                    let held = &mut self.held[drone.0 as usize - 1];
                    held.iter_mut().filter(|(other, _)| *other == lease).for_each(|(_, range)| range.end = end);
                    held.retain(|(_, range)| !range.is_empty());
                }
                Effect::Ended { .. } => ended += 1,
                _ => {}
            }
        }
        self.effects = effects;
        ended
    }

    /// Some Drone outputs its oldest lease; what it was leased instead, and what has to follow, is done.
    fn chunk(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let drone = (self.random % self.held.len() as u64) as usize;
        let Some((lease, range)) = self.held[drone].pop_front() else { panic!("a Drone has nothing") };
        let spent = self.shape.time(range.end - range.start);
        self.now += spent / (u32::from(THREADS) * self.held.len() as u32);
        let ended = self.handle(Event::Output { drone: DroneId(drone as u64 + 1), lease, range, spent });
        (0..ended).for_each(|_| self.submit());
        self.tick();
    }

    fn tick(&mut self) {
        if self.core.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.handle(Event::Tick);
        }
    }

    /// A Drone says that it computes what it holds.
    fn heartbeat(&mut self, drone: DroneId) {
        let held = &self.held[drone.0 as usize - 1];
        let progress =
            held.iter().map(|(lease, range)| LeaseProgress { lease: *lease, reached: range.start, begun: false });
        self.computed += 1;
        self.handle(Event::Heartbeat { drone, progress: progress.collect(), computed: self.computed });
    }
}

const QUEUED: [usize; 3] = [10, 1_000, 100_000];
const DRONES: [usize; 3] = [1, 32, 1_000];

/// An output, the credit for it, and the leases that replace it; of what ends at once, also a new task.
fn chunk(c: &mut Criterion) {
    for shape in [Shape::Large, Shape::Slow, Shape::Word] {
        let mut group = c.benchmark_group(format!("chunk/{shape:?}"));
        for queued in QUEUED {
            // A thousand Drones would hold four million words.
            for drones in DRONES.into_iter().filter(|drones| !matches!(shape, Shape::Word) || *drones <= 32) {
                let mut world = World::full(shape, queued, drones);
                let id = BenchmarkId::new(format!("{queued} tasks"), format!("{drones} drones"));
                group.bench_function(id, |bench| bench.iter(|| world.chunk()));
            }
        }
    }
}

/// One large task on which all Drones work.
fn together(c: &mut Criterion) {
    let mut group = c.benchmark_group("one task");
    for drones in DRONES {
        let mut world = World::full(Shape::Large, 1, drones);
        group.bench_function(format!("{drones} drones"), |bench| bench.iter(|| world.chunk()));
    }
}

/// A one-string task that comes while all are busy, what its submitter is told, and that it is cancelled again.
fn submit(c: &mut Criterion) {
    for shape in [Shape::Large, Shape::Slow] {
        let mut group = c.benchmark_group(format!("submit/{shape:?}"));
        for queued in QUEUED {
            for drones in DRONES {
                let mut world = World::full(shape, queued, drones);
                let id = BenchmarkId::new(format!("{queued} tasks"), format!("{drones} drones"));
                group.bench_function(id, |bench| {
                    bench.iter(|| {
                        let task = world.submit_of(Shape::Word.work());
                        black_box((world.core.task(task, world.now), world.core.waiting(task)));
                        world.handle(Event::Cancel { task });
                    });
                });
            }
        }
    }
}

fn drones(c: &mut Criterion) {
    let mut group = c.benchmark_group("1000 drones");
    let mut bench = |name: &str, mut world: World, step: fn(&mut World)| {
        group.bench_function(name, |bench| bench.iter(|| step(&mut world)));
    };
    bench("heartbeat of a busy one", World::full(Shape::Large, 1_000, 1_000), |world| world.heartbeat(DroneId(500)));
    bench("heartbeat of an idle one", World::new(Shape::Large, 1_000), |world| {
        world.turn += 1;
        world.now += Duration::from_millis(1);
        world.heartbeat(DroneId((world.turn % 1_000) as u64 + 1));
    });
    // A string for each of a hundred, which none of the others would be done with sooner.
    let mut few = World::new(Shape::Slow, 1_000);
    let second = Segment { items: 1, cost: RATE, bytes: 0 };
    for _ in 0..100 {
        few.submit_of(TaskWork { segments: [second].into(), ..Shape::Slow.work() });
    }
    bench("heartbeat of an idle one while 100 work", few, |world| world.heartbeat(DroneId(1_000)));
    bench("tick", World::new(Shape::Large, 1_000), |world| {
        black_box(world.core.next_deadline());
        world.handle(Event::Tick);
    });
    bench("all at a glance", World::full(Shape::Large, 1_000, 1_000), |world| {
        black_box(world.core.totals(world.now));
    });
}

fn config() -> Criterion {
    let short = Duration::from_millis(300);
    Criterion::default().sample_size(20).warm_up_time(short).measurement_time(Duration::from_secs(1)).without_plots()
}

criterion_group! { name = benches; config = config(); targets = chunk, together, submit, drones }
criterion_main!(benches);
