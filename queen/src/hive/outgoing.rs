//! Changes on their way to the journal.

use std::collections::BTreeMap;
use std::ops::Range;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::trail::Trail;
use crate::store::Change;

/// What has to be written, in the order in which it happened.
pub(super) struct Outgoing {
    /// What somebody waits for, or what later changes depend on: it is written with the next commit.
    changes: Vec<Change>,
    /// What need not be written before something else is.
    deferred: Vec<Change>,
    /// Leases that are to be remembered or forgotten: of each only what was said last.
    leases: BTreeMap<LeaseId, Change>,
    /// Lines of the log.
    pub(super) trail: Trail,
}

impl Outgoing {
    /// Nothing yet; `keeps_trail`: the log is to be written.
    pub(super) fn new(keeps_trail: bool) -> Self {
        let (changes, deferred, leases) = Default::default();
        Self { changes, deferred, leases, trail: Trail::new(keeps_trail) }
    }

    /// Whether nothing has to be written with the next commit.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Writes a change with the next commit.
    pub(super) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Writes a change with the next commit that is made for something else.
    pub(super) fn defer(&mut self, change: Change) {
        self.deferred.push(change);
    }

    /// Remembers a lease beyond this Queen's life.
    pub(super) fn hold(&mut self, lease: LeaseId, drone: DroneId, task: TaskId, range: Range<u64>) {
        self.leases.insert(lease, Change::Lease { lease, task, drone, range });
    }

    /// Forgets a lease that was remembered.
    pub(super) fn unhold(&mut self, lease: LeaseId) {
        self.leases.insert(lease, Change::Unlease(lease));
    }

    /// All that has to be written now; `deferred`: what need not be as well.
    pub(super) fn drain(&mut self, deferred: bool) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.changes);
        if deferred {
            changes.splice(0..0, self.deferred.drain(..));
            changes.extend(std::mem::take(&mut self.leases).into_values());
            changes.extend(self.trail.drain().into_iter().map(|entry| Change::Log(Box::new(entry))));
        }
        changes
    }
}
