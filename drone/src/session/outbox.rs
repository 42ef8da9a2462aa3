//! What waits to be sent, and how it shares frames.

use std::collections::VecDeque;

use wire::List;
use wire::material::KeptMaterial;
use wire::message::{MAX_REASON, Offered, Output, Progress, ToQueen};

use super::part::{Key, Part};
use crate::pool::{Ticket, Worked};

/// Outputs share a frame up to this size, in bytes; a longer one goes alone.
const MAX_SHARED_BYTES: usize = 256 << 10;

/// Results that are no longer than this are short, in bytes.
const MAX_SHORT_BYTES: usize = 4 << 10;

/// An upper bound of what an output takes besides its results, in bytes.
const OUTPUT_HEADER_BYTES: usize = 64;

/// What is to be said to the Queen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// What is held from connections before: leases, and material.
    Offer(Vec<Offered>, Vec<KeptMaterial>),
    /// Results, and what the lease is called.
    Output(Key, Part),
    /// A lease cannot be computed.
    Failed {
        /// Which lease.
        key: Key,
        /// Why, for people.
        reason: String,
    },
    /// Leases are given back.
    HandBack(Vec<Key>),
    /// The Drone's sign of life, with how far it is.
    Heartbeat {
        /// How far each lease is of which something is to be computed or said.
        progress: Vec<Progress>,
        /// What all threads have done since the Drone started.
        worked: Worked,
    },
    /// The Drone takes nothing new.
    Leaving,
}

/// One frame's worth of what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Results that share a frame.
    Outputs(Vec<(Key, Part)>),
    /// Anything else.
    Other(Statement),
}

/// What may be said on a connection at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// The offer and the heartbeat alone, until the Queen has answered the offer.
    Opening,
    /// All but long results, while the Queen has not stored enough of what was sent.
    Short,
    All,
}

/// In the order in which it is to be said; but the offer and the heartbeat overtake the rest, and
/// short results of whole leases overtake long ones: somebody may wait for a word.
pub(super) struct Outbox {
    offer: Option<Statement>,
    heartbeat: Option<Statement>,
    /// Results that are all that there is of their leases, and short.
    short: VecDeque<Statement>,
    rest: VecDeque<Statement>,
    /// The last frame was of `short`, so that the next one need not be.
    was_short: bool,
    /// How many of the rest are not results.
    others: usize,
}

impl Outbox {
    pub(super) fn new(offer: Statement) -> Self {
        let (short, rest) = Default::default();
        Self { offer: Some(offer), heartbeat: None, short, rest, was_short: false, others: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.offer.is_none() && self.heartbeat.is_none() && self.short.is_empty() && self.rest.is_empty()
    }

    /// Whether there may be something to pop; see [`pop`](Self::pop).
    pub(super) fn has_messages(&self, allowed: Allowed) -> bool {
        let has_more = || !self.short.is_empty() || self.has_rest(allowed);
        self.offer.is_some() || self.heartbeat.is_some() || allowed != Allowed::Opening && has_more()
    }

    /// Whether there is something to say of the rest.
    fn has_rest(&self, allowed: Allowed) -> bool {
        self.rest
            .front()
            .is_some_and(|statement| allowed == Allowed::All || !matches!(statement, Statement::Output(..)))
    }

    /// How many messages wait that are neither results nor a heartbeat.
    pub(super) fn others(&self) -> usize {
        self.others
    }

    /// The results that wait.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Part> {
        self.short
            .iter()
            .chain(&self.rest)
            .filter_map(|statement| if let Statement::Output(_, part) = statement { Some(part) } else { None })
    }

    /// Says all results that there are of a lease.
    pub(super) fn push_whole(&mut self, key: Key, part: Part) {
        match part.output.size() <= MAX_SHORT_BYTES {
            true => self.short.push_back(Statement::Output(key, part)),
            false => self.push(Statement::Output(key, part)),
        }
    }

    pub(super) fn push(&mut self, statement: Statement) {
        self.others += usize::from(!matches!(statement, Statement::Output(..)));
        self.rest.push_back(statement);
    }

    /// One that still waits makes way.
    pub(super) fn set_heartbeat(&mut self, heartbeat: Statement) {
        self.heartbeat = Some(heartbeat);
    }

