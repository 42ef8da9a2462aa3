//! A machine with one Drone on it: the real session and the real computations, played in
//! simulated time by threads that take turns as those of the real pool do.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use drone::kernel::Kernels;
use drone::pool::{Assignment, Outcome, Report, Standing, Ticket, Urgency, Worked};
use drone::session::{Effect, Message, Session};
use wire::frame::{self, HEADER, MAX_TO_DRONE, MAX_TO_QUEEN};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{Epoch, Instance, SeatSecret, TaskId};
use wire::message::ToDrone;
use wire::work::{Class, Kind};

use super::computing::{Group, Illness, Work, class_of, times};
use super::context::{Context, Fault, Happening};
use super::net::{LinkId, Side};

/// One step of a thread takes about as long.
const STEP: Duration = Duration::from_millis(20);
/// How often a process looks at its timers.
const WAKE: Duration = Duration::from_millis(100);
/// Bytes that may be on their way before the session is asked for more.
const WINDOW: usize = 64 << 10;
/// How long a Drone that leaves waits for receipts.
const RECEIPTS: Duration = Duration::from_secs(5);

pub struct Machine {
    pub index: usize,
    pub threads: usize,
    /// Compressions per second of one thread that computes one item at a time; searches are [`SEARCHES`] times as fast.
    pub rate: u64,
    /// What it says about that.
    pub claim: u64,
    /// How many passwords a thread stretches at once, in the time of one.
    pub lanes: u64,
    pub latency: Duration,
    pub illness: Option<(Illness, Duration)>,
    /// All that was ever wrong with it.
    pub history: Vec<Illness>,
    pub process: Option<Process>,
    pub processes: u64,
    pub kernels: Kernels,
    /// Its Drones, and whether each has died of the poison.
    pub instances: BTreeMap<Instance, bool>,
    pub silence: Duration,
}

pub struct Process {
    pub instance: Instance,
    pub session: Session,
    line: Option<Line>,
    retry: Duration,
    beat: Duration,
    waiting: BTreeMap<Urgency, Work>,
    running: Vec<Option<Running>>,
    compressions: u64,
    /// What leases are about, which only who made the tasks knows.
    marks: BTreeMap<Ticket, Mark>,
    said: Option<Duration>,
    /// Since when something waits that is more urgent than what is computed.
    inverted: Option<Duration>,
}

struct Line {
    link: LinkId,
    buffer: Vec<u8>,
    is_welcome: bool,
    heard: Duration,
}

struct Running {
    work: Work,
    end: u64,
    step: Duration,
}

/// What the world knows of a lease.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    pub poison: Option<u64>,
    pub class: Option<Class>,
}

/// Which task of an epoch kills whom.
pub type Poisons = BTreeMap<(Epoch, TaskId), u64>;

impl Machine {
    pub fn is_ill(&self, now: Duration) -> Option<Illness> {
        self.illness.filter(|(_, until)| now < *until).map(|(illness, _)| illness)
    }

    pub fn boot(&mut self, ctx: &mut Context) {
        if self.process.is_some() {
            return;
        }
        self.processes += 1;
        let instance = Instance(ctx.random.bytes());
        self.instances.insert(instance, false);
        ctx.tell(format_args!("machine {} starts {instance}", self.index));
        self.process = Some(Process {
            instance,
            session: Session::default(),
            line: None,
            retry: ctx.now,
            beat: ctx.now,
            waiting: BTreeMap::new(),
            running: (0..self.threads).map(|_| None).collect(),
            compressions: 0,
            marks: BTreeMap::new(),
            said: None,
            inverted: None,
        });
        self.schedule_wake(ctx, Duration::ZERO);
    }

    /// The process is gone at once; its machine with it if `silently`, so that nobody says so.
    pub fn die(&mut self, ctx: &mut Context, silently: bool) {
        let Some(process) = self.process.take() else { return };
        ctx.tell(format_args!("machine {}: its process dies", self.index));
        if let Some(line) = process.line {
            ctx.close(line.link, Side::Drone, silently);
        }
    }

