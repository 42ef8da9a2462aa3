//! A world: machines, a network, a Queen who may die, clients, and a plan of what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use drone::kernel::{Kernel, Kernels};
use wire::ids::{DroneId, TaskId};

use super::book::Book;
use super::computing::{Illness, SEARCHES};
use super::context::{Context, Fault, Happening};
use super::drone::{Machine, Poisons};
use super::journal::Disk;
use super::net::{LinkId, Side};
use super::plan::Action;
use super::queen::Queen;
use super::random::Random;
use super::work::{Method, Spec};
use crate::core::{Distrust, Outcome, Timeouts};

/// A task as its client knows it.
pub struct Wish {
    pub spec: Rc<Spec>,
    pub acknowledged: bool,
    pub cancelled: bool,
    pub inputs_unavailable: bool,
}

pub struct World {
    pub ctx: Context,
    pub machines: Vec<Machine>,
    pub queen: Option<Queen>,
    pub disk: Disk,
    pub timeouts: Timeouts,
    lives: u64,
    /// By serial.
    pub wishes: BTreeMap<u64, Wish>,
    capacity: u64,
    /// When everything that goes wrong is over.
    pub horizon: Duration,
    healed: bool,
    /// Until when all must be done.
    limit: Duration,
    poisons: Poisons,
    /// Who was ever lost.
    pub lost: BTreeSet<DroneId>,
    /// Who was caught lying.
    pub liars: BTreeSet<DroneId>,
    /// Some of its tasks have each item computed twice.
    pub verifies: bool,
    /// There are many searches, and many Drones whose marks are wrong.
    pub is_searching: bool,
    /// Nobody comes any more.
    is_closing: bool,
    /// Who was distrusted at this Queen, with why the core did, if it did.
    distrusted: Vec<(DroneId, Option<Distrust>)>,
    /// How tasks ended last, by serial.
    pub outcomes: BTreeMap<u64, Outcome>,
}

/// In one of so many worlds there are tasks of which each item is computed twice.
const VERIFIES: u64 = 4;

/// In one of so many worlds there are mostly searches.
const SEARCHING: u64 = 4;

/// What a world was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub events: u64,
    pub trace: u64,
    pub faults: BTreeMap<Fault, u64>,
    pub lasted: Duration,
}

/// Runs the world of this seed to its end; panics if something is not as it must be.
pub fn run(seed: u64, is_told: bool) -> Report {
    let mut world = World::random(seed, is_told);
    world.run_until(World::is_over);
    world.check_end();
    world.say_goodbye();
    let World { ctx, .. } = world;
    Report { events: ctx.events, trace: ctx.trace, faults: ctx.faults, lasted: ctx.now }
}

impl World {
    /// With nobody and nothing in it.
    pub fn new(seed: u64, is_told: bool, timeouts: Timeouts) -> Self {
        let mut ctx = Context::new(seed, is_told);
        ctx.queue.push(Duration::ZERO, Happening::Start);
        Self {
            ctx,
            machines: Vec::new(),
            queen: None,
            disk: Disk::new(),
            timeouts,
            lives: 0,
            wishes: BTreeMap::new(),
            capacity: 1,
            horizon: Duration::MAX,
            healed: false,
            limit: Duration::MAX,
            poisons: Poisons::new(),
            lost: BTreeSet::new(),
            liars: BTreeSet::new(),
            verifies: false,
            is_searching: false,
            is_closing: false,
            distrusted: Vec::new(),
            outcomes: BTreeMap::new(),
        }
    }

