//! What Drones say to a Queen over their connections, and what she says to them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wire::frame::{self, MAX_TO_DRONE};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{DroneId, Instance};
use wire::message::{Lease, Offered, Output, ToDrone, ToQueen};
use wire::work::ChunkOutput;

use super::context::{Context, Fault};
use super::drone::next_frame;
use super::journal::Then;
use super::net::{LinkId, Side};
use super::queen::Queen;
use crate::core::{Ability, Event, LeaseProgress, Speed};
use crate::hive::arrival::{Arrival, Expected, WrongResult};
use crate::hive::drone_record::Ends;
use crate::hive::link::{arrive, check_outputs};
use crate::hive::search::{judge, look};
use crate::hive::verify::{compute_some, is_within_segment};
use crate::hive::{Departure, Link, Newcomer, Outbound};
use crate::store::Receipt;
use crate::work::Marks;

/// A connection has this long until its Drone has offered what it has.
const INTRODUCTION: Duration = Duration::from_secs(4);

/// What waits to be sent to one Drone.
const OUTBOX: usize = 32_768;

/// One connection.
pub struct Line {
    buffer: Vec<u8>,
    stage: Stage,
    opened: Duration,
    /// Its place in the state, once its Drone has said who it is, and the other ends of what the state has of it.
    pub link: Option<Link>,
    outbox: Option<mpsc::Receiver<Outbound>>,
    stored: watch::Receiver<u64>,
    closed: CancellationToken,
    is_leaving: bool,
    /// How many outputs came, how many of them are on the disk, and of how many its Drone was told that.
    received: u64,
    pub confirmed: u64,
    acknowledged: u64,
}

#[derive(Debug, PartialEq)]
enum Stage {
    New,
    Welcome,
    /// Its offers wait until all before is on the disk.
    Offered(Vec<Offered>),
    Joined,
}

impl Line {
    fn new(opened: Duration) -> Self {
        Self {
            buffer: Vec::new(),
            stage: Stage::New,
            opened,
            link: None,
            outbox: None,
            stored: watch::channel(0).1,
            closed: CancellationToken::new(),
            is_leaving: false,
            received: 0,
            confirmed: 0,
            acknowledged: 0,
        }
    }
}

impl Queen {
    /// Bytes from a Drone.
    pub fn hear(&mut self, ctx: &mut Context, link: LinkId, piece: &[u8]) {
        let opened = ctx.now;
        let line = self.lines.entry(link).or_insert_with(|| Line::new(opened));
        line.buffer.extend_from_slice(piece);
        self.hear_frames(ctx, link);
    }

    fn hear_frames(&mut self, ctx: &mut Context, link: LinkId) {
        // What comes behind an offer is heard when that is answered.
        let is_heard = |line: &&mut Line| !matches!(line.stage, Stage::Offered(_));
        while let Some(body) = next_frame(self.lines.get_mut(&link).filter(is_heard).map(|line| &mut line.buffer)) {
            self.hear_frame(ctx, link, &Bytes::from(body));
        }
    }

