//! What the pool says of what it was given.

use super::assignment::Ticket;
use crate::kernel::Output;

/// What became of a lease, or of a part of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Which lease.
    pub ticket: Ticket,
    /// Whether there are results of it, or will be none.
    pub outcome: Outcome,
}

/// Results of a part of a lease, or its failure.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next items, in index order and without a gap.
    Output {
        /// The task's index of the first item.
        from: u64,
        /// At least one item's results.
        output: Output,
        /// Thread time of this part, in nanoseconds.
        spent_ns: u64,
    },
    /// It cannot be computed.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// What the pool has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    /// SHA-256 compressions, those included that no result has come of yet.
    pub compressions: u64,
    /// For how long all threads together have computed, in nanoseconds.
    pub busy_ns: u64,
}

/// How far the pool is with a lease that has not ended there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which lease.
    pub ticket: Ticket,
    /// The task's indices below this one are computed, or lie before the lease.
    pub reached: u64,
    /// Whether a thread has begun with it.
    pub begun: bool,
}
