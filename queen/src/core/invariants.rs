//! What is always true between two events.

use std::collections::{BTreeMap, BTreeSet};

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
        let mut queued = 0;
        for (id, task) in self.tasks.iter() {
            let mut all = RangeSet::default();
            let (pending, done) = task.ranges();
            // Of twins the first one counts.
            let is_first = |lease: &wire::ids::LeaseId| self.leases[*lease].twin.is_none_or(|twin| *lease < twin);
            let leased = task.leases().filter(is_first).map(|lease| self.leases[lease].range.clone());
            let whole = 0..task.total();
            let with_queen = task.with_queen(&whole);
            for range in pending.iter().chain(done.iter()).chain(leased).chain(with_queen) {
                assert!(!range.is_empty());
                all.insert(range);
            }
            assert_eq!(
                all,
                RangeSet::from(0..task.total()),
                "pending, leased, with the Queen and done partition task {id}"
            );
            assert!(!task.is_done(), "a done task is forgotten");
            assert!(task.leases().all(|lease| self.leases[lease].task == id));
            assert!(!task.is_paused || !task.has_leases(), "nothing of a paused task is leased");
            assert_eq!(self.queue.holds(task.priority, task.pass, id), task.has_pending() && !task.is_paused);
            assert_eq!(pending.is_empty(), !task.has_pending());
            for (range, trouble) in task.apart() {
                assert_eq!(trouble.is_alone(), self.alone.contains_key(&(id, range.start)));
            }
            queued += task.total() - task.done();
        }
        assert_eq!(self.items_queued, queued);
        let active = || self.tasks.iter().filter(|(_, task)| !task.is_paused);
        assert_eq!(self.queue.tasks(), active().count() as u64);
        let ready: BTreeSet<_> = self.queue.ready().collect();
        assert_eq!(ready.len(), active().filter(|(_, task)| task.has_pending()).count());
        assert_eq!(self.queue.cost(), active().map(|(_, task)| task.cost_left()).sum::<u64>());
        assert!(self.task_deadlines.iter().all(|(task, at)| self.by_task_deadline.contains(&(*at, *task))));
        assert!(self.task_deadlines.keys().all(|task| self.tasks.get(*task).is_some()));
        assert_eq!(self.task_deadlines.len(), self.by_task_deadline.len());
        for ((task, start), drone) in &self.alone {
            assert!(self.tasks.get(*task).unwrap().apart().any(|(range, _)| range.start == *start));
            assert!(drone.is_none_or(|drone| self.drones[drone].reserved == Some((*task, *start))));
        }
    }

    fn check_drones(&self) {
        let mut held: BTreeMap<_, (u64, u64, u64)> = BTreeMap::new();
        for (id, lease) in self.leases.iter() {
            assert_eq!(self.tasks[lease.task].leases().nth(lease.at), Some(id));
            assert!(self.drones[lease.drone].leases().any(|lease| lease == id));
            let sums = held.entry(lease.drone).or_default();
            let (time, bytes) = lease.charge.parts();
            *sums = (sums.0 + 1, sums.1 + time, sums.2 + bytes);
        }
        for (id, drone) in self.drones.iter() {
            assert_eq!(drone.sums(), held.get(&id).copied().unwrap_or_default(), "what drone {id} holds");
            assert!(drone.reserved.is_none_or(|key| self.alone[&key] == Some(id)));
            assert!(drone.alone.is_none_or(|lease| drone.leases().eq([lease])));
            assert!(!drone.quarantined || drone.is_empty());
        }
        self.drones.check();
    }

    fn check_leases(&self) {
        let single = self.leases.iter().filter(|(_, lease)| lease.twin.is_none());
        assert!(single.map(|(id, lease)| lease.due(id)).collect::<BTreeSet<_>>() == self.by_finish);
        for (id, lease) in self.leases.iter() {
            assert!(lease.next < lease.range.end, "something is still to be said of {id}");
            assert!(lease.next <= lease.range.start);
            let Some(twin) = lease.twin else { continue };
            assert_eq!(self.leases[twin].twin, Some(id));
            assert_eq!(self.leases[twin].range, lease.range);
            assert_ne!(self.leases[twin].drone, lease.drone);
        }
    }
}
