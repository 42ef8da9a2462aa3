//! A running Queen: the state that ships, and in the place of sockets, threads and a clock what a world has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use web::budget::Budget;
use wire::blob::SharedBlob;
use wire::ids::{DroneId, Epoch, Instance, TaskId};

use super::book::Book;
use super::clients::Clients;
use super::connection::Line;
use super::context::{Context, Fault, Happening};
use super::drone::Poisons;
use super::journal::{Disk, Entry, Journal, Then, now};
use super::model::Model;
use super::net::{LinkId, Side};
use super::requests::Errand;
use super::work::Spec;
use crate::access::JoinSecrets;
use crate::clock::Now;
use crate::core::{Event, Timeouts};
use crate::hive::cache::CacheKey;
use crate::hive::record::weight;
use crate::hive::request::Request;
use crate::hive::state::{State, StateConfig};
use crate::hive::submit::New;
use crate::kinds::search::prepare;
use crate::store::{Bulk, Change, Reader, Receipt};
use crate::work::{Extent, Inputs, Job, Large, Searched, TASKS_END};

/// How often the Queen looks at her connections.
pub const LOOK: Duration = Duration::from_millis(500);

/// Who searches nothing is suspected when it would have told so many marks: twice what `evidence` promises for parts of
/// a few marks, and as many as a few parts have that are larger.
const ENOUGH_MARKS: u64 = 128;

/// Ranges that the Queen computes at once.
const OWN_CHECKS: usize = 2;

pub struct Queen {
    /// Which one in this world.
    pub life: u64,
    pub epoch: Epoch,
    pub started: Duration,
    pub state: State,
    pub reader: Arc<Reader>,
    pub lines: BTreeMap<LinkId, Line>,
    pub journal: Journal,
    /// What is said to the disk, whether or not it has taken it.
    pub book: Book,
    pub model: Model,
    pub clients: Clients,
    /// What the state asked for and is not done.
    pub requests: BTreeMap<u64, Errand>,
    pub asked: u64,
    /// When a tick is due.
    tick: Option<Duration>,
    /// A stalled Queen does nothing until then.
    pub stalled: Option<Duration>,
    /// Which of her tasks are deadly, for the Drones to know.
    pub poisons: Poisons,
    pub slow_disk: Duration,
    /// Tasks that had ended and are computed again in part.
    pub reworked: BTreeSet<TaskId>,
    /// Drones of which the Queen has searched again what they searched.
    suspected: BTreeSet<DroneId>,
    /// Marks that each Drone did not tell of what it searched last of a task, as it has told none for long.
    owed: BTreeMap<(DroneId, TaskId), u64>,
    /// Marks of all that each Drone said it searched of a task.
    searched: BTreeMap<(DroneId, TaskId), u64>,
}

impl Queen {
    /// Starts on what the disk has.
    pub fn start(ctx: &mut Context, disk: &mut Disk, life: u64, timeouts: Timeouts) -> Self {
        let inheritance = disk.open();
        let epoch = inheritance.epoch;
        ctx.tell(format_args!("a Queen starts: epoch {epoch}"));
        let mut state = State::new(StateConfig {
            epoch,
            base: Instance(ctx.random.bytes()),
            budget: Budget::new(1 << 30),
            cache: 1 << 20,
            own_checks: OWN_CHECKS,
            space: Budget::new(u64::MAX),
            keeps_trail: false,
            timeouts,
        });
        state.transcript = Some(Vec::new());
        state.inherit(&inheritance);
        let mut queen = Self {
            life,
            epoch,
            started: ctx.now,
            state,
            reader: disk.reader(),
            lines: BTreeMap::new(),
            journal: Journal::default(),
            book: disk.book.clone(),
            model: Model::new(timeouts.silence),
            clients: Clients::new(disk.specs.clone()),
            requests: BTreeMap::new(),
            asked: 0,
            tick: None,
            stalled: None,
            poisons: Poisons::new(),
            slow_disk: if ctx.random.chance(150) { ctx.random.millis(50..=500) } else { Duration::ZERO },
            reworked: BTreeSet::new(),
            suspected: BTreeSet::new(),
            owed: BTreeMap::new(),
            searched: BTreeMap::new(),
        };
        queen.take_over(ctx);
        // Nobody is served before that is on the disk.
        queen.durably(ctx, None, None, |state, _| state.begin(epoch));
        queen.journal.begin();
        queen.committed(ctx, disk);
        if queen.state.disk.has_suspects {
            queen.journal.enter(Entry { then: Some(Then::TakeUp { is_first: true }), ..Entry::default() });
        }
        queen.write(ctx);
        ctx.queue.push(ctx.now + LOOK, Happening::Look { life });
        queen
    }

