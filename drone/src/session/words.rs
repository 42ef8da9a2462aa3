//! What is said of a session's work, within the Drone.

use bytes::Bytes;
use wire::ids::{Epoch, LeaseId, TaskId};
use wire::message::MAX_PART;

use super::{MAX_BYTES, MAX_LEASES};
use crate::kernel::Output;
use crate::pool::{Assignment, Ticket, Urgency};

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
    /// [`Session::hand_back`](super::Session::hand_back).
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
    /// It may be a password.
    pub is_secret: bool,
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

    /// The same in parts that are no longer than the Queen takes them.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let all = self.output.items().max(1);
        let most = (all * MAX_PART as u64 / self.output.size().max(1) as u64).max(1);
        (0..all).step_by(most as usize).map(move |start| {
            let items = start..all.min(start + most).min(self.output.items());
            let spent_ns = u128::from(self.spent_ns) * u128::from(items.end - start) / u128::from(all);
            let output = self.output.slice(items);
            Self { from: self.from + start, spent_ns: spent_ns as u64, output, ..self.clone() }
        })
    }
}
