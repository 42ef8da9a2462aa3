//! What stands around the core: connections, the state, the journal.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use queen::core::{self, Ability, Blame, Core, Distrust, Effect, Event, Grant, Outcome, Speed, Timeouts};
use wire::blob::BlobBuf;
use wire::frame::{self, MAX_TO_DRONE};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{DroneId, Epoch, Instance, TaskId};
use wire::message::{Adoption, Lease, Offered, ToDrone, ToQueen};

use crate::context::{Context, Fault, Happening};
use crate::drone::{Poisons, next_frame};
use crate::model::Model;
use crate::net::{LinkId, Side};
use crate::state::{Found, Record, State};

/// A connection has this long until its Drone has offered what it has.
pub const INTRODUCTION: Duration = Duration::from_secs(4);
pub const LOOK: Duration = Duration::from_millis(500);

/// A running Queen.
pub struct Queen {
    /// Which one in this world.
    pub life: u64,
    pub core: Core,
    pub epoch: Epoch,
    pub started: Duration,
    pub state: State,
    pub lines: BTreeMap<LinkId, Line>,
    /// The connection of each Drone.
    pub current: BTreeMap<DroneId, LinkId>,
    pub journal: Journal,
    pub model: Model,
    /// When a tick is due.
    tick: Option<Duration>,
    /// Whether the core is told of a lost connection when the Drone is back on another one already.
    says_lost: bool,
    pub next_task: u64,
    next_drone: u64,
    /// What was computed once of tasks of which each item is computed twice.
    pub claims: BTreeMap<TaskId, BTreeMap<u64, Found>>,
    /// A stalled Queen does nothing until then.
    pub stalled: Option<Duration>,
    /// Serials of tasks that were acknowledged, for their clients.
    pub acknowledged: Vec<(u64, TaskId)>,
    /// Drones that were told to be distrusted, with why the core did, if it did.
    pub distrusted: Vec<(DroneId, Option<Distrust>)>,
    /// Which of her tasks are deadly, for the Drones to know.
    pub poisons: Poisons,
    pub slow_disk: Duration,
}

/// One connection.
#[derive(Default)]
pub struct Line {
    pub buffer: Vec<u8>,
    pub stage: Stage,
    pub opened: Duration,
    pub drone: Option<DroneId>,
    pub ability: Option<Ability>,
    pub is_leaving: bool,
    /// For each output that came and has no receipt: what has to be on the disk first.
    pub due: VecDeque<u64>,
    pub receipts: u64,
    /// Which of its offers are of tasks that are known.
    pub known: Vec<bool>,
}

#[derive(Default, PartialEq)]
pub enum Stage {
    #[default]
    New,
    Welcome,
    /// Its offers wait until this is on the disk.
    Offered(u64, Vec<Offered>),
    Joined,
}

#[derive(Default)]
pub struct Journal {
    /// How many records were ever written, and how many of these are on the disk.
    pub written: u64,
    pub stored: u64,
    pub waiting: Vec<Record>,
    pub writing: Vec<Record>,
    /// The last record that concerns results of this Drone.
    pub last_of: BTreeMap<DroneId, u64>,
    pub tasks: VecDeque<(u64, u64, TaskId)>,
}

