//! What is true of one connection only, and dies with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::ids::Epoch;
use wire::material::KeptMaterial;
use wire::message::{Adoption, Offered};

use super::limits::MAX_WAITING;
use super::outbox::{Allowed, Message, Outbox, Statement};
use super::part::{Key, Part};
use super::violation::Violation;
use crate::pool::Ticket;

/// Long results are said only while less than this is sent and not stored, in bytes. While the
/// Queen's disk is behind she takes nothing more in: what she has not read by then is in front of a
/// word's result, which here would overtake it.
const WINDOW_BYTES: usize = 4 << 20;

/// What was said and is to be said on one connection.
pub(super) struct Link {
    /// The Queen's, from her welcome.
    epoch: Epoch,
    /// What was offered, until she has answered. Little is said before that.
    offer: Option<Vec<(Ticket, Offered)>>,
    /// What she calls the leases.
    names: BTreeMap<Key, Ticket>,
    outbox: Outbox,
    /// Whose output each one was that was sent and is not stored yet, and its size, in order.
    sent: VecDeque<(Ticket, usize)>,
    /// What those take, in bytes.
    unstored_bytes: usize,
    /// How many outputs of this connection are stored.
    stored_outputs: u64,
}

impl Link {
    pub(super) fn new(epoch: Epoch, offer: Vec<(Ticket, Offered)>, material: Vec<KeptMaterial>) -> Self {
        let leases = offer.iter().map(|(_, offered)| *offered).collect();
        let (names, sent) = Default::default();
        Self {
            epoch,
            offer: Some(offer),
            names,
            outbox: Outbox::new(Statement::Offer(leases, material)),
            sent,
            unstored_bytes: 0,
            stored_outputs: 0,
        }
    }

    /// Whether the offer was answered.
    pub(super) fn is_open(&self) -> bool {
        self.offer.is_none()
    }

    /// Whether nothing waits to be said or answered.
    pub(super) fn is_silent(&self) -> bool {
        self.is_open() && self.outbox.is_empty()
    }

    /// Whether there may be something to say; `is_leaving` as with [`next`](Self::next).
    pub(super) fn has_messages(&self, is_leaving: bool) -> bool {
        self.outbox.has_messages(self.may_say(is_leaving))
    }

    fn may_say(&self, is_leaving: bool) -> Allowed {
        match self.is_open() {
            false => Allowed::Opening,
            // With so much waiting the session does not listen, and so would not hear that something was stored.
            true if is_leaving || self.unstored_bytes < WINDOW_BYTES || self.waiting() >= MAX_WAITING => Allowed::All,
            true => Allowed::Short,
        }
    }

    /// Messages other than results that wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.others()
    }

    /// Outputs that were sent and are not stored yet.
    pub(super) fn sent(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn ticket(&self, key: Key) -> Option<Ticket> {
        self.names.get(&key).copied()
    }

    pub(super) fn name(&mut self, key: Key, ticket: Ticket) {
        self.names.insert(key, ticket);
    }

    /// Forgets a name. Before her answer, a lease still has one of a connection before.
    pub(super) fn forget(&mut self, key: Key, ticket: Ticket) {
        if self.ticket(key) == Some(ticket) {
            self.names.remove(&key);
        }
    }

    /// Whose results wait to be said.
    pub(super) fn unsaid(&self) -> BTreeSet<Ticket> {
        self.outbox.outputs().map(|part| part.ticket).collect()
    }

    pub(super) fn say(&mut self, statement: Statement) {
        self.outbox.push(statement);
    }

    /// Says all results that there are of a lease.
    pub(super) fn say_whole(&mut self, key: Key, part: Part) {
        self.outbox.push_whole(key, part);
    }

    pub(super) fn heartbeat(&mut self, heartbeat: Statement) {
        self.outbox.set_heartbeat(heartbeat);
    }

    /// The next message; results of leases that are not held any more are passed over. Who leaves does
    /// not mind how much is not stored.
    pub(super) fn next(&mut self, is_leaving: bool, is_held: impl Fn(Ticket) -> bool) -> Option<Message> {
        let message = self.outbox.pop(self.may_say(is_leaving), is_held)?;
        if let Message::Outputs(parts) = &message {
            for (_, part) in parts {
                let size = part.output.size();
                self.sent.push_back((part.ticket, size));
                self.unstored_bytes += size;
            }
        }
        Some(message)
    }

    /// Takes the answers to the offer, if they fit it, and returns what they are about.
    pub(super) fn answered(&mut self, answers: &[Option<Adoption>]) -> Result<Vec<(Ticket, Offered)>, Violation> {
        let offer = self.offer.as_ref().ok_or(Violation::Unasked)?;
        if offer.len() != answers.len() {
            return Err(Violation::Answers { answers: answers.len(), offered: offer.len() });
        }
        let mut numbers = BTreeSet::new();
        for ((_, offered), answer) in offer.iter().zip(answers) {
            let Some(Adoption { lease, from, to }) = *answer else { continue };
            if offered.from > from || from >= to || to > offered.to {
                return Err(Violation::Adoption { lease: lease.0, from, to });
            }
            if !numbers.insert(lease) {
                return Err(Violation::Twice(lease.0));
            }
        }
        Ok(self.offer.take().unwrap_or_default())
    }

    /// The first `outputs` outputs are stored: whose the newly stored ones were, in order.
    pub(super) fn receipt(&mut self, outputs: u64) -> Result<Vec<Ticket>, Violation> {
        let sent = self.stored_outputs + self.sent.len() as u64;
        if outputs > sent {
            return Err(Violation::Receipt { stored: outputs, sent });
        }
        // An older receipt says nothing new.
        let new = outputs.saturating_sub(self.stored_outputs);
        self.stored_outputs += new;
        let (tickets, sizes): (Vec<_>, Vec<_>) = self.sent.drain(..new as usize).unzip();
        self.unstored_bytes -= sizes.iter().sum::<usize>();
        Ok(tickets)
    }
}