    fn take_over(&mut self, ctx: &mut Context) {
        let mut found = Vec::new();
        let visit = |live| {
            found.push(live);
            std::ops::ControlFlow::Continue(())
        };
        self.reader.live(visit).unwrap();
        let (drones, leases) = (self.reader.drones().unwrap(), self.reader.leases().unwrap());
        for live in found.into_iter().filter(|live| live.task.ending.is_none()) {
            let id = live.task.id;
            let kept = &self.book.tasks[&id];
            assert_eq!((live.done.clone(), live.suspect.clone()), kept.ranges(), "what is on the disk of task {id}");
            if let Some(poison) = kept.spec.poison {
                self.poisons.insert((self.epoch, id), poison);
            }
            self.change(ctx, |state, now| state.take_over(live, now));
            self.clients.wait(&mut self.state, id, now(ctx.now, self.started));
        }
        let mut held = BTreeMap::<_, Range<u64>>::new();
        for lease in &leases {
            let before = held.insert((lease.drone, lease.task, lease.range.start), lease.range.clone());
            assert!(before.is_none(), "{lease:?} is remembered once");
        }
        self.change(ctx, |state, now| state.take_over_drones(drones, leases, &JoinSecrets::default(), now));
    }

    pub fn now(&self, ctx: &Context) -> Now {
        now(ctx.now, self.started)
    }

    /// Changes the state; nothing that has to be written may come of it.
    pub fn change<T>(&mut self, ctx: &mut Context, change: impl FnOnce(&mut State, Now) -> T) -> T {
        let result = change(&mut self.state, now(ctx.now, self.started));
        let changes = self.state.take_changes(false);
        assert!(changes.is_empty(), "{changes:?} have no slot");
        self.settle(ctx);
        result
    }

    /// Changes the state; what is to be written of it goes to the disk.
    pub fn durably<T>(
        &mut self,
        ctx: &mut Context,
        receipt: Option<Receipt>,
        then: Option<Then>,
        change: impl FnOnce(&mut State, Now) -> T,
    ) -> T {
        let result = change(&mut self.state, now(ctx.now, self.started));
        let changes = self.state.take_changes(true);
        for change in &changes {
            if let Change::Quarantine { reason: Some(reason), .. } = change
                && reason.contains("did not tell")
            {
                ctx.fault(Fault::MissedMark);
            }
            match change {
                Change::Results { .. } | Change::Searched { .. } | Change::Visit { .. } | Change::Drone { .. } => {}
                Change::Submit(submission) => ctx.tell(format_args!("to be written: task {}", submission.id)),
                other => ctx.tell(format_args!("to be written: {other:?}")),
            }
        }
        self.enter(ctx, Entry { changes, receipt, then });
        result
    }

    /// Something goes to the disk.
    fn enter(&mut self, ctx: &mut Context, entry: Entry) {
        entry.changes.iter().for_each(|change| self.book.apply(change, &self.clients.specs));
        self.listen(ctx);
        self.check_stored(&entry.changes);
        self.journal.enter(entry);
        self.settle(ctx);
        self.write(ctx);
    }

