//! What a Drone holds, and what follows from what it hears. Pure: no socket, no thread, no clock.
//!
//! A [`Session`] lives as long as the Drone; connections come and go ([`Session::connected`],
//! [`Session::disconnected`]). Messages of the Queen and reports of the pool go in, [`Effect`]s
//! come out, and what is to be said is fetched with [`Session::next_message`] whenever the
//! connection takes more.
//!
//! A lease is computed from its acceptance until it ends in exactly one way (see [`End`]). Its
//! results are kept until the Queen says that they are stored, over any number of connections.
//! Within the Drone it is called by its [`Ticket`], which stays when a Queen renames it.
//!
//! A message that breaks the protocol changes nothing: the connection is closed, and what was
//! held before stays held and is offered on the next one.

mod held;
mod link;
mod outbox;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wire::List;
use wire::ids::{Epoch, LeaseId, TaskId};
use wire::message::{Adoption, Lease, Offered, Progress, ToDrone};
use wire::work::Chunk;

use self::held::{Frames, Held, Phase, Rates};
use self::link::Link;
pub use self::outbox::{Message, Say};
use crate::kernel::{self, Output};
use crate::pool::{Assignment, Event, Report, Standing, Ticket, Urgency};

/// Leases that may be computed or wait for it; a Queen that deals out more breaks the protocol.
pub const MAX_LEASES: usize = 16_384;

/// Bytes of the frames whose leases are computed or wait for it; likewise.
pub const MAX_BYTES: usize = 256 << 20;

/// Results that are kept, in bytes: beyond it [`Session::takes_reports`] is false.
pub const MAX_KEPT: usize = 256 << 20;

/// Leases that are computed but not yet stored; likewise. All that is held fits into one offer.
const MAX_COMPUTED: usize = List::<Offered>::MAX - 2 * MAX_LEASES;

/// Outputs that were sent but not yet answered with a receipt; likewise.
const MAX_SENT: usize = 1 << 20;

/// Messages other than results that may wait; beyond it [`Session::listens`] is false.
const MAX_WAITING: usize = 1024;

/// How the Queen broke the protocol.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Violation {
    /// See [`MAX_LEASES`].
    #[error("she leased more than {MAX_LEASES} chunks at once")]
    TooManyLeases,
    /// See [`MAX_BYTES`].
    #[error("she leased more than {} MiB of work at once", MAX_BYTES >> 20)]
    TooManyBytes,
    /// Two leases of one connection have the same number.
    #[error("she leased {0} twice")]
    Twice(u64),
    /// A lease's range does not fit its inputs.
    #[error("lease {lease} is for the indices {from} to {to}, but brings {items} items")]
    Range {
        /// Its number.
        lease: u64,
        /// Its first index.
        from: u64,
        /// Behind its last index.
        to: u64,
        /// Inputs that it has.
        items: u64,
    },
    /// Work came before the answer to the offer.
    #[error("she leased work before she answered what this Drone offered")]
    Early,
    /// An answer came, but no offer waits for one.
    #[error("she answered an offer that nobody made")]
    Unasked,
    /// An offer was answered with more or fewer leases than it had.
    #[error("she answered {answers} leases of {offered} that this Drone offered")]
    Answers {
        /// Leases answered.
        answers: usize,
        /// Leases offered.
        offered: usize,
    },
    /// An adopted range is empty or not within the offered one.
    #[error("she adopted the indices {from} to {to} as lease {lease}, which were not offered like this")]
    Adoption {
        /// The number that she gave.
        lease: u64,
        /// First index.
        from: u64,
        /// Behind the last index.
        to: u64,
    },
    /// More is stored than was sent.
    #[error("she stored {stored} outputs, but this Drone sent {sent}")]
    Receipt {
        /// Outputs that she says are stored.
        stored: u64,
        /// Outputs sent.
        sent: u64,
    },
}

