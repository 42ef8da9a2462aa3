//! What follows from what a session hears.

use bytes::Bytes;
use wire::ids::TaskId;
use wire::work::Kind;

use super::part::Part;
use crate::pool::{Assignment, Ticket, Urgency};

/// What is to be done, or only told.
pub enum Effect {
    /// Compute this.
    Start {
        /// What people may be told of it.
        note: Note,
        /// What the pool is to compute.
        assignment: Assignment,
    },
    /// Compute less: nothing from index `end` on. Results below it are still wanted.
    Shrink {
        /// Which lease.
        urgency: Urgency,
        /// An index of the task.
        end: u64,
    },
    /// Take back from the pool all leases that it has not begun with, and give their tickets to
    /// [`Session::hand_back`](super::Session::hand_back).
    Recall,
    /// Only told: these results came, and are kept.
    Results(Part),
    /// Only told: a lease cannot be computed.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// Only told: nothing more of a lease is to be computed. Its results may still be kept.
    Ended {
        /// Its task.
        task: TaskId,
        /// Which lease.
        ticket: Ticket,
        /// In which way.
        end: End,
    },
    /// Only told: the Queen has answered an offer that was not empty.
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
    /// Which kind of work it is.
    pub kind: Kind,
    /// The input, if there is only one.
    pub word: Option<Bytes>,
    /// Whether the input may be a password, which is never shown.
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
