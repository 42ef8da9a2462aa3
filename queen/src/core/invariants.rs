//! What is always true between two events.

use std::collections::{BTreeMap, BTreeSet};

use super::drone::Isolation;
use super::intervals::RangeSet;
use super::scheduler::Core;

impl Core {
    /// Panics if anything that must always be true is not.
    pub(super) fn check_invariants(&self) {
        self.check_tasks();
        self.check_drones();
        self.check_leases();
    }

    fn check_tasks(&self) {
        for (id, task) in self.tasks.iter() {
            let mut all = RangeSet::default();
            let (pending, done) = task.ranges();
            // Of twins the first one counts.
            let is_first =
                |lease: &wire::ids::LeaseId| self.leases.get(*lease).unwrap().twin.is_none_or(|twin| *lease < twin);
            let leased = task.leases().filter(is_first).map(|lease| self.leases.get(lease).unwrap().range.clone());
            let whole = 0..task.total();
            let with_queen = task.with_queen(&whole);
            for range in pending.iter().chain(done.iter()).chain(leased).chain(with_queen) {
                assert!(!range.is_empty());
                all.insert(range);
            }
            if let Some(from) = task.cut_from() {
                assert_eq!(all.gaps(task.total()).take_within(&(0..from)), None, "only what is cut off is nobody's");
                assert_eq!(task.items_left(), all.len() - task.done(), "what is left of task {id} is somebody's");
            } else {
                assert_eq!(
                    all,
                    RangeSet::from(0..task.total()),
                    "pending, leased, with the Queen and done partition task {id}"
                );
            }
            let (mut told, mut from) = (RangeSet::default(), 0);
            while from < task.total() {
                let parts = self.parts(id, from, 3).unwrap();
                from = if parts.len() < 3 { task.total() } else { parts[2].0.end };
                parts.into_iter().for_each(|(range, _)| told.insert(range));
            }
            assert_eq!(told, all, "parts of task {id}");
            assert!(!task.is_done(), "a done task is forgotten");
            assert!(task.leases().all(|lease| self.leases.get(lease).unwrap().task == id));
            assert!(!task.is_paused || !task.has_leases(), "nothing of a paused task is leased");
            assert_eq!(pending.is_empty(), !task.has_pending());
            for (range, history) in task.retries() {
                assert_eq!(history.must_be_isolated(), self.isolated.contains_key(&(id, range.start)));
            }
        }
        self.tasks.check();
        for ((task, start), drone) in &self.isolated {
            assert!(self.tasks.get(*task).unwrap().retries().any(|(range, _)| range.start == *start));
            assert!(
                drone.is_none_or(|drone| self.drones[drone].isolation == Some(Isolation::Emptying((*task, *start))))
            );
        }
    }

    fn check_drones(&self) {
        let mut held: BTreeMap<_, (u64, u64, u64, u64)> = BTreeMap::new();
        let mut tasks = BTreeSet::new();
        for (id, lease) in self.leases.iter() {
            assert_eq!(self.tasks.get(lease.task).unwrap().leases().nth(lease.at), Some(id));
            assert!(self.drones[lease.drone].leases().any(|lease| lease == id));
            let sums = held.entry(lease.drone).or_default();
            let (time, bytes) = lease.charge.parts();
            let is_first = tasks.insert((lease.drone, lease.task));
            let material = if is_first { u64::from(self.tasks.get(lease.task).unwrap().material) } else { 0 };
            *sums = (sums.0 + 1, sums.1 + time, sums.2 + bytes, sums.3 + material);
        }
        for (id, drone) in self.drones.iter() {
            assert_eq!(drone.sums(), held.get(&id).copied().unwrap_or_default(), "what drone {id} holds");
            match drone.isolation {
                Some(Isolation::Emptying(key)) => assert_eq!(self.isolated[&key], Some(id)),
                Some(Isolation::Running(lease)) => assert!(drone.leases().eq([lease])),
                None => {}
            }
            assert!(!drone.quarantined || drone.is_empty());
        }
        self.drones.check();
    }

    fn check_leases(&self) {
        self.leases.check();
        for (id, lease) in self.leases.iter() {
            assert!(lease.next < lease.range.end, "something is still to be said of {id}");
            assert!(lease.next <= lease.range.start);
            let Some(twin) = lease.twin else { continue };
            assert_eq!(self.leases.get(twin).unwrap().twin, Some(id));
            assert_eq!(self.leases.get(twin).unwrap().range, lease.range);
            assert_ne!(self.leases.get(twin).unwrap().drone, lease.drone);
        }
    }
}