impl Queen {
    /// Starts on what the disk has.
    pub fn start(ctx: &mut Context, disk: &mut State, life: u64, timeouts: Timeouts) -> Self {
        let epoch = Epoch(disk.epoch + 1);
        // The lock on the state is worth nothing without this on the disk.
        disk.apply(&Record::Epoch(epoch));
        let state = disk.clone();
        ctx.tell(format_args!("a Queen starts: epoch {epoch}"));
        let mut queen = Self {
            life,
            core: Core::new(timeouts),
            epoch,
            started: ctx.now,
            lines: BTreeMap::new(),
            current: BTreeMap::new(),
            journal: Journal::default(),
            model: Model::new(timeouts.silence),
            tick: None,
            says_lost: ctx.random.chance(500),
            next_task: state.tasks.keys().next_back().map_or(1, |task| task.0 + 1),
            next_drone: state.drones.values().max().map_or(1, |drone| drone.0 + 1),
            claims: BTreeMap::new(),
            stalled: None,
            acknowledged: Vec::new(),
            distrusted: Vec::new(),
            poisons: Poisons::new(),
            slow_disk: if ctx.random.chance(150) { ctx.random.millis(50..=500) } else { Duration::ZERO },
            state,
        };
        for (task, kept) in queen.state.tasks.clone() {
            if let Some(poison) = kept.spec.poison {
                queen.poisons.insert((epoch, task), poison);
            }
            if kept.ended.is_none() {
                queen.submit_again(ctx, task, None);
            }
        }
        let mut held: BTreeMap<DroneId, Vec<(TaskId, Range<u64>)>> = BTreeMap::new();
        for (drone, task, range) in queen.state.holds.values() {
            held.entry(*drone).or_default().push((*task, range.clone()));
        }
        queen.write(ctx, Record::ForgetBefore(epoch));
        for (drone, held) in held {
            held.iter().for_each(|(task, _)| queen.model.has_trouble(*task));
            held.iter().for_each(|_| ctx.fault(Fault::Inherited));
            queen.handle(ctx, Event::Inherit { drone, held });
        }
        ctx.queue.push(ctx.now + LOOK, Happening::Look { life });
        queen
    }

    pub fn submit_again(&mut self, ctx: &mut Context, task: TaskId, avoid: Option<DroneId>) {
        let kept = &self.state.tasks[&task];
        let deadline = kept.spec.deadline.map(|at| at.saturating_sub(self.started));
        let work = kept.spec.work(kept.done(), kept.is_paused, kept.priority, deadline);
        self.model.submitted(task);
        if self.state.tasks[&task].spec.twice {
            // Who computed a part of it has room that is for others.
            self.model.has_trouble(task);
        }
        self.handle(ctx, Event::Submit { task, work: core::TaskWork { avoid, ..work } });
    }

    pub fn write(&mut self, ctx: &mut Context, record: Record) -> u64 {
        self.state.apply(&record);
        self.journal.waiting.push(record);
        self.journal.written += 1;
        self.commit_next(ctx);
        self.journal.written
    }

    fn commit_next(&mut self, ctx: &mut Context) {
        if self.journal.writing.is_empty() && !self.journal.waiting.is_empty() {
            // What is written during this event is in the group as well.
            let takes = self.slow_disk + ctx.random.micros(300..=25_000);
            ctx.queue.push(ctx.now + takes, Happening::Commit { life: self.life });
            self.journal.writing = std::mem::take(&mut self.journal.waiting);
        }
    }

    /// The group that was being written is on the disk.
    pub fn committed(&mut self, ctx: &mut Context, disk: &mut State) {
        let group = std::mem::take(&mut self.journal.writing);
        self.journal.stored += group.len() as u64;
        group.iter().for_each(|record| disk.apply(record));
        self.commit_next(ctx);
        let stored = self.journal.stored;
        while let Some((_, serial, task)) = self.journal.tasks.pop_front_if(|(number, ..)| *number <= stored) {
            self.acknowledged.push((serial, task));
        }
        let links: Vec<_> = self.lines.keys().copied().collect();
        for link in links {
            self.send_receipts(ctx, link);
            self.join_if_stored(ctx, link);
        }
    }

    /// The Queen is killed. What was being written may be on the disk all the same.
    pub fn crash(self, ctx: &mut Context, disk: &mut State) {
        ctx.tell(format_args!("the Queen dies"));
        if !self.journal.writing.is_empty() && ctx.random.chance(500) {
            ctx.fault(Fault::QueenCrashBehindCommit);
            self.journal.writing.iter().for_each(|record| disk.apply(record));
        }
        for link in self.lines.keys() {
            let silently = ctx.random.chance(200);
            ctx.close(*link, Side::Queen, silently);
        }
    }

    pub fn now(&self, ctx: &Context) -> Duration {
        ctx.now - self.started
    }

    pub fn handle(&mut self, ctx: &mut Context, event: Event) {
        self.handle_results(ctx, event, &[]);
    }