/// What is to be done.
pub enum Effect {
    /// Compute this.
    Start {
        /// For people.
        note: Note,
        /// For the pool.
        assignment: Assignment,
    },
    /// Compute less: nothing from index `end` on. Results below it are still wanted.
    Shrink {
        /// Which lease.
        urgency: Urgency,
        /// The task's index.
        end: u64,
    },
    /// Take back from the pool all leases that it has not begun with, and give their tickets to
    /// [`Session::hand_back`].
    Recall,
    /// Nothing: these results came, and are kept.
    Computed(Part),
    /// Nothing: a lease cannot be computed.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// Nothing: nothing more of a lease is to be computed. Its results may still be kept.
    Ended {
        /// Its task.
        task: TaskId,
        /// Which lease.
        ticket: Ticket,
        /// In which way.
        end: End,
    },
    /// Nothing: the Queen has answered an offer that was not empty.
    Adopted {
        /// Leases that she took back.
        taken: usize,
        /// Leases that were offered.
        offered: usize,
    },
}

/// What people may be told of a lease.
#[derive(Debug, Clone)]
pub struct Note {
    /// Its task.
    pub task: TaskId,
    /// First index.
    pub from: u64,
    /// Behind the last index.
    pub to: u64,
    /// The input, if there is only one.
    pub word: Option<Bytes>,
}

/// The ways in which a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything wanted of it was computed.
    Done,
    /// It could not be computed.
    Failed,
    /// It was given back.
    HandedBack,
    /// The Queen wants no more of it.
    Withdrawn,
}

/// What the Queen calls a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its number.
    pub lease: LeaseId,
    /// Its epoch.
    pub epoch: Epoch,
}

/// Results of a part of a lease; clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its task.
    pub task: TaskId,
    /// Which lease.
    pub ticket: Ticket,
    /// First index.
    pub from: u64,
    /// Time of one thread that went into it, in nanoseconds.
    pub spent_ns: u64,
    /// The results.
    pub output: Output,
}

impl Part {
    /// Behind the last index.
    pub fn to(&self) -> u64 {
        self.from + self.output.items()
    }
}

/// See the module.
#[derive(Default)]
pub struct Session {
    held: BTreeMap<Ticket, Held>,
    /// The ticket that was given last.
    tickets: u64,
    /// How many of `held` are to be computed.
    computing: usize,
    /// What all that is kept takes, in bytes.
    kept: usize,
    frames: Frames,
    rates: Rates,
    link: Option<Link>,
    leaving: bool,
}

/// What is asked of a session and changes nothing.
impl Session {
    /// Whether there is nothing left to do before leaving: all is computed, said and stored.
    pub fn is_over(&self) -> bool {
        self.is_said() && self.held.is_empty()
    }

    /// Whether nothing is left before leaving but to wait until what was said is stored.
    pub fn is_said(&self) -> bool {
        self.leaving && self.computing == 0 && self.link.as_ref().is_some_and(Link::is_silent)
    }

    /// Whether it takes nothing new any more.
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Leases that are computed or wait for it.
    pub fn computing(&self) -> usize {
        self.computing
    }

    /// Leases held, those included of which only the results are kept.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether no lease is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What the results that are kept take, in bytes, with something for each part's own.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Whether there is room for one more report; the pool has to wait otherwise.
    pub fn takes_reports(&self) -> bool {
        self.kept < MAX_KEPT
            && self.held.len() - self.computing < MAX_COMPUTED
            && self.link.as_ref().is_none_or(|link| link.sent() < MAX_SENT)
    }

    /// Whether the Queen may be heard: not while too many answers wait to be sent to her.
    pub fn listens(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.waiting() < MAX_WAITING)
    }

    /// Whether [`next_message`](Self::next_message) is likely to have something.
    pub fn has_messages(&self) -> bool {
        self.link.as_ref().is_some_and(Link::has_messages)
    }
}

/// Connections.
impl Session {
    /// A Queen of this epoch has welcomed the Drone: offers her what is held.
    pub fn connected(&mut self, epoch: Epoch) {
        let offer = self.held.iter().map(|(ticket, held)| (*ticket, held.offered())).collect();
        let mut link = Link::new(epoch, offer);
        if self.leaving {
            link.say(Say::Leaving);
        }
        self.link = Some(link);
    }

