//! What is always true between two events.

use std::collections::{BTreeMap, BTreeSet};

use super::{Core, RangeSet};

impl Core {
    /// Panics if anything that must always be true is not.
    pub(super) fn check_invariants(&self) {
        self.check_tasks();
        self.check_drones();
    }

    fn check_tasks(&self) {
        let mut queued = 0;
        for (id, task) in self.tasks.iter() {
            let mut all = RangeSet::default();
            let (pending, done) = task.ranges();
            let leased = task.leases().map(|lease| self.leases[&lease].range.clone());
            for range in pending.iter().chain(done.iter()).chain(leased) {
                assert!(!range.is_empty());
                all.insert(range);
            }
            assert_eq!(all, RangeSet::from(0..task.total()), "pending, leased and done partition task {id}");
            assert!(!task.is_done(), "a done task is forgotten");
            assert!(task.leases().all(|lease| self.leases[&lease].task == id));
            assert_eq!(self.queue.holds(task.priority, task.pass, id), task.has_pending());
            assert_eq!(pending.is_empty(), !task.has_pending());
            queued += task.total() - task.done();
        }
        assert_eq!(self.items_queued, queued);
        assert_eq!(self.queue.tasks(), self.tasks.len() as u64);
        let ready: BTreeSet<_> = self.queue.ready().collect();
        assert_eq!(ready.len(), self.tasks.iter().filter(|(_, task)| task.has_pending()).count());
        assert_eq!(self.queue.cost(), self.tasks.iter().map(|(_, task)| task.cost_left()).sum::<u64>());
    }

    fn check_drones(&self) {
        let mut held: BTreeMap<_, (u64, u64, u64)> = BTreeMap::new();
        for (id, lease) in &self.leases {
            assert!(self.tasks.get(lease.task).unwrap().leases().any(|lease| lease == *id));
            assert!(self.drones[&lease.drone].leases.contains(id));
            let sums = held.entry(lease.drone).or_default();
            let (time, bytes) = lease.charge.parts();
            *sums = (sums.0 + 1, sums.1 + time, sums.2 + bytes);
        }
        for (id, drone) in &self.drones {
            assert_eq!(drone.sums(), held.get(id).copied().unwrap_or_default(), "what drone {id} holds");
            assert!(self.by_load.contains(&(drone.load(), *id)));
            assert!(self.by_deadline.contains(&(drone.deadline(), *id)));
        }
        assert_eq!(self.by_load.len(), self.drones.len());
        assert_eq!(self.by_deadline.len(), self.drones.len());
        assert_eq!(self.threads, self.drones.values().map(|drone| u64::from(drone.threads)).sum::<u64>());
    }
}
