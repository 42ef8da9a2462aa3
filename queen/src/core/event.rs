//! What goes into the core and what comes out of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::{RangeSet, Segment};

/// Work that is computed at one rate: a kind on the wire, and a variant of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The kind that a Drone must be able to do.
    pub kind: u16,
    /// Distinguishes what differs in speed per compression.
    pub variant: u16,
}

/// What happens to the core.
#[derive(Debug, Clone)]
pub enum Event {
    /// A new task. Its id is larger than any before.
    Submit {
        /// Its id.
        task: TaskId,
        /// What it consists of.
        work: TaskWork,
    },
    /// A user stops a task.
    Cancel {
        /// Which one; an unknown one is ignored.
        task: TaskId,
    },
    /// A Drone is there and ready. Its id is larger than any before.
    Join {
        /// Its id.
        drone: DroneId,
        /// What it can do.
        ability: Ability,
    },
    /// A Drone says that it lives, and how far it is.
    Heartbeat {
        /// Who.
        drone: DroneId,
        /// The leases that it holds; they are renewed.
        leases: Vec<LeaseId>,
    },
    /// Results of `from..to` of a lease are stored. What [`Core::wanted`](super::Core::wanted) no longer wants is ignored.
    Output {
        /// By whom.
        drone: DroneId,
        /// Of which lease.
        lease: LeaseId,
        /// Which indices.
        range: Range<u64>,
        /// Thread time that it took.
        spent: Duration,
    },
    /// A Drone cannot compute the rest of a lease.
    Failed {
        /// Who.
        drone: DroneId,
        /// Which lease.
        lease: LeaseId,
        /// Why, for people.
        reason: String,
    },
    /// The shell has not listened to a Drone for a while: its silence does not count.
    Excuse {
        /// Whom.
        drone: DroneId,
    },
    /// A Drone gives leases back.
    HandBack {
        /// Who.
        drone: DroneId,
        /// Which ones.
        leases: Vec<LeaseId>,
    },
    /// A Drone takes no more work.
    Leaving {
        /// Who.
        drone: DroneId,
    },
    /// A Drone's connection is gone.
    Gone {
        /// Who.
        drone: DroneId,
    },
    /// Time has passed.
    Tick,
}

/// What a new task consists of.
#[derive(Debug, Clone)]
pub struct TaskWork {
    /// What it takes to compute it.
    pub class: Class,
    /// More urgent is larger.
    pub priority: i8,
    /// Its parts, in order; none is empty. A chunk never crosses from one into the next, and
    /// the bytes of one fit into a frame.
    pub segments: Box<[Segment]>,
    /// What was done of it before.
    pub done: RangeSet,
}

/// What a Drone can do.
#[derive(Debug, Clone)]
pub struct Ability {
    /// Compute threads.
    pub threads: u16,
    /// For each kind, compressions per second of one thread as it measured at its start.
    pub kinds: BTreeMap<u16, u64>,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send this lease.
    Lease(Grant),
    /// Tell the Drone that this lease now ends at `end`.
    Withdraw {
        /// Whom to tell.
        drone: DroneId,
        /// Which lease.
        lease: LeaseId,
        /// Its new end.
        end: u64,
    },
    /// The task was leased for the first time.
    Started(TaskId),
    /// More of the task is done.
    Progress(TaskId),
    /// The task is over; the core has forgotten it.
    Ended {
        /// Which one.
        task: TaskId,
        /// How it ended.
        outcome: Outcome,
        /// What was done of it.
        done: RangeSet,
    },
    /// Close the Drone's connection; the core has forgotten it.
    Disconnect {
        /// Which one.
        drone: DroneId,
        /// Why, for its operator.
        reason: &'static str,
    },
}

/// A lease as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub drone: DroneId,
    /// Its number.
    pub lease: LeaseId,
    /// Of which task.
    pub task: TaskId,
    /// Which indices.
    pub range: Range<u64>,
    /// More urgent is larger.
    pub priority: i8,
    /// Among equal priorities, smaller is first.
    pub rank: u64,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// A user stopped it.
    Cancelled,
    /// It cannot be completed.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// What there is to know of a Drone's work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DroneStatus {
    /// Leases that it holds.
    pub leases: u64,
    /// Whether it takes no more.
    pub leaving: bool,
    /// Items per second lately.
    pub rate: f64,
    /// Compressions per second lately.
    pub cost_rate: f64,
}

/// What there is to know of all work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// Items that are not done.
    pub items_queued: u64,
    /// Items done since the start.
    pub items_done: u64,
    /// Items per second lately.
    pub rate: f64,
    /// Compressions per second lately.
    pub cost_rate: f64,
    /// When all of it is expected to be done.
    pub eta: Option<Duration>,
}