    /// The connection is gone, and with it all that was not sent. What is held stays held.
    pub fn disconnected(&mut self) {
        self.link = None;
        let over = self.held.iter().filter(|(_, held)| held.phase == Phase::Abandoned).map(|(ticket, _)| *ticket);
        over.collect::<Vec<_>>().into_iter().for_each(|ticket| self.forget(ticket));
    }

    /// The next thing to say, if there is any; it counts as sent from now on.
    pub fn next_message(&mut self) -> Option<Message> {
        self.link.as_mut()?.next(|ticket| self.held.contains_key(&ticket))
    }

    /// Hears the Queen; `frame` is what `message` was decoded from. Without a connection nothing
    /// is heard.
    ///
    /// # Errors
    /// If she breaks the protocol; the connection is to be closed then.
    pub fn hear(&mut self, frame: &Bytes, message: &ToDrone<'_>, effects: &mut Vec<Effect>) -> Result<(), Violation> {
        match message {
            ToDrone::Work { leases } => self.work(frame, &leases.0, effects)?,
            ToDrone::Shrink { lease, epoch, end } => self.shrink(Key { lease: *lease, epoch: *epoch }, *end, effects),
            ToDrone::Adopted { leases } => self.adopted(&leases.0, effects)?,
            ToDrone::Stored { outputs } => self.stored(*outputs)?,
            ToDrone::Drain => self.drain(effects),
            ToDrone::Heartbeat | ToDrone::Goodbye { .. } => {}
        }
        Ok(())
    }

    /// A heartbeat is due, given how far the pool is and what it has computed since it started.
    /// One that was not sent yet makes way, since this one knows more.
    pub fn heartbeat(&mut self, pool: &[Standing], compressions: u64) {
        let Some(link) = &mut self.link else { return };
        let pool: BTreeMap<Ticket, &Standing> = pool.iter().map(|standing| (standing.ticket, standing)).collect();
        let unsaid: BTreeSet<Ticket> = link.unsaid();
        let progress = |(ticket, held): (&Ticket, &Held)| {
            let standing = pool.get(ticket);
            let reached = standing.map_or(held.computed, |standing| standing.reached.max(held.computed));
            // What the pool does not know any more it has finished; the report is on its way.
            let begun = standing.is_none_or(|standing| standing.begun);
            let Key { lease, epoch } = held.key;
            let counts = held.phase == Phase::Computing || held.phase == Phase::Computed && unsaid.contains(ticket);
            counts.then(|| Progress { lease, epoch, reached: reached.min(held.to), begun })
        };
        // Before her answer the Queen knows none of the names.
        let progress = match link.is_open() {
            true => self.held.iter().filter_map(progress).collect(),
            false => Vec::new(),
        };
        link.heartbeat(Say::Heartbeat { progress, rates: self.rates.per_second(), compressions });
    }
}

/// The pool, and leaving.
impl Session {
    /// Hears the pool. To be called only while [`takes_reports`](Self::takes_reports) says so.
    pub fn report(&mut self, report: Report, effects: &mut Vec<Effect>) {
        let Report { ticket, event } = report;
        let Some(held) = self.held.get_mut(&ticket).filter(|held| held.phase == Phase::Computing) else { return };
        match event {
            Event::Failed { reason } => {
                let key = held.key;
                effects.push(Effect::Failed { reason: reason.clone() });
                self.say_now(Say::Failed { key, reason });
                self.end(ticket, End::Failed, effects);
            }
            Event::Output { from, output, kind, spent_ns, compressions } => {
                self.rates.add(kind, compressions, spent_ns);
                let part = Part { task: held.task, ticket, from, spent_ns, output };
                debug_assert_eq!(from, held.computed, "parts come in order and without gaps");
                held.computed = part.to();
                let is_done = held.computed >= held.to;
                if let Some(part) = held.keep(part) {
                    self.kept += held::size(&part);
                    let key = held.key;
                    self.say_now(Say::Output(key, part.clone()));
                    effects.push(Effect::Computed(part));
                }
                if is_done {
                    self.end(ticket, End::Done, effects);
                }
            }
        }
    }

    /// Takes nothing new from now on, and gives back what the pool has not begun.
    pub fn drain(&mut self, effects: &mut Vec<Effect>) {
        if !self.leave() {
            effects.push(Effect::Recall);
        }
    }