    fn random(seed: u64, is_told: bool) -> Self {
        let mut chance = Random::new(!seed);
        let silence = chance.millis(1500..=4000);
        let timeouts = Timeouts { silence, grace: silence * 3 / 2, retry: silence * 2 };
        let mut world = Self::new(seed, is_told, timeouts);
        for _ in 0..chance.within(1..=5) {
            let rate = chance.pick(&[60, 200, 400, 800]);
            let claim = chance.pick(&[rate, rate, rate, rate / 2, rate * 2]);
            let machine = world.add_machine(chance.within(1..=3) as usize, rate, claim, chance.micros(100..=40_000));
            world.machines[machine].lanes = chance.pick(&[1, 1, 4, 16]);
        }
        world.verifies = seed % VERIFIES == 1;
        world.is_searching = seed % SEARCHING == 2;
        world.plan(&mut chance);
        world
    }

    pub fn add_machine(&mut self, threads: usize, rate: u64, claim: u64, latency: Duration) -> usize {
        let index = self.machines.len();
        self.machines.push(Machine {
            index,
            threads,
            rate,
            claim,
            lanes: 1,
            latency,
            illness: None,
            history: Vec::new(),
            process: None,
            processes: 0,
            kernels: Kernels::only(Kernel::PORTABLE),
            instances: BTreeMap::new(),
            silence: self.timeouts.silence,
        });
        self.capacity += threads as u64 * rate;
        let after = self.ctx.random.millis(0..=800);
        self.ctx.queue.push(self.ctx.now + after, Happening::Boot { machine: index });
        index
    }

    pub fn run_until(&mut self, is_over: impl Fn(&Self) -> bool) {
        while !is_over(self) {
            self.step();
        }
    }

    pub fn step(&mut self) {
        let (at, happening) = self.ctx.queue.pop().expect("something is always due");
        self.ctx.now = self.ctx.now.max(at);
        self.ctx.events += 1;
        match happening {
            Happening::Deliver { link, side: Side::Queen } => self.deliver_to_queen(link),
            Happening::Deliver { link, side: Side::Drone } => {
                if let Some(piece) = self.ctx.arrival(link, Side::Drone)
                    && let Some(machine) = self.machine_of(link)
                {
                    self.machines[machine].hear(&mut self.ctx, &piece, &self.poisons);
                }
            }
            Happening::Notice { link, side: Side::Queen } => self.notice_queen(link),
            Happening::Notice { link, side: Side::Drone } => {
                if let Some(machine) = self.machine_of(link) {
                    self.ctx.tell(format_args!("machine {machine} learns that link {link} is gone"));
                    self.ctx.close(link, Side::Drone, true);
                    self.machines[machine].is_cut_off(&mut self.ctx);
                }
            }
            Happening::Wake { machine, process } => {
                if self.is_process(machine, process) {
                    let is_up = self.queen.is_some();
                    self.machines[machine].wake(&mut self.ctx, is_up);
                }
            }
            Happening::Step { machine, process, thread } => {
                if self.is_process(machine, process) && self.machines[machine].end_step(&mut self.ctx, thread) {
                    self.crash_machine(machine, false);
                }
            }
            Happening::Boot { .. } if self.is_closing => {}
            Happening::Boot { machine } => self.machines[machine].boot(&mut self.ctx),
            Happening::Act(action) => self.act(action),
            Happening::Start => self.start_queen(),
            Happening::Tick { life } => self.queen_happens(life, happening),
            Happening::Look { life } => self.queen_happens(life, happening),
            Happening::Commit { life } | Happening::Request { life, .. } => self.queen_happens(life, happening),
        }
        self.hear_of_queen();
    }

    fn machine_of(&self, link: LinkId) -> Option<usize> {
        self.machines.iter().position(|machine| machine.link() == Some(link))
    }

    fn is_process(&self, machine: usize, process: u64) -> bool {
        let machine = &self.machines[machine];
        machine.processes == process && machine.process.is_some()
    }

    fn deliver_to_queen(&mut self, link: LinkId) {
        let Some(queen) = &mut self.queen else { return drop(self.ctx.arrival(link, Side::Queen)) };
        if let Some(until) = queen.stalled {
            return self.ctx.queue.push(until, Happening::Deliver { link, side: Side::Queen });
        }
        if let Some(piece) = self.ctx.arrival(link, Side::Queen) {
            queen.hear(&mut self.ctx, link, &piece);
        }
        if let Some(machine) = self.machine_of(link) {
            self.machines[machine].pump(&mut self.ctx);
        }
    }

