//! What comes out of the core.

use std::ops::Range;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::intervals::RangeSet;
use super::status::{LeaseEnd, LeaseSummary};

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send this lease.
    Lease(Grant),
    /// Tell the Drone that this lease now ends at `end`.
    Withdraw {
        /// The Drone that has the lease.
        drone: DroneId,
        /// The lease that is cut or ended.
        lease: LeaseId,
        /// Its new end: the Drone computes nothing from this index on.
        end: u64,
    },
    /// The answer to a Drone's offers, to be sent before any lease.
    Adopted {
        /// The Drone that made the offers.
        drone: DroneId,
        /// For each offer, its lease from now on and the part of the range that is wanted.
        leases: Vec<Option<(LeaseId, Range<u64>)>>,
    },
    /// Record that a Drone has this range, in case the Queen ends before it is done.
    Hold {
        /// The lease under which it has it; what was recorded of it before is outdated.
        lease: LeaseId,
        /// The Drone that has it.
        drone: DroneId,
        /// The task that the range is of.
        task: TaskId,
        /// The indices that the Drone has.
        range: Range<u64>,
    },
    /// The lease that was to be recorded is over.
    Unhold(LeaseId),
    /// A lease ended, in whatever way.
    Over {
        /// Whose it was.
        drone: DroneId,
        /// What there was to know of it.
        lease: LeaseSummary<LeaseEnd>,
    },
    /// The task was leased for the first time.
    Started(TaskId),
    /// Results that the event brought count: they are to be stored. This comes before all that follows
    /// from it.
    Credit {
        /// The task whose results they are.
        task: TaskId,
        /// Their indices.
        range: Range<u64>,
    },
    /// Results that the event brought are a claim: they count when somebody has computed the same. This comes
    /// before all that follows from it.
    Claim {
        /// The task whose results they are.
        task: TaskId,
        /// Their indices.
        range: Range<u64>,
        /// The Queen computes them again, since no other Drone can.
        by_queen: bool,
    },
    /// More of the task is done.
    Advanced(TaskId),
    /// An item of a batch cannot be computed; it counts as done.
    FailedItem {
        /// The batch that the item is in.
        task: TaskId,
        /// The item's index.
        index: u64,
        /// What it failed of.
        blame: Blame,
    },
    /// The task is over; the core has forgotten it.
    Ended {
        /// The task that is over.
        task: TaskId,
        /// How it ended.
        outcome: Outcome,
        /// What was done of it.
        done: RangeSet,
    },
    /// A Drone is not trusted with work any more.
    Quarantined {
        /// The Drone that is distrusted.
        drone: DroneId,
        /// What it did.
        why: Distrust,
    },
    /// Close the Drone's connection. What it held is given to others.
    Disconnect {
        /// The Drone to be disconnected.
        drone: DroneId,
        /// What it did, for its operator.
        reason: &'static str,
    },
    /// The Drone did not come back in time; the core has forgotten it.
    Forgotten(DroneId),
}

/// A lease as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The Drone that gets it.
    pub drone: DroneId,
    /// Its number.
    pub lease: LeaseId,
    /// The task that it is of.
    pub task: TaskId,
    /// The indices to be computed.
    pub range: Range<u64>,
    /// More urgent is larger.
    pub priority: i8,
    /// Among equal priorities, smaller is first.
    pub rank: u64,
}

/// Why the core trusts a Drone no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    /// It failed on these tasks, which others could compute, or nobody else has tried.
    Failures(Vec<TaskId>),
    /// It sends heartbeats, but takes no work in or computes nothing, again and again.
    Idleness,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// A user stopped it.
    Cancelled,
    /// It cannot be completed.
    Failed(Blame),
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// A range of it could not be computed by these Drones.
    Failures {
        /// In the order of their attempts; one may have tried several times.
        drones: Vec<DroneId>,
        /// What the last one said.
        reason: String,
    },
    /// These Drones were lost while they computed nothing but this range.
    Deaths {
        /// In the order of their deaths.
        drones: Vec<DroneId>,
        /// The indices that they computed.
        range: Range<u64>,
    },
    /// Its deadline passed.
    Deadline,
    /// Its inputs cannot be had.
    Inputs {
        /// What is damaged, for people.
        reason: String,
    },
}