    fn hear_frame(&mut self, ctx: &mut Context, number: LinkId, body: &Bytes) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let (Some(link), epoch) = (line.link, self.epoch) else {
            return self.welcome(ctx, number, &frame::decode(body).unwrap());
        };
        match frame::decode(body).unwrap() {
            ToQueen::Offer { leases, material: _ } => {
                let is_empty = leases.0.is_empty();
                line.stage = Stage::Offered(leases.0);
                match is_empty {
                    true => self.join(ctx, number),
                    false => self.durably(ctx, None, Some(Then::Join(number)), |_, _| ()),
                }
            }
            ToQueen::Heartbeat { progress, compressions, busy_ns } => {
                let ours = progress.0.iter().filter(|progress| progress.epoch == epoch);
                let progress =
                    ours.map(|p| LeaseProgress { lease: p.lease, reached: p.reached, begun: p.begun }).collect();
                if self.state.fleet.is_current(link) {
                    self.model.book.hears(link.drone, ctx.now);
                }
                self.change(ctx, |state, now| state.heartbeat(link, progress, compressions, busy_ns, now));
                self.say(ctx, number, &ToDrone::Heartbeat);
            }
            ToQueen::Outputs { outputs } => self.outputs(ctx, number, link, body, &outputs.0),
            ToQueen::Failed { lease, epoch: of, reason } if of == epoch => {
                self.durably(ctx, None, None, |state, now| state.failed(link, lease, reason.to_owned(), now));
            }
            ToQueen::Failed { .. } => {}
            ToQueen::HandBack { leases } => {
                let ours = leases.0.into_iter().filter(|(_, of)| *of == epoch);
                let leases = ours.map(|(lease, _)| lease).collect();
                self.change(ctx, |state, now| state.hand_back(link, leases, now));
            }
            ToQueen::Leaving => {
                line.is_leaving = true;
                self.change(ctx, |state, now| state.leaving(link, now));
            }
        }
    }

    fn welcome(&mut self, ctx: &mut Context, number: LinkId, hello: &FromDrone<'_>) {
        let FromDrone::Hello { name, software, seat, threads, kinds, rates, .. } = hello else {
            panic!("a hello, not {hello:?}")
        };
        let speed = |rate: &Rate<'_>| (rate.class, Speed { rate: rate.compressions_per_second, lanes: rate.lanes });
        let speeds = rates.0.iter().map(speed).collect();
        let ability = Ability { threads: *threads, kinds: kinds.0.iter().copied().collect(), speeds, material: 0 };
        let newcomer = Newcomer {
            name: (*name).to_owned(),
            instance: Instance(*seat.0.first_chunk().unwrap()),
            address: String::new(),
            software: (*software).to_owned(),
            ability,
            kernels: Default::default(),
            secret: None,
        };
        let (outbox, waiting) = mpsc::channel(OUTBOX);
        let (stored, confirmed) = watch::channel(0);
        let closed = CancellationToken::new();
        let ends = Ends { outbox, closed: closed.clone(), stored };
        let link = self.durably(ctx, None, None, |state, now| state.seat(newcomer, ends, now));
        let (Some(link), Some(line)) = (link, self.lines.get_mut(&number)) else { return };
        (line.stage, line.link) = (Stage::Welcome, Some(link));
        (line.outbox, line.stored, line.closed) = (Some(waiting), confirmed, closed);
        let welcome =
            FromQueen::Welcome { drone: link.drone, epoch: self.epoch, heartbeat_ms: 0, silence_ms: 0, mac: None };
        let mut bytes = Vec::new();
        frame::encode(&welcome, MAX_TO_DRONE, &mut bytes).unwrap();
        ctx.send(number, Side::Drone, &bytes);
    }

    /// A Drone is answered that has offered what it has.
    pub fn join(&mut self, ctx: &mut Context, number: LinkId) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let (Stage::Offered(offers), Some(link)) = (std::mem::replace(&mut line.stage, Stage::Joined), line.link)
        else {
            return;
        };
        for Offered { task, instance, .. } in &offers {
            let is_it = self.state.tasks.get(*task).is_some_and(|record| record.terms.instance(*task) == *instance);
            if !is_it {
                ctx.fault(Fault::UnknownInstance);
            }
        }
        self.durably(ctx, None, None, |state, now| state.join(link, &offers, now));
        self.hear_frames(ctx, number);
    }

    /// Results came in a frame.
    fn outputs(&mut self, ctx: &mut Context, number: LinkId, link: Link, frame: &Bytes, outputs: &[Output<'_>]) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        line.received += outputs.len() as u64;
        let receipt = Receipt { drone: link.drone, connection: link.number, outputs: line.received };
        check_outputs(outputs).unwrap();
        let expected = self.state.expected_of(link, self.epoch, outputs);
        let (mut arrivals, mut next) = (Vec::new(), BTreeMap::new());
        for (output, expected) in outputs.iter().zip(expected) {
            let Some(expected) = expected else { continue };
            let is_false = self.is_false(&expected, output);
            let arrival = arrive(output, &expected, &mut next, frame).unwrap();
            match self.examine(ctx, link.drone, expected, arrival) {
                Ok(arrival) => arrivals.push(arrival),
                Err(wrong) => {
                    ctx.tell(format_args!("Drone {} is wrong: {wrong:?}", link.drone));
                    return self.durably(ctx, None, None, |state, now| state.convict(wrong, now));
                }
            }
            assert!(!is_false, "marks of Drone {} that are none, or not all, are taken for true", link.drone);
        }
        self.durably(ctx, Some(receipt), None, |state, now| state.outputs(receipt, arrivals, now));
    }

    /// Whether marks are said that are none, or some are left out where all candidates are marks: a lie that shows.
    fn is_false(&self, expected: &Expected, output: &Output<'_>) -> bool {
        let (ChunkOutput::Marks(bytes), range) = (&output.output, output.from..output.to) else { return false };
        let quest = self.book.tasks[&expected.job.task].spec.quest().unwrap();
        let truth = quest.marks_in(&range);
        let reported = Marks::parse(bytes.to_vec().into(), range.end - range.start).unwrap();
        let is_true = reported.iter().all(|mark| truth.binary_search(&(range.start + mark)).is_ok());
        !is_true || quest.is_all_marks() && reported.count() < truth.len() as u64
    }

    /// Looks at results before they are accepted.
    fn examine(
        &mut self,
        ctx: &mut Context,
        drone: DroneId,
        expected: Expected,
        mut arrival: Arrival,
    ) -> Result<Arrival, WrongResult> {
        let Expected { job, is_audit, is_rework, trust, next: _ } = expected;
        let (range, chance) = (arrival.piece.range.clone(), ctx.random.next());
        if job.inputs.are_implied() {
            arrival.is_search = true;
            let marks = Marks::parse(arrival.piece.bytes.clone(), range.end - range.start).unwrap();
            let looked = look(&job, &self.inputs(&job, &range), &marks, range.start).unwrap();
            return judge(drone, job.task, (marks, looked), arrival, chance);
        }
        if is_audit {
            return Ok(arrival);
        }
        if is_rework && job.inputs.in_file().is_some() {
            arrival.replaced = self.reader.suspect_results(job.task, &range, job.kind().width()).unwrap();
        }
        assert!(is_within_segment(&job, &range), "a lease has such a range");
        if job.terms.is_twice() && !self.state.claims.are_of_others(job.task, drone, &range) {
            arrival.room = self.state.claims.reserve(arrival.piece.bytes.len());
        }
        let mut examined = compute_some(drone, &job, &self.inputs(&job, &range), trust, arrival, chance)?;
        examined.expensive = examined.expensive.filter(|_| ctx.audits);
        Ok(examined)
    }

    /// Sends what the state has for Drones, and ends connections that are to be closed.
    pub fn say_all(&mut self, ctx: &mut Context) {
        for number in self.lines.keys().copied().collect::<Vec<_>>() {
            let mut messages = VecDeque::new();
            let Some(line) = self.lines.get_mut(&number) else { continue };
            let stored = *line.stored.borrow();
            assert!(stored <= line.confirmed, "{stored} outputs are said to be stored, and {} are", line.confirmed);
            while let Some(message) = line.outbox.as_mut().and_then(|outbox| outbox.try_recv().ok()) {
                messages.push_back(message);
            }
            let is_closed = line.closed.is_cancelled();
            self.say_these(ctx, number, messages);
            if is_closed {
                self.drop_line(ctx, number);
            }
        }
    }

    /// Neighbouring leases share a frame.
    fn say_these(&mut self, ctx: &mut Context, number: LinkId, mut messages: VecDeque<Outbound>) {
        while let Some(message) = messages.pop_front() {
            match message {
                Outbound::Lease(grant, job) => {
                    let mut leases = vec![(grant, job)];
                    while let Some(Outbound::Lease(grant, job)) =
                        messages.pop_front_if(|message| matches!(message, Outbound::Lease(..)))
                    {
                        leases.push((grant, job));
                    }
                    let chunks: Vec<_> = leases
                        .iter()
                        .map(|(grant, job)| job.chunk_buf(self.inputs(job, &grant.range), &grant.range))
                        .collect();
                    let lease = |((grant, job), chunk): (&(_, _), _)| lease_of(self.epoch, grant, job, chunk);
                    let leases: Vec<_> = leases.iter().zip(&chunks).map(lease).collect();
                    self.say(ctx, number, &ToDrone::Work { leases: leases.into() });
                }
                Outbound::Shrink { lease, end } => {
                    self.say(ctx, number, &ToDrone::Shrink { lease, epoch: self.epoch, end });
                }
                Outbound::Adopted(leases) => self.say(ctx, number, &ToDrone::Adopted { leases: leases.into() }),
                Outbound::Drain => self.say(ctx, number, &ToDrone::Drain),
                Outbound::Goodbye(reason) => self.say(ctx, number, &ToDrone::Goodbye { reason }),
            }
        }
    }

    fn say(&self, ctx: &mut Context, number: LinkId, message: &ToDrone<'_>) {
        let mut bytes = Vec::new();
        frame::encode(message, MAX_TO_DRONE, &mut bytes).unwrap();
        ctx.send(number, Side::Drone, &bytes);
    }

    /// Tells Drones what is on the disk.
    pub fn send_receipts(&mut self, ctx: &mut Context) {
        for number in self.lines.keys().copied().collect::<Vec<_>>() {
            let Some(line) = self.lines.get_mut(&number) else { continue };
            let outputs = *line.stored.borrow();
            if outputs > line.acknowledged {
                line.acknowledged = outputs;
                self.say(ctx, number, &ToDrone::Stored { outputs });
            }
        }
    }

    /// The Queen closes a connection.
    fn drop_line(&mut self, ctx: &mut Context, number: LinkId) {
        let silently = ctx.random.chance(200);
        ctx.close(number, Side::Queen, silently);
        self.depart(ctx, number);
    }

    /// A connection is gone.
    pub fn gone(&mut self, ctx: &mut Context, number: LinkId) {
        ctx.close(number, Side::Queen, true);
        self.depart(ctx, number);
    }

    fn depart(&mut self, ctx: &mut Context, number: LinkId) {
        let Some(Line { link: Some(link), is_leaving, .. }) = self.lines.remove(&number) else { return };
        let parting = if is_leaving { Departure::Left } else { Departure::Lost };
        self.durably(ctx, None, None, |state, now| state.unseat(link, parting, now));
    }

    /// Closes connections whose Drones do not come to the point; tells those who wait for the disk that she lives.
    pub fn look(&mut self, ctx: &mut Context) {
        self.check_suspicion();
        for number in self.lines.keys().copied().collect::<Vec<_>>() {
            let Some(line) = self.lines.get(&number) else { continue };
            match line.stage {
                Stage::New | Stage::Welcome if ctx.now > line.opened + INTRODUCTION => self.drop_line(ctx, number),
                Stage::Offered(_) => self.say(ctx, number, &ToDrone::Heartbeat),
                _ => {}
            }
        }
    }

    /// Goes on after it has not listened for a while.
    pub fn awake(&mut self, ctx: &mut Context) {
        self.stalled = None;
        for drone in self.drones() {
            self.change(ctx, |state, now| state.handle(Event::Excuse { drone, was_heard: false }, now));
        }
    }

    /// Drones that take work, or have.
    pub fn drones(&self) -> Vec<DroneId> {
        let joined = self.lines.values().filter(|line| line.stage == Stage::Joined);
        joined
            .filter_map(|line| line.link)
            .filter(|link| self.state.fleet.is_current(*link))
            .map(|it| it.drone)
            .collect()
    }

    /// The place of a Drone's connection.
    pub fn link_of(&self, drone: DroneId) -> Option<Link> {
        let links = self.lines.values().filter_map(|line| line.link);
        links.into_iter().find(|link| link.drone == drone && self.state.fleet.is_current(*link))
    }
}

fn lease_of<'a>(
    epoch: wire::ids::Epoch,
    grant: &crate::core::Grant,
    job: &crate::work::Job,
    chunk: &'a crate::kinds::ChunkBuf<'_>,
) -> Lease<'a> {
    Lease {
        id: grant.lease,
        epoch,
        task: grant.task,
        instance: job.instance(),
        priority: grant.priority,
        rank: grant.rank,
        from: grant.range.start,
        to: grant.range.end,
        // What is sought is little here.
        material: None,
        chunk: chunk.message(),
    }
}
