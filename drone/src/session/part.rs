//! Results of a part of a lease, and what the Queen calls the lease.

use wire::ids::{Epoch, LeaseId, TaskId};
use wire::message::MAX_PART;

use crate::kernel::Output;
use crate::pool::Ticket;

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
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let whole = rest.take()?;
            let (all, most) = (whole.output.items(), whole.output.items_within(MAX_PART).max(1));
            if most >= all {
                return Some(whole);
            }
            let spent_ns = (u128::from(whole.spent_ns) * u128::from(most) / u128::from(all)) as u64;
            let [first, left] = [0..most, most..all].map(|items| whole.output.slice(items));
            rest = Some(Self { from: whole.from + most, spent_ns: whole.spent_ns - spent_ns, output: left, ..whole });
            Some(Self { from: whole.from, spent_ns, output: first, ..whole })
        })
    }
}