    fn schedule_wake(&self, ctx: &mut Context, after: Duration) {
        let process = self.processes;
        ctx.queue.push(ctx.now + after, Happening::Wake { machine: self.index, process });
    }

    pub fn link(&self) -> Option<LinkId> {
        Some(self.process.as_ref()?.line.as_ref()?.link)
    }

    /// Looks at the timers.
    pub fn wake(&mut self, ctx: &mut Context, queen_is_up: bool) {
        let is_mute = self.is_ill(ctx.now) == Some(Illness::Mute);
        let Some(process) = &mut self.process else { return };
        match &process.line {
            Some(line) if ctx.now >= line.heard + self.silence => {
                ctx.tell(format_args!("machine {}: the Queen is silent", self.index));
                self.hang_up(ctx);
            }
            None if ctx.now >= process.retry => match queen_is_up {
                true => self.dial(ctx),
                false => process.retry = ctx.now + ctx.random.millis(50..=400),
            },
            _ => {}
        }
        if let Some(process) = &mut self.process {
            if process.line.as_ref().is_some_and(|line| line.is_welcome) && ctx.now >= process.beat {
                process.beat = ctx.now + self.silence / 4;
                let standings = process.standings();
                let worked = Worked { compressions: process.compressions, busy_ns: 0 };
                match is_mute {
                    true => ctx.fault(Fault::Mute),
                    false => process.session.heartbeat(&standings, worked),
                }
            }
            let said_out = process.said.is_some_and(|since| ctx.now >= since + RECEIPTS);
            if process.session.is_leaving() && (process.session.is_over() || said_out || process.line.is_none()) {
                return self.leave(ctx);
            }
            if process.session.is_said() {
                process.said.get_or_insert(ctx.now);
            }
        }
        self.pump(ctx);
        self.schedule_wake(ctx, WAKE);
    }

    fn leave(&mut self, ctx: &mut Context) {
        ctx.tell(format_args!("machine {} leaves", self.index));
        self.pump(ctx);
        self.die(ctx, false);
        let after = ctx.random.millis(100..=3000);
        ctx.queue.push(ctx.now + after, Happening::Boot { machine: self.index });
    }

    fn dial(&mut self, ctx: &mut Context) {
        let Some(process) = &mut self.process else { return };
        let link = ctx.net.open(self.index, self.latency);
        process.line = Some(Line { link, buffer: Vec::new(), is_welcome: false, heard: ctx.now });
        let rate = |class| {
            let lanes = if class == Class::PBKDF2 { self.lanes } else { 1 };
            let compressions_per_second = self.claim * lanes * times(class);
            Rate { class, compressions_per_second, lanes: lanes as u16, kernel: "simulated" }
        };
        let hello = FromDrone::Hello {
            name: "drone",
            software: "simulation",
            seat: seat_of(process.instance),
            threads: self.threads as u16,
            kinds: vec![Kind::DIGEST, Kind::SEARCH].into(),
            rates: Class::ALL.map(rate).to_vec().into(),
            material: 0,
            nonce: [0; 32],
        };
        let mut bytes = Vec::new();
        frame::encode(&hello, MAX_TO_DRONE, &mut bytes).unwrap();
        ctx.tell(format_args!("machine {} dials as link {link}", self.index));
        ctx.send(link, Side::Queen, &bytes);
    }

    fn hang_up(&mut self, ctx: &mut Context) {
        if let Some(link) = self.link() {
            let silently = ctx.random.chance(200);
            ctx.close(link, Side::Drone, silently);
        }
        self.is_cut_off(ctx);
    }