    /// Tells the core of these results; returns what has to be on the disk before their receipt.
    pub fn handle_results(&mut self, ctx: &mut Context, event: Event, found: &[(u64, Found)]) -> u64 {
        let mut number = 0;
        ctx.tell(format_args!("core <- {event:?}"));
        let now = self.now(ctx);
        self.model.before(&event);
        let mut effects = Vec::new();
        self.core.handle(event, now, &mut effects);
        let mut work: Vec<Grant> = Vec::new();
        for effect in effects {
            ctx.tell(format_args!("core -> {effect:?}"));
            self.model.see(ctx, &effect, &self.core, &self.state);
            match effect {
                Effect::Lease(grant) if work.last().is_none_or(|last| last.drone == grant.drone) => work.push(grant),
                Effect::Credit { task, range } => number = self.credit(ctx, task, &range, found),
                Effect::Claim { task, range, by_queen } => self.claim(ctx, task, &range, by_queen, found),
                other => {
                    self.send_work(ctx, &std::mem::take(&mut work));
                    self.perform(ctx, other, &mut work);
                }
            }
        }
        self.send_work(ctx, &work);
        self.set_tick(ctx);
        let now = self.now(ctx);
        self.model.check(&self.core, now, &self.state);
        number
    }

    fn set_tick(&mut self, ctx: &mut Context) {
        let Some(due) = self.core.next_deadline() else { return };
        let at = (self.started + due).max(ctx.now);
        if self.tick.is_none_or(|tick| at < tick) {
            self.tick = Some(at);
            ctx.queue.push(at, Happening::Tick { life: self.life });
        }
    }

    pub fn tick(&mut self, ctx: &mut Context) {
        if self.tick.is_none_or(|tick| ctx.now < tick) {
            return;
        }
        self.tick = None;
        let now = self.now(ctx);
        if self.core.next_deadline().is_some_and(|due| due <= now) {
            self.handle(ctx, Event::Tick);
            assert!(self.core.next_deadline().is_none_or(|due| due > now), "what is due is done");
        } else {
            self.set_tick(ctx);
        }
    }

    fn perform(&mut self, ctx: &mut Context, effect: Effect, work: &mut Vec<Grant>) {
        match effect {
            Effect::Lease(grant) => work.push(grant),
            Effect::Withdraw { drone, lease, end } => {
                self.say(ctx, drone, &ToDrone::Shrink { lease, epoch: self.epoch, end });
            }
            Effect::Adopted { drone, leases } => self.adopted(ctx, drone, leases),
            Effect::Hold { lease, drone, task, range } => {
                self.write(ctx, Record::Hold { epoch: self.epoch, lease, drone, task, range });
            }
            Effect::Unhold(lease) => drop(self.write(ctx, Record::Unhold(self.epoch, lease))),
            Effect::Started(_) => {}
            Effect::Advanced(_) => {}
            Effect::Credit { .. } | Effect::Claim { .. } => unreachable!("they are carried out at once"),
            Effect::FailedItem { .. } => unreachable!("no task here is a batch"),
            Effect::Ended { task, outcome, done } => {
                assert_eq!(done, self.state.tasks[&task].done(), "what was done of task {task}");
                if outcome == Outcome::Failed(Blame::Deadline) {
                    ctx.fault(Fault::Deadline);
                }
                self.write(ctx, Record::Ended(task, outcome));
            }
            Effect::Quarantined { drone, why } => {
                ctx.fault(Fault::Quarantined);
                self.write(ctx, Record::Trust(drone, false));
                self.distrusted.push((drone, Some(why)));
            }
            Effect::Disconnect { drone, reason } => {
                if let Some(link) = self.current.remove(&drone) {
                    self.say_on(ctx, link, &ToDrone::Goodbye { reason });
                    self.drop_line(ctx, link);
                }
            }
            Effect::Forgotten(_) => {}
        }
    }

    pub fn drop_line(&mut self, ctx: &mut Context, link: LinkId) {
        if self.lines.remove(&link).is_some() {
            let silently = ctx.random.chance(200);
            ctx.close(link, Side::Queen, silently);
        }
    }

    pub fn say(&mut self, ctx: &mut Context, drone: DroneId, message: &ToDrone<'_>) {
        if let Some(link) = self.current.get(&drone).copied() {
            self.say_on(ctx, link, message);
        }
    }

    pub fn say_on(&self, ctx: &mut Context, link: LinkId, message: &ToDrone<'_>) {
        if self.lines.get(&link).is_some_and(|line| line.stage == Stage::Joined) {
            let mut bytes = Vec::new();
            frame::encode(message, MAX_TO_DRONE, &mut bytes).unwrap();
            ctx.send(link, Side::Drone, &bytes);
        }
    }

