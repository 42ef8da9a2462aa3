//! All leases, and which of them are expected to end first and last.

use std::collections::BTreeSet;

use wire::ids::LeaseId;

use super::lease::Lease;
use super::ledger::Ledger;
use super::time::Time;

/// The leases that have not ended. Each change of one goes through [`Leases::change`], which keeps the index right.
#[derive(Debug, Default)]
pub(super) struct Leases {
    leases: Ledger<Lease, LeaseId>,
    /// Leases without a twin, by when they are expected to be done.
    by_finish: BTreeSet<(Time, LeaseId)>,
    /// How many were given so far.
    given: u64,
}

impl Leases {
    pub(super) fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(id)
    }

    /// A number that no lease had before.
    pub(super) fn next_id(&mut self) -> LeaseId {
        self.given += 1;
        LeaseId(self.given)
    }

    pub(super) fn insert(&mut self, id: LeaseId, lease: Lease) {
        self.by_finish.extend(lease.listed_finish().map(|finish| (finish, id)));
        self.leases.insert(id, lease);
    }

    pub(super) fn remove(&mut self, id: LeaseId) -> Option<Lease> {
        let lease = self.leases.remove(id)?;
        lease.listed_finish().map(|finish| self.by_finish.remove(&(finish, id)));
        Some(lease)
    }

    pub(super) fn change<T>(&mut self, id: LeaseId, change: impl FnOnce(&mut Lease) -> T) -> Option<T> {
        let lease = self.leases.get_mut(id)?;
        let before = lease.listed_finish();
        let result = change(lease);
        let after = lease.listed_finish();
        if before != after {
            before.map(|finish| self.by_finish.remove(&(finish, id)));
            self.by_finish.extend(after.map(|finish| (finish, id)));
        }
        Some(result)
    }

    /// Leases without a twin that are expected to end behind this moment, the last one first.
    pub(super) fn ending_after(&self, time: Time) -> impl Iterator<Item = LeaseId> {
        self.by_finish.iter().rev().take_while(move |(finish, _)| *finish > time).map(|(_, id)| *id)
    }

    /// Leases without a twin that were expected to end before this moment, the first one first.
    pub(super) fn due_before(&self, time: Time) -> impl Iterator<Item = LeaseId> {
        self.by_finish.iter().take_while(move |(finish, _)| *finish < time).map(|(_, id)| *id)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.leases.iter()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        let listed = self.iter().filter_map(|(id, lease)| Some((lease.listed_finish()?, id)));
        assert_eq!(listed.collect::<BTreeSet<_>>(), self.by_finish);
    }
}
