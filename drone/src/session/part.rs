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
