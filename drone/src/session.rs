//! What a Drone holds, and what follows from what it hears. Pure: no socket, no thread, no clock.
//!
//! Messages of the Queen and reports of the pool go in, [`Effect`]s come out. A lease is held
//! from its acceptance until it ends in exactly one way (see [`End`]); what comes about it
//! later is ignored.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bytes::Bytes;
use wire::ids::TaskId;
use wire::message::{Lease, Progress, Rate, ToDrone};
use wire::work::{Chunk, Kind};

use crate::kernel::{self, Output};
use crate::pool::{Assignment, Event, Key, Report, Urgency};

/// Leases that may be held; a Queen that deals out more breaks the protocol.
pub(crate) const MAX_LEASES: usize = 16_384;

/// Bytes of the frames whose leases are held; likewise.
pub(crate) const MAX_BYTES: usize = 256 << 20;

/// Compute time after which what was measured counts half, in nanoseconds.
const RATE_WINDOW_NS: u64 = 4_000_000_000;

/// How the Queen broke the protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Violation {
    #[error("she leased more than {MAX_LEASES} chunks at once")]
    TooManyLeases,
    #[error("she leased more than {} MiB of work at once", MAX_BYTES >> 20)]
    TooManyBytes,
    #[error("she leased {0} twice")]
    Twice(u64),
    #[error("lease {lease} is for the indices {from} to {to}, but brings {items} items")]
    Range { lease: u64, from: u64, to: u64, items: u64 },
}

/// What is to be done.
pub(crate) enum Effect {
    /// Compute this.
    Start { note: Note, assignment: Assignment },
    /// Compute less.
    Shrink { urgency: Urgency, end: u64 },
    /// Tell the Queen.
    Say(Say),
    /// Nothing: a lease is no longer held.
    Ended { task: TaskId, key: Key, end: End },
}

/// What people may be told of a lease.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) task: TaskId,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The input, if there is only one.
    pub(crate) word: Option<Bytes>,
}

/// The ways in which a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything wanted of it was said.
    Done,
    /// It could not be computed.
    Failed,
    /// It was given back.
    HandedBack,
    /// The Queen wants no more of it.
    Withdrawn,
}

/// What is to be said to the Queen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Say {
    Output(Part),
    Failed { key: Key, reason: String },
    HandBack(Vec<Key>),
    Heartbeat { progress: Vec<Progress>, rates: Vec<Rate> },
    Leaving,
}

/// Results of a part of a lease.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) task: TaskId,
    pub(crate) key: Key,
    pub(crate) from: u64,
    pub(crate) spent_ns: u64,
    pub(crate) output: Output,
}