    fn notice_queen(&mut self, link: LinkId) {
        let Some(queen) = &mut self.queen else { return };
        match queen.stalled {
            Some(until) => self.ctx.queue.push(until, Happening::Notice { link, side: Side::Queen }),
            None => queen.gone(&mut self.ctx, link),
        }
    }

    fn queen_happens(&mut self, life: u64, happening: Happening) {
        let Some(queen) = self.queen.as_mut().filter(|queen| queen.life == life) else { return };
        if let Some(until) = queen.stalled {
            return self.ctx.queue.push(until, happening);
        }
        match happening {
            Happening::Tick { .. } => queen.tick(&mut self.ctx),
            Happening::Look { .. } => {
                queen.look(&mut self.ctx);
                let next = self.ctx.now + super::queen::LOOK;
                self.ctx.queue.push(next, happening);
            }
            Happening::Request { number, .. } => queen.carry_out(&mut self.ctx, number),
            _ => queen.committed(&mut self.ctx, &mut self.disk),
        }
    }

    fn start_queen(&mut self) {
        if self.queen.is_some() {
            return;
        }
        self.lives += 1;
        self.distrusted.clear();
        let queen = Queen::start(&mut self.ctx, &mut self.disk, self.lives, self.timeouts);
        let queen = self.queen.insert(queen);
        // Clients whose submissions were not acknowledged try again, or have lost interest.
        for wish in self.wishes.values_mut().filter(|wish| !wish.acknowledged) {
            let is_there = queen.book.tasks.values().any(|kept| kept.spec.serial == wish.spec.serial);
            if is_there {
                wish.acknowledged = true;
            } else if self.ctx.random.chance(700) {
                queen.submit(&mut self.ctx, &wish.spec);
            }
        }
    }

    fn crash_machine(&mut self, machine: usize, silently: bool) {
        self.machines[machine].die(&mut self.ctx, silently);
        let after = self.ctx.random.millis(50..=4000);
        self.ctx.queue.push(self.ctx.now + after, Happening::Boot { machine });
    }

    /// What the Queen did that others hear of.
    fn hear_of_queen(&mut self) {
        let Some(queen) = &mut self.queen else { return };
        for serial in queen.clients.acknowledged.drain(..) {
            self.wishes.get_mut(&serial).into_iter().for_each(|wish| wish.acknowledged = true);
        }
        self.poisons.append(&mut queen.poisons);
        self.lost.append(&mut queen.model.lost);
        for (task, outcome) in queen.model.ended.drain(..) {
            // What is computed again ends again, and so does what nobody sees.
            if let Some(kept) = queen.book.tasks.get(&task)
                && !queen.reworked.remove(&task)
            {
                self.outcomes.insert(kept.spec.serial, outcome);
            }
        }
        let distrusted = std::mem::take(&mut queen.model.distrusted);
        let Some(queen) = &self.queen else { return };
        for (drone, why) in distrusted {
            let machine = machine_of(&self.machines, &queen.book, drone);
            let history = &self.machines[machine].history;
            self.ctx.tell(format_args!("Drone {drone} of machine {machine} is distrusted: {why:?}"));
            assert!(!history.is_empty(), "an honest Drone is distrusted: {why:?}");
            match why {
                Some(_) => {
                    if self.ctx.random.chance(700) {
                        let after = self.ctx.random.millis(100..=4000);
                        self.ctx.queue.push(self.ctx.now + after, Happening::Act(Action::Pardon));
                    }
                }
                None => {
                    assert!(history.iter().any(Illness::gives_wrong), "Drone {drone} gave nothing wrong: {history:?}");
                    self.ctx.fault(Fault::WrongFound);
                    self.liars.insert(drone);
                }
            }
            self.distrusted.push((drone, why));
        }
    }