    /// The connection is gone.
    pub fn is_cut_off(&mut self, ctx: &mut Context) {
        let Some(process) = &mut self.process else { return };
        process.line = None;
        let kept = process.session.kept_bytes();
        process.session.disconnected();
        // Only what was given back, or has failed, is worth nothing without its connection.
        let has_failed = self.history.iter().any(|illness| matches!(illness, Illness::Failing(_)));
        assert!(
            has_failed || process.session.is_leaving() || process.session.kept_bytes() == kept,
            "results are dropped"
        );
        process.retry = ctx.now + ctx.random.millis(10..=600);
    }

    pub fn drain(&mut self, ctx: &mut Context) {
        let Some(process) = &mut self.process else { return };
        let mut effects = Vec::new();
        process.session.drain(&mut effects);
        self.perform(ctx, effects, &[]);
        self.pump(ctx);
    }

    /// Bytes from the Queen.
    pub fn hear(&mut self, ctx: &mut Context, piece: &[u8], poisons: &Poisons) {
        let Some(line) = self.process.as_mut().and_then(|process| process.line.as_mut()) else { return };
        line.buffer.extend_from_slice(piece);
        line.heard = ctx.now;
        while let Some(body) =
            next_frame(self.process.as_mut().and_then(|process| process.line.as_mut()).map(|line| &mut line.buffer))
        {
            self.hear_frame(ctx, &Bytes::from(body), poisons);
        }
        self.pump(ctx);
    }

    fn hear_frame(&mut self, ctx: &mut Context, body: &Bytes, poisons: &Poisons) {
        let is_deaf = self.is_ill(ctx.now) == Some(Illness::DeafSession);
        let Some(process) = &mut self.process else { return };
        let Some(line) = &mut process.line else { return };
        if !line.is_welcome {
            match frame::decode(body).unwrap() {
                FromQueen::Welcome { epoch, .. } => {
                    line.is_welcome = true;
                    process.beat = ctx.now;
                    process.session.connected(epoch);
                }
                other => panic!("a welcome, not {other:?}"),
            }
            return;
        }
        let message: ToDrone<'_> = frame::decode(body).unwrap();
        let mut marks = Vec::new();
        match &message {
            ToDrone::Goodbye { .. } => return self.hang_up(ctx),
            ToDrone::Work { .. } if is_deaf => return ctx.fault(Fault::DeafSession),
            ToDrone::Work { leases } => {
                marks.extend(leases.0.iter().map(|lease| {
                    let poison = poisons.get(&(lease.epoch, lease.task)).copied();
                    Mark { poison, class: Some(class_of(&lease.chunk)) }
                }));
            }
            ToDrone::Adopted { leases } => {
                let taken = leases.0.iter().flatten().count();
                (0..taken).for_each(|_| ctx.fault(Fault::Readopted));
            }
            _ => {}
        }
        let mut effects = Vec::new();
        if let Err(violation) = process.session.hear(body, &message, &mut effects) {
            panic!("machine {} says that the Queen broke the protocol: {violation}", self.index);
        }
        self.perform(ctx, effects, &marks);
    }

    fn perform(&mut self, ctx: &mut Context, effects: Vec<Effect>, marks: &[Mark]) {
        let mut marks = marks.iter();
        for effect in effects {
            let Some(process) = &mut self.process else { return };
            match effect {
                Effect::Start { assignment, .. } => {
                    let mark = marks.next().copied().unwrap_or_default();
                    process.marks.insert(assignment.urgency.ticket, mark);
                    process.add(assignment, if mark.class == Some(Class::PBKDF2) { self.lanes } else { 1 });
                    for thread in 0..self.threads {
                        self.begin_step(ctx, thread);
                    }
                }
                Effect::Shrink { urgency, end } => process.shrink(urgency, end),
                Effect::Recall => {
                    let tickets = process.recall();
                    let mut effects = Vec::new();
                    process.session.hand_back(tickets, &mut effects);
                    self.perform(ctx, effects, &[]);
                }
                Effect::Failed { .. } => drop(marks.next()),
                Effect::Ended { ticket, .. } => drop(process.marks.remove(&ticket)),
                Effect::Results(_) | Effect::Adopted { .. } => {}
            }
        }
    }

