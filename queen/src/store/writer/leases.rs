//! What becomes of leases in one transaction.

use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::Transaction;
use wire::ids::{DroneId, LeaseId, TaskId};

/// Leases that begin or end. Most do both in one transaction, and need no row.
#[derive(Default)]
pub(super) struct Leases<'a>(BTreeMap<LeaseId, Option<Holder<'a>>>);

/// Of which task a lease is, whose, and what it is about.
type Holder<'a> = (TaskId, DroneId, &'a Range<u64>);

impl<'a> Leases<'a> {
    /// A Drone has a lease, or has it of another range.
    pub(super) fn begin(&mut self, lease: LeaseId, holder: Holder<'a>) {
        self.0.insert(lease, Some(holder));
    }

    /// A lease is over.
    pub(super) fn end(&mut self, lease: LeaseId) {
        self.0.insert(lease, None);
    }

    /// Writes the rows of those that are open, and deletes those of the others.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let insert = "INSERT OR REPLACE INTO leases (lease, task, drone, first, past) VALUES (?, ?, ?, ?, ?)";
        let mut insert = transaction.prepare_cached(insert)?;
        let mut delete = transaction.prepare_cached("DELETE FROM leases WHERE lease = ?")?;
        for (lease, holder) in &self.0 {
            match holder {
                Some((task, drone, range)) => insert.execute([lease.0, task.0, drone.0, range.start, range.end])?,
                None => delete.execute([lease.0])?,
            };
        }
        Ok(())
    }
}