    fn send_work(&mut self, ctx: &mut Context, grants: &[Grant]) {
        let Some(drone) = grants.first().map(|grant| grant.drone) else { return };
        if !self.current.contains_key(&drone) {
            return;
        }
        let inputs: Vec<BlobBuf> =
            grants.iter().map(|grant| self.state.tasks[&grant.task].spec.inputs(&grant.range)).collect();
        let lease = |(grant, inputs): (&Grant, _)| {
            let spec = &self.state.tasks[&grant.task].spec;
            Lease {
                id: grant.lease,
                epoch: self.epoch,
                task: grant.task,
                instance: spec.instance,
                priority: grant.priority,
                rank: grant.rank,
                from: grant.range.start,
                to: grant.range.end,
                material: None,
                chunk: spec.chunk(inputs),
            }
        };
        let leases: Vec<_> = grants.iter().zip(&inputs).map(lease).collect();
        self.say(ctx, drone, &ToDrone::Work { leases: leases.into() });
    }

    /// Bytes from a Drone.
    pub fn hear(&mut self, ctx: &mut Context, link: LinkId, piece: &[u8]) {
        let opened = ctx.now;
        let line = self.lines.entry(link).or_insert_with(|| Line { opened, ..Line::default() });
        line.buffer.extend_from_slice(piece);
        while let Some(body) = next_frame(self.lines.get_mut(&link).map(|line| &mut line.buffer)) {
            self.hear_frame(ctx, link, &body);
        }
    }