    /// Sends what there is to say, as far as the connection takes it.
    pub fn pump(&mut self, ctx: &mut Context) {
        let Some(process) = &mut self.process else { return };
        let Some(line) = process.line.as_ref().filter(|line| line.is_welcome) else { return };
        while ctx.net.in_flight(line.link, Side::Queen) < WINDOW {
            let Some(message) = process.session.next_message() else { return };
            let mut bytes = Vec::new();
            frame::encode(&message.to_wire(), MAX_TO_QUEEN, &mut bytes).unwrap();
            match &message {
                Message::Outputs(parts) => {
                    let parts: Vec<_> = parts.iter().map(|(key, part)| (key.lease, part.from, part.to())).collect();
                    ctx.tell(format_args!("machine {} says {parts:?}", self.index));
                }
                Message::Other(say) => ctx.tell(format_args!("machine {} says {say:?}", self.index)),
            }
            ctx.send(line.link, Side::Queen, &bytes);
        }
    }

    /// An idle thread takes the most urgent lease and does its first step.
    fn begin_step(&mut self, ctx: &mut Context, thread: usize) {
        let (illness, rate) = (self.is_ill(ctx.now), self.rate);
        let Some(process) = &mut self.process else { return };
        if process.running[thread].is_none() {
            let Some((_, work)) = process.waiting.pop_first() else { return };
            let end = work.from + work.job.total();
            process.running[thread] = Some(Running { work, end, step: Duration::ZERO });
            self.step(ctx, thread, illness, rate);
        }
    }

    fn step(&mut self, ctx: &mut Context, thread: usize, illness: Option<Illness>, rate: u64) {
        let Some(process) = &mut self.process else { return };
        let Some(running) = &mut process.running[thread] else { return };
        if illness == Some(Illness::DeafThreads) {
            ctx.fault(Fault::DeafThreads);
            running.step = Duration::ZERO;
            return self.schedule_step(ctx, thread, Duration::from_millis(500));
        }
        let class = process.marks.get(&running.work.urgency.ticket).and_then(|mark| mark.class);
        let rate = rate * class.map_or(1, times);
        let rate = if illness == Some(Illness::Slow) { rate / 10 } else { rate }.max(1);
        let budget = (u128::from(rate) * STEP.as_nanos() / 1_000_000_000).max(1) as u64;
        let at_once = running.work.group().items;
        let taken = running.work.job.step(&self.kernels, budget * at_once);
        running.step = Duration::from_nanos(taken.max(1) * 1_000_000_000 / at_once / rate);
        process.compressions += taken;
        let after = running.step;
        self.schedule_step(ctx, thread, after);
    }

    fn schedule_step(&self, ctx: &mut Context, thread: usize, after: Duration) {
        let process = self.processes;
        ctx.queue.push(ctx.now + after, Happening::Step { machine: self.index, process, thread });
    }

    /// A step is over. True if it killed the process.
    pub fn end_step(&mut self, ctx: &mut Context, thread: usize) -> bool {
        let (illness, rate) = (self.is_ill(ctx.now), self.rate);
        let Some(process) = &mut self.process else { return false };
        let Some(mut running) = process.running[thread].take() else { return false };
        running.work.spent += running.step;
        let work = &mut running.work;
        let mark = process.marks.get(&work.urgency.ticket).copied().unwrap_or_default();
        work.job.shrink(running.end.saturating_sub(work.from));
        let reached = work.reached();
        if mark.poison.is_some_and(|poison| (work.from + work.reported..reached).contains(&poison)) {
            ctx.fault(Fault::Poison);
            self.instances.insert(process.instance, true);
            return true;
        }
        let mut report = None;
        let is_due = work.spent >= Duration::from_nanos(work.job.part_ns()) || work.job.is_urgent();
        if work.is_between_groups() && work.has_unreported() && (work.job.is_finished() || is_due) {
            report = Some(work.report(ctx, illness));
        }
        let has_failed = matches!(report, Some(Report { outcome: Outcome::Failed { .. }, .. }));
        if !work.job.is_finished() && !has_failed {
            let is_least = process.running.iter().flatten().all(|other| other.work.urgency < running.work.urgency);
            let yields = is_least && process.waiting.keys().next().is_some_and(|first| *first < running.work.urgency);
            match yields {
                true => {
                    ctx.fault(Fault::Preempted);
                    process.waiting.insert(running.work.urgency, running.work);
                }
                false => process.running[thread] = Some(running),
            }
        }
        if let Some(report) = report {
            assert!(process.session.takes_reports());
            let mut effects = Vec::new();
            process.session.report(report, &mut effects);
            self.perform(ctx, effects, &[]);
        }
        match self.process.as_ref().is_some_and(|process| process.running[thread].is_some()) {
            true => self.step(ctx, thread, illness, rate),
            false => self.begin_step(ctx, thread),
        }
        self.pump(ctx);
        self.check_order(ctx.now);
        false
    }