    pub fn submit(&mut self, spec: Spec) {
        let spec = Rc::new(spec);
        let wish = Wish { spec: spec.clone(), acknowledged: false, cancelled: false, inputs_unavailable: false };
        self.wishes.insert(spec.serial, wish);
        self.disk.specs.insert(spec.serial, Rc::clone(&spec));
        if let Some(queen) = &mut self.queen {
            queen.submit(&mut self.ctx, &spec);
        }
    }

    pub fn next_serial(&self) -> u64 {
        self.wishes.len() as u64 + 1
    }

    fn random_spec(&mut self) -> Spec {
        let (serial, capacity) = (self.next_serial(), self.capacity);
        let mut spec = Spec::random(serial, &mut self.ctx.random, capacity);
        spec.twice = self.verifies && self.ctx.random.chance(500);
        if self.ctx.random.chance(100) {
            spec.deadline = Some(self.ctx.random.within(1..=8) as u32);
        }
        spec
    }

    fn act(&mut self, action: Action) {
        if self.healed && !matches!(action, Action::Resume(_)) {
            return;
        }
        self.ctx.tell(format_args!("now: {action:?}"));
        let machine = self.ctx.random.index(self.machines.len());
        match action {
            Action::Submit => {
                let spec = self.random_spec();
                let batch = self.ctx.random.chance(200);
                self.submit(Spec { batch, ..spec });
            }
            Action::SubmitSearch => {
                let (serial, capacity) = (self.next_serial(), self.capacity * SEARCHES);
                let spec = Spec::random_search(serial, &mut self.ctx.random, capacity);
                self.submit(spec);
            }
            Action::SubmitPoison => {
                let spec = self.random_spec();
                let poison = self.ctx.random.within(0..=spec.total() - 1);
                let batch = self.ctx.random.chance(300);
                self.submit(Spec { poison: Some(poison), deadline: None, batch, ..spec });
            }
            Action::SubmitImpossible => {
                self.ctx.fault(Fault::Impossible);
                let spec = self.random_spec();
                // Who fails on more of a batch is taken for what is wrong.
                let batch = spec.total() <= 2 && self.ctx.random.chance(500);
                self.submit(Spec { method: Method::Impossible, deadline: None, batch, ..spec });
            }
            Action::Crash { silently } => {
                self.ctx.fault(if silently { Fault::DroneVanishes } else { Fault::DroneCrash });
                self.crash_machine(machine, silently);
            }
            Action::Break { half_open } => self.break_link(machine, half_open),
            Action::Partition { both_ways } => self.partition(machine, both_ways),
            Action::Ill(illness) => {
                let until = match illness {
                    Illness::DeafSession | Illness::DeafThreads => self.horizon,
                    _ => self.ctx.now + self.ctx.random.millis(500..=8000),
                };
                if illness == Illness::Slow {
                    self.ctx.fault(Fault::Slow);
                } else {
                    self.machines[machine].history.push(illness);
                }
                self.machines[machine].illness = Some((illness, until));
            }
            Action::Drain => {
                self.ctx.fault(Fault::Drain);
                self.machines[machine].drain(&mut self.ctx);
            }
            Action::QueenCrash => self.crash_queen(),
            Action::Heal => self.heal(),
            other => self.act_on_queen(other),
        }
    }

    fn break_link(&mut self, machine: usize, half_open: bool) {
        let Some(link) = self.machines[machine].link() else { return };
        self.ctx.fault(if half_open { Fault::HalfOpen } else { Fault::Break });
        let mut notices = [(); 2].map(|()| Some(self.ctx.random.millis(0..=1500)));
        if half_open {
            notices[self.ctx.random.index(2)] = None;
        }
        self.ctx.break_link(link, notices);
    }