    /// Gives back leases that the pool has been relieved of.
    pub fn hand_back(&mut self, tickets: Vec<Ticket>, effects: &mut Vec<Effect>) {
        let mut keys = Vec::new();
        for ticket in tickets {
            if let Some(held) = self.held.get(&ticket).filter(|held| held.phase == Phase::Computing) {
                keys.push(held.key);
                self.end(ticket, End::HandedBack, effects);
            }
        }
        if !keys.is_empty() {
            self.say_now(Say::HandBack(keys));
        }
    }

    /// Gives everything back at once that is not computed.
    pub fn give_up(&mut self, effects: &mut Vec<Effect>) {
        self.leave();
        let computing = self.held.iter().filter(|(_, held)| held.phase == Phase::Computing);
        let (tickets, urgencies): (Vec<_>, Vec<_>) = computing.map(|(ticket, held)| (*ticket, held.urgency)).unzip();
        effects.extend(urgencies.into_iter().map(|urgency| Effect::Shrink { urgency, end: 0 }));
        self.hand_back(tickets, effects);
    }

    /// Whether it was leaving already.
    fn leave(&mut self) -> bool {
        if !self.leaving
            && let Some(link) = &mut self.link
        {
            link.say(Say::Leaving);
        }
        std::mem::replace(&mut self.leaving, true)
    }
}

/// What the Queen says.
impl Session {
    fn work(&mut self, frame: &Bytes, leases: &[Lease<'_>], effects: &mut Vec<Effect>) -> Result<(), Violation> {
        let Some(link) = &self.link else { return Ok(()) };
        if !link.is_open() {
            return Err(Violation::Early);
        }
        if self.leaving {
            self.say_now(Say::HandBack(leases.iter().map(key_of).collect()));
            return Ok(());
        }
        if self.computing + leases.len() > MAX_LEASES {
            return Err(Violation::TooManyLeases);
        }
        if self.frames.bytes() + frame.len() > MAX_BYTES {
            return Err(Violation::TooManyBytes);
        }
        let mut new = BTreeSet::new();
        for lease in leases {
            let key = key_of(lease);
            if link.ticket(key).is_some() || !new.insert(key) {
                return Err(Violation::Twice(lease.id.0));
            }
            let items = items(lease);
            if items == 0 || lease.to.checked_sub(lease.from) != Some(items) {
                return Err(Violation::Range { lease: lease.id.0, from: lease.from, to: lease.to, items });
            }
        }
        let number = self.frames.arrived();
        leases.iter().for_each(|lease| self.accept(number, frame, lease, effects));
        Ok(())
    }

    fn accept(&mut self, number: u64, frame: &Bytes, lease: &Lease<'_>, effects: &mut Vec<Effect>) {
        let key = key_of(lease);
        let job = match kernel::job(frame, &lease.chunk) {
            Ok(job) => job,
            Err(reason) => {
                effects.push(Effect::Failed { reason: reason.clone() });
                return self.say_now(Say::Failed { key, reason });
            }
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let urgency = Urgency { priority: Reverse(lease.priority), rank: lease.rank, ticket };
        self.held.insert(ticket, Held::new(key, urgency, lease, number));
        self.computing += 1;
        self.frames.take(number, frame.len());
        if let Some(link) = &mut self.link {
            link.name(key, ticket);
        }
        let Chunk::Digest(chunk) = &lease.chunk;
        let word = (items(lease) == 1).then(|| frame.slice_ref(chunk.inputs.bytes()));
        let note = Note { task: lease.task, from: lease.from, to: lease.to, word };
        effects.push(Effect::Start { note, assignment: Assignment { urgency, from: lease.from, job } });
    }

    fn shrink(&mut self, key: Key, end: u64, effects: &mut Vec<Effect>) {
        if let Some(ticket) = self.link.as_ref().and_then(|link| link.ticket(key)) {
            self.cut(ticket, end, effects);
        }
    }

    fn adopted(&mut self, answers: &[Option<Adoption>], effects: &mut Vec<Effect>) -> Result<(), Violation> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let epoch = link.epoch();
        let offer = link.answered(answers)?;
        let (offered, taken) = (offer.len(), answers.iter().flatten().count());
        let mut over = Vec::new();
        for ((ticket, _), answer) in offer.into_iter().zip(answers) {
            match answer {
                None => self.unwanted(ticket, effects),
                Some(adoption) if self.held.contains_key(&ticket) => self.resume(ticket, epoch, adoption, effects),
                // It failed or was given back while the Queen thought about it.
                Some(adoption) => over.push(Key { lease: adoption.lease, epoch }),
            }
        }
        if !over.is_empty() {
            self.say_now(Say::HandBack(over));
        }
        if offered > 0 {
            effects.push(Effect::Adopted { taken, offered });
        }
        Ok(())
    }

    /// Goes on with a lease under its new name, and says again what is not known to be stored.
    fn resume(&mut self, ticket: Ticket, epoch: Epoch, adoption: &Adoption, effects: &mut Vec<Effect>) {
        let (Some(held), Some(link)) = (self.held.get_mut(&ticket), &mut self.link) else { return };
        let key = Key { lease: adoption.lease, epoch };
        link.name(key, ticket);
        self.kept -= held.kept();
        held.adopt(key, adoption);
        self.kept += held.kept();
        held.parts().for_each(|part| link.say(Say::Output(key, part.clone())));
        self.cut(ticket, adoption.to, effects);
    }

    fn stored(&mut self, outputs: u64) -> Result<(), Violation> {
        let Some(link) = &mut self.link else { return Ok(()) };
        for ticket in link.stored(outputs)? {
            if let Some(held) = self.held.get_mut(&ticket) {
                self.kept -= held.stored();
            }
            self.settle(ticket);
        }
        Ok(())
    }
}

/// The lives of leases.
impl Session {
    /// Says something that means nothing on any other connection: only if she hears it now.
    fn say_now(&mut self, say: Say) {
        if let Some(link) = self.link.as_mut().filter(|link| link.is_open()) {
            link.say(say);
        }
    }

