//! What the pool is given to compute.

use std::cmp;

use crate::kernel::Job;

/// What a lease is called within this process: it stays when a Queen gives it another number,
/// and is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The order of computation: the smaller is the more urgent, and no two leases are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    /// The Queen's, larger first.
    pub priority: cmp::Reverse<i8>,
    /// The Queen's, smaller first.
    pub rank: u64,
    /// Whose urgency it is.
    pub ticket: Ticket,
}

/// A lease to compute.
pub struct Assignment {
    /// When.
    pub urgency: Urgency,
    /// The task's index of the job's first item.
    pub from: u64,
    /// What.
    pub job: Box<dyn Job>,
}
