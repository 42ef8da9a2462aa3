//! The right of one Drone to compute one chunk.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::credit::Charge;
use super::history::History;
use super::status::LeaseSummary;
use super::time::Time;

/// The right of one Drone to compute one chunk.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) task: TaskId,
    pub(super) drone: DroneId,
    /// Where it began when it was given.
    pub(super) first: u64,
    /// What is not done of it. Twins have the same.
    pub(super) range: Range<u64>,
    /// Where the Drone's next output begins.
    pub(super) next: u64,
    /// Indices below this one are computed, as far as is known.
    pub(super) reached: u64,
    /// A thread has begun with it, as far as is known.
    pub(super) begun: bool,
    pub(super) granted: Time,
    /// Thread time of what came of it.
    pub(super) spent: Duration,
    /// When a heartbeat named it last.
    pub(super) named: Option<Time>,
    /// How long it is kept for a Drone that is away.
    pub(super) kept_until: Time,
    /// When its Drone is expected to be done with it.
    pub(super) finish: Time,
    pub(super) charge: Charge,
    /// The other lease of the same range.
    pub(super) twin: Option<LeaseId>,
    pub(super) history: Option<Box<History>>,
    /// It was to be recorded.
    pub(super) is_recorded: bool,
    /// Where it stands among the leases of its task.
    pub(super) at: usize,
}

impl Lease {
    /// Which part of what is said next of it is wanted.
    pub(super) fn wanted(&self, said: &Range<u64>) -> Option<Range<u64>> {
        let wanted = said.start.max(self.range.start)..said.end.min(self.range.end);
        (!wanted.is_empty()).then_some(wanted)
    }

    /// When it is expected to be done, as far as others may take over some of it: a twin stays as it is.
    pub(super) fn listed_finish(&self) -> Option<Time> {
        self.twin.is_none().then_some(self.finish)
    }

    /// What there is to know of it, in `state`.
    pub(super) fn summary<S>(&self, state: S) -> LeaseSummary<S> {
        let Self { task, first, next, granted, spent, .. } = *self;
        let range = first..self.range.end.max(next);
        LeaseSummary { task, range, reached: next, granted, spent, state }
    }

    /// What is not said of it yet.
    pub(super) fn rest(&self) -> Range<u64> {
        self.next..self.range.end.max(self.next)
    }
}

/// These in the order in which they were given.
pub(super) fn in_order(leases: impl Iterator<Item = LeaseId>) -> Vec<LeaseId> {
    let mut leases: Vec<_> = leases.collect();
    leases.sort_unstable();
    leases
}