    /// Has the disk write what there is, if it does nothing.
    pub fn write(&mut self, ctx: &mut Context) {
        if self.journal.begin() {
            let takes = self.slow_disk + ctx.random.micros(300..=25_000);
            ctx.queue.push(ctx.now + takes, Happening::Commit { life: self.life });
        }
    }

    /// What is stored is what the core credits, now and all of it.
    fn check_stored(&mut self, changes: &[Change]) {
        let mut stored: Vec<(TaskId, Range<u64>)> = Vec::new();
        for change in changes {
            match change {
                Change::Results { task, results, .. } => stored.push((*task, results.piece.range.clone())),
                Change::Searched { task, searched, .. } => {
                    stored.push((*task, searched.range.clone()));
                    self.note_searched(*task, searched);
                }
                _ => {}
            }
        }
        assert_eq!(stored, self.model.credited, "what is stored is what is credited");
        self.model.credited.clear();
    }

    /// A Drone says that it has searched a part of a task.
    fn note_searched(&mut self, task: TaskId, part: &Searched) {
        let quest = self.book.tasks[&task].spec.quest().unwrap();
        let marks = quest.marks_in(&part.range).len() as u64;
        let owed = self.owed.entry((part.drone, task)).or_default();
        *owed = if part.marks.count() == 0 { *owed + marks } else { 0 };
        *self.searched.entry((part.drone, task)).or_default() += marks;
    }

    /// How many marks there are in all that a Drone said it searched of a task.
    pub fn searched_marks(&self, task: TaskId, drone: DroneId) -> u64 {
        self.searched.get(&(drone, task)).copied().unwrap_or(0)
    }

    /// Whether there is nothing to compute, to write or to ask for.
    pub fn is_idle(&self) -> bool {
        self.model.live.is_empty() && self.journal.is_empty() && self.requests.is_empty()
    }

    /// Who tells no marks for long is suspected.
    pub fn check_suspicion(&self) {
        if self.requests.values().any(|errand| matches!(errand, Errand::SearchAgain(_))) {
            return;
        }
        for ((drone, task), owed) in self.owed.iter().filter(|(_, owed)| **owed >= ENOUGH_MARKS) {
            let is_suspect = self.suspected.contains(drone) || self.model.audited.contains(drone);
            let is_caught = self.state.fleet.is_quarantined(*drone);
            assert!(is_suspect || is_caught, "Drone {drone} owes {owed} marks of task {task}");
        }
    }

    /// The group that was being written is on the disk.
    pub fn committed(&mut self, ctx: &mut Context, disk: &mut Disk) {
        let group = std::mem::take(&mut self.journal.writing);
        self.clients.check_told(&disk.book);
        let removed = disk.commit(&group, ctx.now);
        let (mut changes, mut receipts, mut then) = (Vec::new(), Vec::new(), Vec::new());
        for entry in group {
            changes.extend(entry.changes);
            receipts.extend(entry.receipt);
            then.extend(entry.then);
        }
        for receipt in &receipts {
            let mut lines = self.lines.values_mut();
            let is_it = |line: &&mut Line| line.link.is_some_and(|link| is_of(link, receipt));
            lines.find(is_it).into_iter().for_each(|line| line.confirmed = receipt.outputs);
        }
        self.change(ctx, |state, _| state.follow(&changes, &receipts, &removed));
        self.clients.check_told(&disk.book);
        self.clients.check_all_told(&disk.book);
        self.send_receipts(ctx);
        for then in then {
            match then {
                Then::Acknowledge { serial, task } => self.acknowledge(ctx, serial, task),
                Then::Join(link) => self.join(ctx, link),
                Then::TakeUp { is_first } => self.take_up(ctx, is_first),
                Then::Compare(task, second) => self.compare(ctx, task, &second),
            }
        }
        self.write(ctx);
    }

    fn acknowledge(&mut self, ctx: &mut Context, serial: u64, task: TaskId) {
        self.clients.acknowledged.push(serial);
        let spec = &self.book.tasks[&task].spec;
        self.clients.wait_for_members(&mut self.state, task, spec, &mut ctx.random, now(ctx.now, self.started));
    }