    /// Nothing is computed for longer than a step while something more urgent waits.
    fn check_order(&mut self, now: Duration) {
        let Some(process) = &mut self.process else { return };
        let running = process.running.iter().flatten();
        let least = running.clone().map(|running| running.work.urgency).max();
        let longest = running.map(|running| running.step.max(Duration::from_millis(500))).max().unwrap_or_default();
        match process.waiting.keys().next() {
            Some(first) if least.is_some_and(|least| *first < least) => {
                let since = *process.inverted.get_or_insert(now);
                assert!(
                    now <= since + (self.threads as u32 + 1) * longest,
                    "machine {} computes what is less urgent",
                    self.index
                );
            }
            _ => process.inverted = None,
        }
    }
}

impl Process {
    fn add(&mut self, assignment: Assignment, lanes: u64) {
        let Assignment { urgency, from, job } = assignment;
        let work = Work { urgency, from, job, reported: 0, spent: Duration::ZERO, lanes, group: Group::default() };
        assert!(self.waiting.insert(urgency, work).is_none(), "a ticket is given once");
    }

    fn shrink(&mut self, urgency: Urgency, end: u64) {
        if let Some(work) = self.waiting.get_mut(&urgency) {
            work.job.shrink(end.saturating_sub(work.from));
            if work.job.is_finished() && !work.has_unreported() {
                self.waiting.remove(&urgency);
            }
        }
        for running in self.running.iter_mut().flatten().filter(|running| running.work.urgency == urgency) {
            running.end = running.end.min(end);
        }
    }

    fn recall(&mut self) -> Vec<Ticket> {
        self.waiting.extract_if(.., |_, work| !work.is_begun()).map(|(urgency, _)| urgency.ticket).collect()
    }

    fn standings(&self) -> Vec<Standing> {
        let waiting = self.waiting.values().map(|work| (work, work.is_begun()));
        let running = self.running.iter().flatten().map(|running| (&running.work, true));
        let standing =
            |(work, begun): (&Work, bool)| Standing { ticket: work.urgency.ticket, reached: work.reached(), begun };
        waiting.chain(running).map(standing).collect()
    }

    /// Whether nothing is left of any work.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.iter().all(Option::is_none)
    }
}

/// In a world every process is known by its instance.
fn seat_of(instance: Instance) -> SeatSecret {
    let mut seat = [0; 32];
    seat[..16].copy_from_slice(&instance.0);
    SeatSecret(seat)
}

/// Takes the body of the first frame out of `buffer`, once all of it is there.
pub fn next_frame(buffer: Option<&mut Vec<u8>>) -> Option<Vec<u8>> {
    let buffer = buffer?;
    let length = HEADER + frame::body_len(buffer, MAX_TO_DRONE).unwrap()?;
    if buffer.len() < length {
        return None;
    }
    let rest = buffer.split_off(length);
    let mut whole = std::mem::replace(buffer, rest);
    Some(whole.split_off(HEADER))
}
