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
mod queen;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use wire::List;
use wire::ids::Epoch;
use wire::message::{Offered, Progress};

use self::held::{Frames, Held, Phase};
use self::link::Link;
pub use self::outbox::{Message, Say};
pub use self::words::{Effect, End, Key, Note, Part, Violation};
use crate::pool::{Outcome, Report, Standing, Ticket, Worked};

/// Leases that may be computed or wait for it; a Queen that deals out more breaks the protocol.
pub const MAX_LEASES: usize = 4096;

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

    /// Whether the Queen has answered the offer, before which she is told little.
    pub fn is_open(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_open)
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
        self.link.as_ref().is_some_and(|link| link.has_messages(self.leaving))
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
        self.link.as_mut()?.next(self.leaving, |ticket| self.held.contains_key(&ticket))
    }

    /// A heartbeat is due, given how far the pool is and what it has computed since it started.
    /// One that was not sent yet makes way, since this one knows more.
    pub fn heartbeat(&mut self, pool: &[Standing], worked: Worked) {
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
        link.heartbeat(Say::Heartbeat { progress, worked });
    }
}

/// The pool, and leaving.
impl Session {
    /// Hears the pool. To be called only while [`takes_reports`](Self::takes_reports) says so.
    pub fn report(&mut self, report: Report, effects: &mut Vec<Effect>) {
        let Report { ticket, outcome } = report;
        let Some(held) = self.held.get_mut(&ticket).filter(|held| held.phase == Phase::Computing) else { return };
        match outcome {
            Outcome::Failed { reason } => {
                let key = held.key;
                effects.push(Effect::Failed { reason: reason.clone() });
                self.say_now(Say::Failed { key, reason });
                self.end(ticket, End::Failed, effects);
            }
            Outcome::Output { from, output, spent_ns } => {
                debug_assert_eq!(from, held.computed, "parts come in order and without gaps");
                let whole = Part { task: held.task, ticket, from, spent_ns, output };
                whole.split().for_each(|part| self.computed(part, effects));
            }
        }
    }

    /// Keeps and says the next results of a lease.
    fn computed(&mut self, part: Part, effects: &mut Vec<Effect>) {
        let (ticket, from) = (part.ticket, part.from);
        let Some(held) = self.held.get_mut(&ticket) else { return };
        held.computed = part.to();
        let is_done = held.computed >= held.to;
        let is_whole = is_done && from <= held.from;
        if let Some(part) = held.keep(part) {
            self.kept += held::size(&part);
            let key = held.key;
            if let Some(link) = self.open_link() {
                match is_whole {
                    true => link.say_whole(key, part.clone()),
                    false => link.say(Say::Output(key, part.clone())),
                }
            }
            effects.push(Effect::Computed(part));
        }
        if is_done {
            self.end(ticket, End::Done, effects);
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

/// The lives of leases.
impl Session {
    /// Says something that means nothing on any other connection: only if she hears it now.
    fn say_now(&mut self, say: Say) {
        if let Some(link) = self.open_link() {
            link.say(say);
        }
    }

    /// The connection, if the offer was answered.
    fn open_link(&mut self) -> Option<&mut Link> {
        self.link.as_mut().filter(|link| link.is_open())
    }

    /// Nothing is wanted from index `end` on.
    fn cut(&mut self, ticket: Ticket, end: u64, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.get_mut(&ticket) else { return };
        if end < held.to {
            held.to = end;
            if held.phase == Phase::Computing {
                // Of an adopted lease the pool may still be below what is wanted.
                let end = if held.from < end { end } else { 0 };
                effects.push(Effect::Shrink { urgency: held.urgency, end });
            }
        }
        if held.computed.max(held.from) >= held.to {
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
        let is_open = self.is_open();
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