    fn partition(&mut self, machine: usize, both_ways: bool) {
        self.ctx.fault(if both_ways { Fault::PartitionTwoWay } else { Fault::PartitionOneWay });
        let until = self.ctx.now + self.ctx.random.millis(100..=9000);
        let side = self.ctx.random.pick(&[Side::Queen, Side::Drone]);
        self.ctx.net.block(machine, side, until);
        if both_ways {
            self.ctx.net.block(machine, side.other(), until);
        }
    }

    fn crash_queen(&mut self) {
        if let Some(queen) = self.queen.take() {
            self.ctx.fault(Fault::QueenCrash);
            queen.crash(&mut self.ctx, &mut self.disk);
            let after = self.ctx.random.millis(20..=4000);
            self.ctx.queue.push(self.ctx.now + after, Happening::Start);
        }
    }

    fn act_on_queen(&mut self, action: Action) {
        let Some(queen) = self.queen.as_mut().filter(|queen| queen.stalled.is_none()) else {
            if let (Action::Awake, Some(queen)) = (action, &mut self.queen) {
                queen.awake(&mut self.ctx);
            }
            return;
        };
        let ctx = &mut self.ctx;
        let task = queen.any_task(ctx);
        match action {
            Action::Stall => {
                ctx.fault(Fault::QueenStall);
                let until = ctx.now + ctx.random.millis(200..=5000);
                queen.stalled = Some(until);
                ctx.queue.push(until, Happening::Act(Action::Awake));
            }
            Action::SlowDisk => {
                ctx.fault(Fault::SlowDisk);
                queen.slow_disk = ctx.random.millis(100..=1500);
            }
            Action::Stale => queen.hear_stale(ctx),
            Action::Pardon => queen.pardon(ctx, &self.distrusted),
            Action::DrainByQueen => queen.drain_one(ctx),
            Action::Cancel => {
                if let Some(task) = task {
                    ctx.fault(Fault::Cancel);
                    let serial = queen.book.tasks[&task].spec.serial;
                    self.wishes.get_mut(&serial).into_iter().for_each(|wish| wish.cancelled = true);
                    queen.cancel(ctx, task);
                }
            }
            Action::DamageInputs => {
                if let Some(task) = task {
                    ctx.fault(Fault::DamageInputs);
                    let serial = queen.book.tasks[&task].spec.serial;
                    self.wishes.get_mut(&serial).into_iter().for_each(|wish| wish.inputs_unavailable = true);
                    queen.spoil(ctx, task);
                }
            }
            Action::Pause => {
                if let Some(task) = task {
                    ctx.fault(Fault::Pause);
                    queen.pause(ctx, task, true);
                    let until = ctx.now + ctx.random.millis(100..=6000);
                    ctx.queue.push(until, Happening::Act(Action::Resume(task.0)));
                }
            }
            Action::Resume(task) => queen.pause(ctx, TaskId(task), false),
            Action::Priority => {
                if let Some(task) = task {
                    ctx.fault(Fault::Priority);
                    let priority = ctx.random.within(0..=4) as i8 - 2;
                    queen.set_priority(ctx, task, priority);
                }
            }
            _ => {}
        }
    }

    /// Nothing goes wrong from now on, and one more machine comes that nothing is wrong with.
    fn heal(&mut self) {
        self.healed = true;
        self.ctx.net.heal();
        self.start_queen();
        self.machines.iter_mut().for_each(|machine| machine.illness = None);
        let threads = self.ctx.random.within(1..=2) as usize;
        self.add_machine(threads, 600, 600, Duration::from_millis(2));
        let Some(queen) = &mut self.queen else { return };
        queen.slow_disk = Duration::ZERO;
        if queen.stalled.is_some() {
            queen.awake(&mut self.ctx);
        }
        let paused = queen.book.tasks.iter().filter(|(_, kept)| kept.is_paused && kept.ended.is_none());
        for task in paused.map(|(task, _)| *task).collect::<Vec<_>>() {
            queen.pause(&mut self.ctx, task, false);
        }
        // What is computed twice is done when the slower one of two has done it.
        let slowest = self.machines.iter().map(|machine| machine.rate).min().unwrap_or(1);
        let rate = |spec: &Spec| if spec.twice { slowest } else { 600 * threads as u64 } as f64;
        let seconds = |wish: &Wish| wish.spec.cost() as f64 / rate(&wish.spec);
        let work = Duration::from_secs_f64(self.wishes.values().map(seconds).sum());
        self.limit = self.ctx.now + 60 * self.timeouts.silence + 2 * work;
    }

