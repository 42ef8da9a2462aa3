//! What a session holds, and what becomes of its leases.

use std::collections::BTreeMap;

use wire::ids::Epoch;

use super::effect::{Effect, End};
use super::frames::Frames;
use super::held::{HeldLease, Phase};
use super::limits::{MAX_COMPUTED, MAX_KEPT_BYTES, MAX_SENT, MAX_WAITING};
use super::link::Link;
use super::material::Materials;
use super::outbox::{Message, Statement};
use crate::pool::Ticket;

/// What a Drone holds over all its connections; see [`crate::session`].
#[derive(Default)]
pub struct Session {
    pub(super) held: BTreeMap<Ticket, HeldLease>,
    /// The ticket that was given last.
    pub(super) tickets: u64,
    /// How many of `held` are to be computed.
    pub(super) computing: usize,
    /// What all that is kept takes, in bytes.
    pub(super) kept_bytes: usize,
    pub(super) frames: Frames,
    pub(super) materials: Materials,
    pub(super) link: Option<Link>,
    pub(super) leaving: bool,
}

/// Questions that change nothing.
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
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Whether there is room for one more report; the pool has to wait otherwise.
    pub fn takes_reports(&self) -> bool {
        self.kept_bytes < MAX_KEPT_BYTES
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

/// What the beginning and the end of a connection change.
impl Session {
    /// A Queen of this epoch has welcomed the Drone: offers her what is held.
    pub fn connected(&mut self, epoch: Epoch) {
        let offer = self.held.iter().map(|(ticket, held)| (*ticket, held.offered())).collect();
        let mut link = Link::new(epoch, offer, self.materials.kept());
        if self.leaving {
            link.say(Statement::Leaving);
        }
        self.link = Some(link);
    }

    /// The connection is gone, and with it all that was not sent. What is held stays held.
    pub fn disconnected(&mut self) {
        self.link = None;
        let over = self.held.iter().filter(|(_, held)| held.phase == Phase::Abandoned).map(|(ticket, _)| *ticket);
        over.collect::<Vec<_>>().into_iter().for_each(|ticket| self.forget(ticket));
        self.drop_material();
    }

    /// The next thing to say, if there is any; it counts as sent from now on.
    pub fn next_message(&mut self) -> Option<Message> {
        self.link.as_mut()?.next(self.leaving, |ticket| self.held.contains_key(&ticket))
    }
}

/// What becomes of leases.
impl Session {
    /// Says something that means nothing on any other connection: only if the Queen can be told now.
    pub(super) fn say_now(&mut self, statement: Statement) {
        if let Some(link) = self.open_link() {
            link.say(statement);
        }
    }

    /// The connection, if the offer was answered.
    pub(super) fn open_link(&mut self) -> Option<&mut Link> {
        self.link.as_mut().filter(|link| link.is_open())
    }

    /// Ends a lease before index `end`, from which on nothing is wanted.
    pub(super) fn truncate(&mut self, ticket: Ticket, end: u64, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.get_mut(&ticket) else { return };
        if end < held.to {
            held.to = end;
            if held.phase == Phase::Computing {
                // Of an adopted lease the pool may still be below what is wanted.
                let end = if held.from < end { end } else { 0 };
                effects.push(Effect::Shrink { urgency: held.urgency, end });
            }
        }
        if held.reported.max(held.from) >= held.to {
            self.end(ticket, End::Withdrawn, effects);
        }
        self.forget_if_over(ticket);
    }

    /// Ends a lease of which nothing is wanted at all.
    pub(super) fn withdraw(&mut self, ticket: Ticket, effects: &mut Vec<Effect>) {
        self.truncate(ticket, 0, effects);
    }

    /// Ends a lease of which nothing more is computed.
    pub(super) fn end(&mut self, ticket: Ticket, end: End, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.get_mut(&ticket).filter(|held| held.phase == Phase::Computing) else { return };
        held.phase = match end {
            End::Done | End::Withdrawn => Phase::Computed,
            End::Failed | End::HandedBack => Phase::Abandoned,
        };
        self.computing -= 1;
        self.frames.remove_lease(held.frame);
        let (task, material) = (held.task, held.material);
        if let Some(material) = material {
            self.frames.remove_lease(material);
            self.drop_material();
        }
        effects.push(Effect::Ended { task, ticket, end });
        self.forget_if_over(ticket);
    }

    /// Drops material that no lease needs and none can name any more: that is all of it if there is no connection.
    pub(super) fn drop_material(&mut self) {
        self.materials.tidy(|number| self.frames.is_needed(number));
        if self.link.is_none() {
            self.materials.retain(|number| self.frames.is_needed(number));
        }
    }

    /// Forgets a lease of which nothing more will be asked for.
    pub(super) fn forget_if_over(&mut self, ticket: Ticket) {
        let is_open = self.is_open();
        let is_over = self.held.get(&ticket).is_some_and(|held| match held.phase {
            Phase::Computing => false,
            Phase::Computed => held.from >= held.to,
            Phase::Abandoned => held.kept_bytes() == 0 || !is_open,
        });
        if is_over {
            self.forget(ticket);
        }
    }

    pub(super) fn forget(&mut self, ticket: Ticket) {
        let Some(held) = self.held.remove(&ticket) else { return };
        self.kept_bytes -= held.kept_bytes();
        if let Some(link) = &mut self.link {
            link.forget(held.key, ticket);
        }
    }
}
