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
    /// The Queen's priority; larger ones come first.
    pub priority: cmp::Reverse<i8>,
    /// The Queen's rank; among equal priorities smaller ones come first.
    pub rank: u64,
    /// The lease, which decides where the others are equal: the older one comes first.
    pub ticket: Ticket,
}

/// A lease to compute.
pub struct Assignment {
    /// Before and after which others it is computed.
    pub urgency: Urgency,
    /// The task's index of the job's first item.
    pub from: u64,
    /// What is to be computed.
    pub job: Box<dyn Job>,
}