    /// The next frame of what may be said.
    pub(super) fn pop(&mut self, allowed: Allowed, is_held: impl Fn(Ticket) -> bool) -> Option<Message> {
        let first = self.offer.take().or_else(|| self.heartbeat.take());
        if first.is_some() || allowed == Allowed::Opening {
            return first.map(Message::Other);
        }
        let unwanted =
            |statement: &mut Statement| matches!(statement, Statement::Output(_, part) if !is_held(part.ticket));
        for queue in [&mut self.short, &mut self.rest] {
            while queue.pop_front_if(unwanted).is_some() {}
        }
        let has_rest = self.has_rest(allowed);
        self.was_short = !(self.short.is_empty() || has_rest && self.was_short);
        let queue = match self.was_short {
            true => &mut self.short,
            false if has_rest => &mut self.rest,
            false => return None,
        };
        let (mut parts, mut size) = (Vec::new(), 0);
        loop {
            let fits = |statement: &mut Statement| match statement {
                Statement::Output(_, part) => {
                    size += OUTPUT_HEADER_BYTES + part.output.size();
                    parts.is_empty() || size <= MAX_SHARED_BYTES && parts.len() < List::<Output<'_>>::MAX
                }
                _ => parts.is_empty(),
            };
            match queue.pop_front_if(fits) {
                Some(Statement::Output(key, part)) => parts.push((key, part)),
                Some(other) => {
                    self.others -= 1;
                    return Some(Message::Other(other));
                }
                None => return (!parts.is_empty()).then_some(Message::Outputs(parts)),
            }
            while queue.pop_front_if(unwanted).is_some() {}
        }
    }
}

impl Message {
    /// As it goes onto the wire; [`wire::frame::encode`] makes a frame of it.
    pub fn to_wire(&self) -> ToQueen<'_> {
        let statement = match self {
            Self::Outputs(parts) => {
                let outputs = parts.iter().filter_map(|(key, part)| output(*key, part));
                return ToQueen::Outputs { outputs: List(outputs.collect()) };
            }
            Self::Other(statement) => statement,
        };
        match statement {
            Statement::Offer(leases, material) => {
                ToQueen::Offer { leases: leases.clone().into(), material: material.clone().into() }
            }
            Statement::Output(key, part) => ToQueen::Outputs { outputs: Vec::from_iter(output(*key, part)).into() },
            Statement::Failed { key: Key { lease, epoch }, reason } => {
                let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
                ToQueen::Failed { lease: *lease, epoch: *epoch, reason }
            }
            Statement::HandBack(keys) => {
                let leases: Vec<_> = keys.iter().map(|key| (key.lease, key.epoch)).collect();
                ToQueen::HandBack { leases: leases.into() }
            }
            Statement::Heartbeat { progress, worked } => ToQueen::Heartbeat {
                progress: progress.clone().into(),
                compressions: worked.compressions,
                busy_ns: worked.busy_ns,
            },
            Statement::Leaving => ToQueen::Leaving,
        }
    }
}

fn output(key: Key, part: &Part) -> Option<Output<'_>> {
    let Key { lease, epoch } = key;
    let (from, to, spent_ns) = (part.from, part.to(), part.spent_ns);
    Some(Output { lease, epoch, from, to, spent_ns, output: part.output.as_wire()? })
}

#[cfg(test)]
mod tests {
    use wire::frame::{self, MAX_TO_QUEEN};
    use wire::ids::{Epoch, LeaseId, TaskId};

    use super::*;
    use crate::kernel;

    fn part(lease: u64, items: usize) -> Statement {
        let output = kernel::Output::Digests(vec![0; 32 * items].into());
        let key = Key { lease: LeaseId(lease), epoch: Epoch(1) };
        Statement::Output(key, Part { task: TaskId(1), ticket: Ticket(lease), from: 0, spent_ns: 1, output })
    }

    fn outbox(statements: impl IntoIterator<Item = Statement>) -> Outbox {
        let mut outbox = Outbox::new(Statement::Offer(Vec::new(), Vec::new()));
        statements.into_iter().for_each(|statement| outbox.push(statement));
        outbox.pop(Allowed::Opening, |_| true);
        outbox
    }

    fn sizes(statements: Vec<Statement>) -> Vec<usize> {
        let mut outbox = outbox(statements);
        let messages = std::iter::from_fn(|| outbox.pop(Allowed::All, |ticket| ticket != Ticket(99)));
        messages.map(|message| if let Message::Outputs(parts) = message { parts.len() } else { 0 }).collect()
    }