    fn hear_frame(&mut self, ctx: &mut Context, link: LinkId, body: &[u8]) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        match line.stage {
            Stage::New => {
                let hello: FromDrone<'_> = frame::decode(body).unwrap();
                return self.welcome(ctx, link, &hello);
            }
            Stage::Joined if line.drone.and_then(|drone| self.current.get(&drone)) != Some(&link) => return,
            Stage::Joined | Stage::Welcome | Stage::Offered(..) => {}
        }
        let drone = line.drone.unwrap();
        match frame::decode(body).unwrap() {
            ToQueen::Offer { leases, material: _ } => self.offered(ctx, link, drone, leases.0),
            ToQueen::Heartbeat { progress, compressions, busy_ns: _ } => {
                let ours = progress.0.iter().filter(|progress| progress.epoch == self.epoch);
                let progress = ours.map(|p| core::Progress { lease: p.lease, reached: p.reached, begun: p.begun });
                let progress = progress.collect();
                if self.lines[&link].stage == Stage::Joined {
                    self.model.book.hears(drone, ctx.now);
                    self.handle(ctx, Event::Heartbeat { drone, progress, computed: compressions });
                }
                self.say_on(ctx, link, &ToDrone::Heartbeat);
            }
            ToQueen::Outputs { outputs } => {
                for output in outputs.0 {
                    let number = self.output(ctx, drone, &output);
                    if let Some(line) = self.lines.get_mut(&link) {
                        line.due.push_back(number);
                    }
                }
                self.send_receipts(ctx, link);
            }
            ToQueen::Failed { lease, epoch, reason } if epoch == self.epoch => {
                if let Some(lease) = self.core.lease(drone, lease) {
                    self.model.has_trouble(lease.task);
                }
                self.handle(ctx, Event::Failed { drone, lease, reason: reason.to_owned() });
            }
            ToQueen::Failed { .. } => {}
            ToQueen::HandBack { leases } => {
                let ours = leases.0.into_iter().filter(|(_, epoch)| *epoch == self.epoch);
                let leases: Vec<_> = ours.map(|(lease, _)| lease).collect();
                if !leases.is_empty() {
                    self.handle(ctx, Event::HandBack { drone, leases });
                }
            }
            ToQueen::Leaving => {
                if let Some(line) = self.lines.get_mut(&link) {
                    line.is_leaving = true;
                }
                self.model.is_leaving(drone);
                self.handle(ctx, Event::Leaving { drone });
            }
        }
    }

    fn welcome(&mut self, ctx: &mut Context, link: LinkId, hello: &FromDrone<'_>) {
        let FromDrone::Hello { seat, threads, kinds, rates, .. } = hello else { panic!("a hello, not {hello:?}") };
        let kinds = kinds.0.iter().copied().collect();
        let speed = |rate: &Rate<'_>| (rate.class, Speed { rate: rate.compressions_per_second, lanes: rate.lanes });
        let speeds = rates.0.iter().map(speed).collect();
        let instance = Instance(*seat.0.first_chunk().unwrap());
        let drone = self.id_of(ctx, instance);
        if let Some(line) = self.lines.get_mut(&link) {
            line.stage = Stage::Welcome;
            line.drone = Some(drone);
            line.ability = Some(Ability { threads: *threads, kinds, speeds, material: 0 });
        }
        let welcome = FromQueen::Welcome { drone, epoch: self.epoch, heartbeat_ms: 0, silence_ms: 0, mac: None };
        let mut bytes = Vec::new();
        frame::encode(&welcome, MAX_TO_DRONE, &mut bytes).unwrap();
        ctx.send(link, Side::Drone, &bytes);
    }

    /// One id for one process, whatever Queens come and go.
    fn id_of(&mut self, ctx: &mut Context, instance: Instance) -> DroneId {
        if let Some(drone) = self.state.drones.get(&instance) {
            return *drone;
        }
        let drone = DroneId(self.next_drone);
        self.next_drone += 1;
        self.write(ctx, Record::Drone(instance, drone));
        drone
    }

    fn offered(&mut self, ctx: &mut Context, link: LinkId, drone: DroneId, offers: Vec<Offered>) {
        if let Some(older) = self.current.remove(&drone) {
            self.drop_line(ctx, older);
            if self.says_lost {
                self.handle(ctx, Event::Disconnected { drone });
            }
        }
        let older = self.lines.iter().filter(|(id, line)| **id < link && line.drone == Some(drone));
        let older: Vec<_> = older.map(|(id, _)| *id).collect();
        older.into_iter().for_each(|older| self.drop_line(ctx, older));
        let number = self.journal.last_of.get(&drone).copied().unwrap_or(0);
        if let Some(line) = self.lines.get_mut(&link) {
            line.stage = Stage::Offered(number, offers);
        }
        self.join_if_stored(ctx, link);
    }

    fn join_if_stored(&mut self, ctx: &mut Context, link: LinkId) {
        let stored = self.journal.stored;
        let Some(line) = self.lines.get_mut(&link) else { return };
        let Stage::Offered(number, _) = line.stage else { return };
        if number > stored {
            return;
        }
        let Stage::Offered(_, offers) = std::mem::replace(&mut line.stage, Stage::Joined) else { return };
        let (Some(drone), Some(ability)) = (line.drone, line.ability.clone()) else { return };
        self.current.insert(drone, link);
        let is_known = |offer: &&Offered| {
            let task = self.state.tasks.get(&offer.task);
            task.is_some_and(|task| task.spec.instance == offer.instance)
        };
        let known: Vec<_> = offers.iter().map(|offer| is_known(&offer)).collect();
        known.iter().filter(|known| !**known).for_each(|_| ctx.fault(Fault::UnknownInstance));
        let ours = offers.iter().filter(is_known).map(|offer| (offer.task, offer.from..offer.to)).collect();
        let trusted = !self.state.distrusted.contains(&drone);
        if let Some(line) = self.lines.get_mut(&link) {
            line.known = known;
        }
        self.model.joins(drone, &ability, trusted);
        self.model.book.hears(drone, ctx.now);
        self.handle(ctx, Event::Join { drone, ability, trusted, offers: ours });
    }

    /// The answers to what a Drone offered; what it does not know of is not wanted.
    fn adopted(&mut self, ctx: &mut Context, drone: DroneId, leases: Vec<Option<(wire::ids::LeaseId, Range<u64>)>>) {
        let mut leases = leases.into_iter();
        let answer = |is_known: bool| {
            let (lease, range) = is_known.then(|| leases.next().unwrap()).flatten()?;
            Some(Adoption { lease, from: range.start, to: range.end })
        };
        let Some(line) = self.current.get(&drone).and_then(|link| self.lines.get_mut(link)) else { return };
        let answers: Vec<_> = std::mem::take(&mut line.known).into_iter().map(answer).collect();
        self.say(ctx, drone, &ToDrone::Adopted { leases: answers.into() });
    }
}