    /// The Queen is killed. What was being written may be on the disk all the same.
    pub fn crash(self, ctx: &mut Context, disk: &mut Disk) {
        ctx.tell(format_args!("the Queen dies"));
        if !self.journal.writing.is_empty() && ctx.random.chance(500) {
            ctx.fault(Fault::QueenCrashBehindCommit);
            disk.commit(&self.journal.writing, ctx.now);
        }
        for link in self.lines.keys() {
            let silently = ctx.random.chance(200);
            ctx.close(*link, Side::Queen, silently);
        }
    }

    /// Lets the model hear what was said between the state and its core.
    fn listen(&mut self, ctx: &mut Context) {
        let said = self.state.transcript.as_mut().map(std::mem::take).unwrap_or_default();
        for (event, effects) in said {
            ctx.tell(format_args!("core <- {event:?}"));
            if let Event::Submit { task, work } = &event
                && task.0 < TASKS_END
            {
                self.check_submit(*task, work);
                if self.book.tasks[task].ended.is_some() {
                    self.reworked.insert(*task);
                }
            }
            self.model.before(ctx, &event);
            for effect in effects {
                ctx.tell(format_args!("core -> {effect:?}"));
                self.model.see(ctx, &effect);
            }
        }
    }

    /// The core is told of a task as its client wanted it, and as it is on the disk.
    fn check_submit(&self, task: TaskId, work: &crate::core::TaskWork) {
        let kept = &self.book.tasks[&task];
        let Spec { twice, batch, segments, .. } = &*kept.spec;
        let items: Vec<_> = work.segments.iter().map(|segment| segment.items).collect();
        assert_eq!((&items, work.twice, work.batch), (segments, *twice, *batch), "task {task}");
        assert_eq!((work.priority, work.paused), (kept.priority, kept.is_paused), "task {task}");
        let (done, suspect) = kept.ranges();
        match kept.ended {
            None => assert_eq!(work.done, done, "what is done of task {task}"),
            Some(_) => {
                let mut again = work.done.gaps(kept.spec.total()).iter().collect::<Vec<_>>().into_iter();
                assert!(again.all(|range| suspect.contains_all(&range)), "what is suspect of task {task}");
            }
        }
    }

    /// Does what follows from a change of the state.
    fn settle(&mut self, ctx: &mut Context) {
        self.listen(ctx);
        assert!(self.model.credited.is_empty(), "{:?} are credited and not stored", self.model.credited);
        // Nobody reads the console.
        drop(self.state.take_stories());
        for request in self.state.take_requests() {
            self.ask(ctx, request);
        }
        self.say_all(ctx);
        self.set_tick(ctx);
        self.clients.check_computed(&self.model);
        let elapsed = self.now(ctx).elapsed;
        self.model.check(&self.state.core, elapsed);
    }

    /// The state asks for something that takes time.
    fn ask(&mut self, ctx: &mut Context, request: Request) {
        let errand = match request {
            Request::Rework => {
                ctx.fault(Fault::Reworked);
                self.journal.enter(Entry { then: Some(Then::TakeUp { is_first: true }), ..Entry::default() });
                return self.write(ctx);
            }
            Request::CompareMarks(task, second) => {
                ctx.fault(Fault::MarksCompared);
                self.journal.enter(Entry { then: Some(Then::Compare(task, second)), ..Entry::default() });
                return self.write(ctx);
            }
            Request::Recheck(recheck) => {
                ctx.fault(Fault::Rechecked);
                Errand::Recheck(recheck)
            }
            Request::SearchAgain(second) => {
                ctx.fault(Fault::SearchedAgain);
                self.suspected.insert(second.first.drone);
                Errand::SearchAgain(second)
            }
            Request::ComputeClaims => Errand::NextClaim,
        };
        self.begin_errand(ctx, errand);
    }