    #[test]
    fn small_outputs_share_a_frame_and_large_ones_go_alone() {
        assert_eq!(sizes((0..99).map(|lease| part(lease, 1)).collect()), [99]);
        assert_eq!(sizes(vec![part(1, 1), part(2, 40_000), part(3, 1), part(4, 1)]), [1, 1, 2]);
    }

    #[test]
    fn a_word_overtakes_long_results_which_take_turns_with_words() {
        let whole = |outbox: &mut Outbox, lease| match part(lease, 1) {
            Statement::Output(key, part) => outbox.push_whole(key, part),
            _ => unreachable!(),
        };
        let mut outbox = outbox([part(1, 40_000), part(2, 40_000)]);
        whole(&mut outbox, 3);
        whole(&mut outbox, 4);
        let mut next = || match outbox.pop(Allowed::All, |_| true) {
            Some(Message::Outputs(parts)) => parts.iter().map(|(key, _)| key.lease.0).collect(),
            _ => Vec::new(),
        };
        assert_eq!((next(), next()), (vec![3, 4], vec![1]));
        whole(&mut outbox, 5);
        whole(&mut outbox, 99);
        let mut next = || match outbox.pop(Allowed::All, |ticket| ticket != Ticket(99)) {
            Some(Message::Outputs(parts)) => parts.iter().map(|(key, _)| key.lease.0).collect(),
            _ => Vec::new(),
        };
        assert_eq!((next(), next(), next()), (vec![5], vec![2], vec![]));
        assert!(outbox.is_empty());
    }

    #[test]
    fn long_results_wait_and_the_rest_does_not() {
        let Statement::Output(key, word) = part(3, 1) else { unreachable!() };
        let mut outbox = outbox([Statement::Leaving, part(1, 40_000), Statement::Leaving]);
        outbox.push_whole(key, word.clone());
        let mut next = |allowed| outbox.has_messages(allowed).then(|| outbox.pop(allowed, |_| true)).flatten();
        assert_eq!(next(Allowed::Short), Some(Message::Outputs(vec![(key, word)])));
        assert_eq!(next(Allowed::Short), Some(Message::Other(Statement::Leaving)));
        assert!(!outbox.has_messages(Allowed::Short));
        assert_eq!(outbox.pop(Allowed::Short, |_| true), None);
        let mut next = || outbox.has_messages(Allowed::All).then(|| outbox.pop(Allowed::All, |_| true)).flatten();
        assert!(matches!(next(), Some(Message::Outputs(_))));
        assert_eq!((next(), next()), (Some(Message::Other(Statement::Leaving)), None));
    }

    #[test]
    fn the_order_is_kept_and_what_nobody_wants_is_passed_over() {
        let statements = vec![part(1, 1), part(99, 1), part(2, 1), Statement::Leaving, part(3, 1), part(99, 1)];
        assert_eq!(sizes(statements), [2, 0, 1]);
        assert!(sizes(vec![part(99, 1)]).is_empty());
    }

    #[test]
    fn the_offer_comes_first_and_a_heartbeat_overtakes_results() {
        let beat = |compressions| {
            let worked = Worked { compressions, busy_ns: 0 };
            Statement::Heartbeat { progress: Vec::new(), worked }
        };
        let mut outbox = outbox([part(1, 1)]);
        outbox.set_heartbeat(beat(1));
        outbox.set_heartbeat(beat(2));
        assert!(outbox.has_messages(Allowed::Opening));
        assert_eq!(outbox.pop(Allowed::Opening, |_| true), Some(Message::Other(beat(2))));
        assert!(!outbox.has_messages(Allowed::Opening));
        assert_eq!(outbox.pop(Allowed::Opening, |_| true), None);
        assert!(matches!(outbox.pop(Allowed::All, |_| true), Some(Message::Outputs(_))));
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_shared_frame_is_at_most_a_mebibyte() {
        let mut outbox = outbox((0..100_000).map(|lease| part(u64::MAX - lease, 1)));
        let mut count = 0;
        while let Some(message) = outbox.pop(Allowed::All, |_| true) {
            let mut bytes = Vec::new();
            frame::encode(&message.to_wire(), MAX_TO_QUEEN, &mut bytes).unwrap();
            assert!(bytes.len() <= MAX_SHARED_BYTES);
            count += if let Message::Outputs(parts) = message { parts.len() } else { 0 };
        }
        assert_eq!(count, 100_000);
    }
}
