//! Tasks of which a part is enough.

use std::collections::BTreeSet;
use std::ops::Range;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::effect::{Effect, Outcome};
use super::lease;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::task::Task;
use super::time::Time;

impl Core {
    /// Wants nothing of a task any more from index `from` on: Drones stop computing it, and what is done there stays.
    pub(super) fn finish(&mut self, id: TaskId, from: u64, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(id).filter(|task| !task.is_cut_at(from)) else { return };
        let mut drones = BTreeSet::new();
        for lease in lease::in_order(task.leases()) {
            drones.extend(self.cut_lease(lease, from, now, effects));
        }
        self.cut_retries(id, from);
        self.tasks.change(id, |task| task.cut_off(from));
        match self.tasks.get(id).is_some_and(Task::is_done) {
            true => self.end_task(id, Outcome::Done, now, effects),
            false => effects.push(Effect::Advanced(id)),
        }
        drones.into_iter().for_each(|drone| self.fill(drone, now, effects));
    }

    /// Takes from a lease what it has from index `from` on. Returns its Drone, which has room for something else then.
    fn cut_lease(&mut self, id: LeaseId, from: u64, now: Time, effects: &mut Vec<Effect>) -> Option<DroneId> {
        let lease = self.leases.get(id).filter(|lease| lease.range.end > from)?;
        let (task, drone, range, twin) = (lease.task, lease.drone, lease.range.clone(), lease.twin);
        // What twins have is taken once.
        let is_first = twin.is_none_or(|twin| id < twin);
        if range.start < from {
            self.shorten(id, from, now, effects);
        } else {
            let lease = self.remove_lease(id, LeaseEnd::Withdrawn, effects)?;
            effects.push(Effect::Withdraw { drone, lease: id, end: lease.next });
        }
        if is_first {
            self.tasks.change(task, |task| task.release(range.start.max(from)..range.end));
        }
        Some(drone)
    }

    /// Makes pending ranges with which something went wrong ordinary ones from `from` on.
    fn cut_retries(&mut self, id: TaskId, from: u64) {
        let Some(task) = self.tasks.get(id) else { return };
        let cut: Vec<Range<u64>> = task.retries().map(|(range, _)| range).filter(|range| range.end > from).collect();
        for range in cut {
            self.end_isolation((id, range.start));
            let taken = self.tasks.change(id, |task| task.take_retry(range.start)).flatten();
            let Some((range, history)) = taken else { continue };
            let kept = range.start..from.max(range.start);
            self.tasks.change(id, |task| task.release(kept.end..range.end));
            self.put_back(id, kept, Some(history));
        }
    }
}