    /// It takes a moment, or seconds.
    pub fn begin_errand(&mut self, ctx: &mut Context, errand: Errand) {
        self.asked += 1;
        let takes = if ctx.random.chance(50) { ctx.random.millis(500..=5000) } else { ctx.random.millis(1..=500) };
        ctx.queue.push(ctx.now + takes, Happening::Request { life: self.life, number: self.asked });
        self.requests.insert(self.asked, errand);
    }

    fn set_tick(&mut self, ctx: &mut Context) {
        let Some(due) = self.state.core.next_deadline() else { return };
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
        let elapsed = self.now(ctx).elapsed;
        if self.state.core.next_deadline().is_some_and(|due| due <= elapsed) {
            self.durably(ctx, None, None, |state, now| state.handle(Event::Tick, now));
            assert!(self.state.core.next_deadline().is_none_or(|due| due > elapsed), "what is due is done");
        } else {
            self.set_tick(ctx);
        }
    }

    pub fn submit(&mut self, ctx: &mut Context, spec: &Rc<Spec>) -> TaskId {
        self.clients.specs.insert(spec.serial, Rc::clone(spec));
        let (terms, inputs) = (spec.terms(), inputs_of(spec, self.reader.bulk()));
        self.state.budget.charge(weight(&inputs, terms.kind().width()));
        let now = self.now(ctx);
        let task = self.state.submit(New { terms, inputs, identity: None, secret: None }, now);
        if let Some(poison) = spec.poison {
            self.poisons.insert((self.epoch, task), poison);
        }
        if spec.quest().is_some() {
            ctx.fault(Fault::Searched);
        }
        self.clients.wait(&mut self.state, task, now);
        self.durably(ctx, None, Some(Then::Acknowledge { serial: spec.serial, task }), |_, _| ());
        task
    }

    /// The inputs of a range that lies in one segment, or what is sought there.
    pub fn inputs(&mut self, job: &Job, range: &Range<u64>) -> SharedBlob {
        match (&job.inputs, job.kind().search()) {
            (_, Some(search)) => prepare(search),
            (Inputs::Small(_), None) => job.inputs.small().unwrap().slice(range.start as usize..range.end as usize),
            (Inputs::Large(large), None) => {
                let (file, number) = (large.file.unwrap(), large.segment_of(range.start));
                let key = CacheKey::Segment(file, number);
                let segment = self.state.cache.get(key).unwrap_or_else(|| {
                    let read = self.reader.bulk().segment(file, &large.segments[number]).unwrap();
                    self.state.cache.insert(key, read.clone());
                    read
                });
                segment.slice(large.within_segment(range))
            }
        }
    }
}

fn is_of(link: crate::hive::Link, receipt: &Receipt) -> bool {
    (link.drone, link.number) == (receipt.drone, receipt.connection)
}

/// The inputs of a task, where they stay.
fn inputs_of(spec: &Spec, bulk: &Arc<Bulk>) -> Inputs {
    if spec.quest().is_some() {
        return spec.terms().kind().implied().unwrap();
    }
    let layout = |range| {
        let mut layout = Vec::new();
        spec.inputs(range).as_blob().write(&mut layout);
        layout
    };
    if let [all] = &spec.segments[..]
        && *all < 100
    {
        return Inputs::Small(layout(0..*all).into());
    }
    let mut file = bulk.begin().unwrap();
    let (mut end, mut offset, mut segments) = (0, 0, Vec::new());
    for items in &spec.segments {
        let bytes = layout(end..end + items);
        end += items;
        file.append(&bytes).unwrap();
        let (bytes, crc) = (bytes.len() as u32, crc32fast::hash(&bytes));
        segments.push(Extent { end, offset, bytes, crc, cost: items * spec.item_cost() });
        offset += u64::from(bytes);
    }
    file.seal().unwrap();
    let large = Large { segments: segments.into(), file: Some(file.number()) };
    file.persist();
    Inputs::Large(large.into())
}