    fn is_over(&self) -> bool {
        let is_done = |queen: &Queen| queen.is_idle() && queen.state.core.next_deadline().is_some();
        let is_idle = |machine: &Machine| {
            machine.process.as_ref().is_some_and(|process| process.session.is_empty() && process.is_idle())
        };
        let is_over = self.healed
            && self.ctx.events >= 1000
            && self.queen.as_ref().is_some_and(is_done)
            && self.machines.iter().all(is_idle);
        assert!(is_over || self.ctx.now < self.limit, "it does not end: {}", self.rest());
        is_over
    }

    /// What is not done when it should be.
    fn rest(&self) -> String {
        let Some(queen) = &self.queen else { return "there is no Queen".to_owned() };
        let open = queen.model.live.iter().map(|(task, live)| {
            let (done, total) = (live.done.len(), live.total());
            format!("task {task} has {done} of {total}, {:?}", queen.state.core.waiting(*task))
        });
        let busy = self.machines.iter().map(|machine| {
            let process = machine.process.as_ref();
            format!("machine {} holds {:?}", machine.index, process.map(|process| process.session.len()))
        });
        let asked = format!("{} requests, journal empty: {}", queen.requests.len(), queen.journal.is_empty());
        open.chain(busy).chain([asked]).collect::<Vec<_>>().join("; ")
    }

    /// All Drones leave; nothing remains of all that was.
    fn say_goodbye(&mut self) {
        self.is_closing = true;
        for machine in 0..self.machines.len() {
            assert_eq!(self.machines[machine].process.as_ref().map(|process| process.session.kept_bytes()), Some(0));
            self.machines[machine].die(&mut self.ctx, false);
        }
        let until = self.ctx.now + 4 * self.timeouts.silence + 2 * self.timeouts.grace;
        while self.ctx.now < until {
            self.step();
        }
        if let Some(queen) = &mut self.queen {
            // What need not be written is written with something else.
            queen.durably(&mut self.ctx, None, None, |_, _| ());
        }
        self.run_until(|world| world.queen.as_ref().is_some_and(|queen| queen.journal.is_empty()));
        let queen = self.queen.as_ref().expect("there is a Queen");
        let core = format!("{:?}", queen.state.core);
        let empty = [
            "drones: Ledger { pages: {}",
            "leases: Ledger { pages: {}",
            "isolated: {}",
            "by_room: {}",
            "by_deadline: {}",
            "by_finish: {}",
            "unrecorded: []",
            "by_task: {}",
            "by_time: {}",
            "threads: 0",
            "isolated: 0",
            "items: 0",
            "tasks: Ledger { pages: {}",
        ];
        empty.iter().for_each(|empty| assert!(core.contains(empty), "{empty} of {core}"));
        let leases = queen.reader.leases().unwrap();
        assert!(leases.is_empty() && queen.book.leases.is_empty(), "{leases:?} remain");
        assert!(queen.lines.is_empty() && queen.clients.is_empty(), "connections or clients remain");
        assert_eq!(queen.state.budget.used(), 0, "what was taken of memory is given back");
    }
}

/// On which machine a Drone is.
pub fn machine_of(machines: &[Machine], book: &Book, drone: DroneId) -> usize {
    let is_it = |machine: &&Machine| machine.instances.keys().any(|it| book.drones.get(it) == Some(&drone));
    machines.iter().find(is_it).map(|machine| machine.index).expect("each Drone is on a machine")
}