impl Part {
    /// Behind the last index.
    pub(crate) fn to(&self) -> u64 {
        self.from + self.output.items()
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Session {
    held: BTreeMap<Key, Held>,
    /// Frames that leases keep in memory, by their number in order of arrival.
    frames: BTreeMap<u64, Frame>,
    frames_seen: u64,
    bytes: usize,
    rates: BTreeMap<Kind, Measured>,
    leaving: bool,
}

struct Held {
    task: TaskId,
    urgency: Urgency,
    /// Results below this index were said.
    said: u64,
    to: u64,
    frame: u64,
}

struct Frame {
    bytes: usize,
    leases: usize,
}

#[derive(Default)]
struct Measured {
    compressions: u64,
    spent_ns: u64,
}

impl Session {
    /// Whether there is nothing left to do before leaving.
    pub(crate) fn is_over(&self) -> bool {
        self.leaving && self.held.is_empty()
    }

    /// Leases held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Hears the Queen; `frame` is what `message` was decoded from.
    ///
    /// # Errors
    /// If she breaks the protocol; the connection is to be closed then.
    pub(crate) fn hear(
        &mut self,
        frame: &Bytes,
        message: &ToDrone<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        match message {
            ToDrone::Work { leases } if self.leaving => {
                let keys = leases.0.iter().map(key_of).collect();
                effects.push(Effect::Say(Say::HandBack(keys)));
            }
            ToDrone::Work { leases } => {
                let number = self.frames_seen;
                self.frames_seen += 1;
                for lease in &leases.0 {
                    self.accept(number, frame, lease, effects)?;
                }
            }
            ToDrone::Shrink { lease, epoch, end } => self.shrink(Key { lease: *lease, epoch: *epoch }, *end, effects),
            ToDrone::Heartbeat
            | ToDrone::Goodbye { .. }
            | ToDrone::Adopted { .. }
            | ToDrone::Stored { .. }
            | ToDrone::Drain => {}
        }
        Ok(())
    }

    /// Hears the pool.
    pub(crate) fn report(&mut self, report: Report, effects: &mut Vec<Effect>) {
        let Report { key, event } = report;
        let Some(held) = self.held.get_mut(&key) else { return };
        match event {
            Event::Failed { reason } => {
                effects.push(Effect::Say(Say::Failed { key, reason }));
                self.end(key, End::Failed, effects);
            }
            Event::Output { from, mut output, kind, spent_ns, compressions } => {
                let measured = self.rates.entry(kind).or_default();
                measured.add(compressions, spent_ns);
                debug_assert_eq!(from, held.said, "parts come in order and without gaps");
                output.truncate(held.to.saturating_sub(from));
                let part = Part { task: held.task, key, from, spent_ns, output };
                held.said = part.to();
                let is_done = held.said >= held.to;
                effects.push(Effect::Say(Say::Output(part)));
                if is_done {
                    self.end(key, End::Done, effects);
                }
            }
        }
    }

    /// Takes nothing new from now on. The shell then recalls what the pool has not begun.
    pub(crate) fn drain(&mut self, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.leaving, true) {
            effects.push(Effect::Say(Say::Leaving));
        }
    }

    /// Gives back leases that the pool has been relieved of.
    pub(crate) fn hand_back(&mut self, keys: Vec<Key>, effects: &mut Vec<Effect>) {
        let keys: Vec<_> = keys.into_iter().filter(|key| self.held.contains_key(key)).collect();
        for key in &keys {
            self.end(*key, End::HandedBack, effects);
        }
        if !keys.is_empty() {
            effects.push(Effect::Say(Say::HandBack(keys)));
        }
    }

    /// Gives everything back at once.
    pub(crate) fn give_up(&mut self, effects: &mut Vec<Effect>) {
        self.drain(effects);
        for held in self.held.values() {
            effects.push(Effect::Shrink { urgency: held.urgency, end: 0 });
        }
        self.hand_back(self.held.keys().copied().collect(), effects);
    }

    /// What a heartbeat says, given how far the pool is. What the pool has finished is still
    /// held until its results are said.
    pub(crate) fn heartbeat(&self, pool: Vec<(Key, u64)>) -> Say {
        let pool: BTreeMap<Key, u64> = pool.into_iter().collect();
        let progress = self.held.iter().map(|(key, held)| {
            let reached = pool.get(key).map_or(held.said, |reached| held.said.max(*reached));
            Progress { lease: key.lease, epoch: key.epoch, reached: reached.min(held.to), begun: false }
        });
        let rates = self
            .rates
            .iter()
            .filter_map(|(kind, measured)| Some(Rate { kind: *kind, compressions_per_second: measured.per_second()? }));
        Say::Heartbeat { progress: progress.collect(), rates: rates.collect() }
    }

    fn accept(
        &mut self,
        number: u64,
        frame: &Bytes,
        lease: &Lease<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        let key = key_of(lease);
        let Chunk::Digest(chunk) = &lease.chunk;
        let items = chunk.inputs.len() as u64;
        if self.held.contains_key(&key) {
            return Err(Violation::Twice(key.lease.0));
        }
        if self.held.len() >= MAX_LEASES {
            return Err(Violation::TooManyLeases);
        }
        if items == 0 || lease.to.checked_sub(lease.from) != Some(items) {
            return Err(Violation::Range { lease: key.lease.0, from: lease.from, to: lease.to, items });
        }
        let job = match kernel::job(frame, &lease.chunk) {
            Ok(job) => job,
            Err(reason) => {
                effects.push(Effect::Say(Say::Failed { key, reason }));
                return Ok(());
            }
        };
        let urgency = Urgency { priority: Reverse(lease.priority), rank: lease.rank, key };
        let held = Held { task: lease.task, urgency, said: lease.from, to: lease.to, frame: number };
        self.held.insert(key, held);
        self.keep(number, frame.len())?;
        let word = (items == 1).then(|| frame.slice_ref(chunk.inputs.bytes()));
        let note = Note { task: lease.task, from: lease.from, to: lease.to, word };
        effects.push(Effect::Start { note, assignment: Assignment { urgency, from: lease.from, job } });
        Ok(())
    }

    fn shrink(&mut self, key: Key, end: u64, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.get_mut(&key).filter(|held| end < held.to) else { return };
        held.to = end.max(held.said);
        let is_over = held.said >= held.to;
        effects.push(Effect::Shrink { urgency: held.urgency, end });
        if is_over {
            self.end(key, End::Withdrawn, effects);
        }
    }

    /// One more lease of a frame is held.
    fn keep(&mut self, number: u64, bytes: usize) -> Result<(), Violation> {
        let frame = self.frames.entry(number).or_insert_with(|| {
            self.bytes += bytes;
            Frame { bytes, leases: 0 }
        });
        frame.leases += 1;
        match self.bytes <= MAX_BYTES {
            true => Ok(()),
            false => Err(Violation::TooManyBytes),
        }
    }

    fn end(&mut self, key: Key, end: End, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.remove(&key) else { return };
        if let Some(frame) = self.frames.get_mut(&held.frame) {
            frame.leases -= 1;
            if frame.leases == 0 {
                self.bytes -= frame.bytes;
                self.frames.remove(&held.frame);
            }
        }
        effects.push(Effect::Ended { task: held.task, key, end });
    }
}

impl Measured {
    fn add(&mut self, compressions: u64, spent_ns: u64) {
        self.compressions += compressions;
        self.spent_ns += spent_ns;
        // One long part may be many windows long; only the proportion matters.
        while self.spent_ns > RATE_WINDOW_NS {
            self.compressions /= 2;
            self.spent_ns /= 2;
        }
    }

    fn per_second(&self) -> Option<u64> {
        let rate = u128::from(self.compressions) * 1_000_000_000 / u128::from(self.spent_ns).max(1);
        u64::try_from(rate).ok().filter(|rate| *rate > 0)
    }
}

fn key_of(lease: &Lease<'_>) -> Key {
    Key { lease: lease.id, epoch: lease.epoch }
}