    /// Nothing is wanted from index `end` on.
    fn cut(&mut self, ticket: Ticket, end: u64, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.get_mut(&ticket) else { return };
        if end < held.to {
            held.to = end;
            if held.phase == Phase::Computing {
                effects.push(Effect::Shrink { urgency: held.urgency, end });
            }
        }
        if held.computed >= held.to {
            self.end(ticket, End::Withdrawn, effects);
        }
        self.settle(ticket);
    }

    /// Nothing is wanted of it at all.
    fn unwanted(&mut self, ticket: Ticket, effects: &mut Vec<Effect>) {
        self.cut(ticket, 0, effects);
    }

    /// Nothing more of it is computed.
    fn end(&mut self, ticket: Ticket, end: End, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.get_mut(&ticket).filter(|held| held.phase == Phase::Computing) else { return };
        held.phase = match end {
            End::Done | End::Withdrawn => Phase::Computed,
            End::Failed | End::HandedBack => Phase::Abandoned,
        };
        self.computing -= 1;
        self.frames.release(held.frame);
        effects.push(Effect::Ended { task: held.task, ticket, end });
        self.settle(ticket);
    }

    /// Forgets it if nothing of it will be asked for.
    fn settle(&mut self, ticket: Ticket) {
        let is_open = self.link.as_ref().is_some_and(Link::is_open);
        let is_over = self.held.get(&ticket).is_some_and(|held| match held.phase {
            Phase::Computing => false,
            Phase::Computed => held.from >= held.to,
            Phase::Abandoned => held.kept() == 0 || !is_open,
        });
        if is_over {
            self.forget(ticket);
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        let Some(held) = self.held.remove(&ticket) else { return };
        self.kept -= held.kept();
        if let Some(link) = &mut self.link {
            link.forget(held.key, ticket);
        }
    }
}

fn key_of(lease: &Lease<'_>) -> Key {
    Key { lease: lease.id, epoch: lease.epoch }
}

fn items(lease: &Lease<'_>) -> u64 {
    let Chunk::Digest(chunk) = &lease.chunk;
    chunk.inputs.len() as u64
}
