//! Items that leave their task: a batch's items are tasks of their own, and each may go its own way.

use std::ops::Range;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::effect::{Blame, Effect, Outcome};
use super::history::History;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::task::Task;
use super::time::Time;

/// Into at most so many parts a batch's range is cut with which something went wrong, so that
/// few items share the blame, and soon only one.
const MAX_PARTS: u64 = 64;

impl Core {
    /// Takes an item out of a task; it counts as done.
    pub(super) fn detach(&mut self, id: TaskId, index: u64, now: Time, effects: &mut Vec<Effect>) {
        let has_it = |lease: &LeaseId| self.leases.get(*lease).is_some_and(|lease| lease.range.contains(&index));
        let Some(task) = self.tasks.get(id) else { return };
        let mut leases: Vec<_> = task.leases().filter(has_it).collect();
        leases.sort_unstable();
        let mut drones = Vec::new();
        if let [first, ..] = leases[..] {
            drones.extend(self.free(first, index, now, effects));
            // What a twin has is what the first one had.
            for lease in &leases[1..] {
                drones.extend(self.withdraw(*lease, effects));
            }
        }
        if self.take_item(id, index) {
            self.skip(id, index..index + 1, now, effects);
            self.place_task(id, now, effects);
        }
        drones.into_iter().for_each(|drone| self.fill(drone, now, effects));
    }

    /// An item of a batch, which belongs to nobody, cannot be computed.
    pub(super) fn fail_item(
        &mut self,
        id: TaskId,
        range: Range<u64>,
        blame: Blame,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::FailedItem { task: id, index: range.start, blame });
        self.skip(id, range, now, effects);
    }

    /// A range with which something went wrong just now is pending again. That of a batch is cut.
    pub(super) fn put_back_in_parts(&mut self, id: TaskId, range: Range<u64>, mut history: Box<History>) {
        let is_batch = self.tasks.get(id).is_some_and(|task| task.is_batch);
        let step = if is_batch { (range.end - range.start).div_ceil(MAX_PARTS) } else { range.end - range.start };
        if step < range.end - range.start {
            history.cut();
        }
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + step);
            self.put_back(id, start..end, Some(history.clone()));
            start = end;
        }
    }

    /// A range is pending again, with what went wrong.
    pub(super) fn put_back(&mut self, id: TaskId, range: Range<u64>, history: Option<Box<History>>) {
        if range.is_empty() || self.tasks.get(id).is_none() {
            return;
        }
        if history.as_deref().is_some_and(History::must_be_isolated) {
            self.isolated.entry((id, range.start)).or_default();
        }
        self.tasks.change(id, |task| match history {
            Some(history) => task.put_retry(range, history),
            None => task.release(range),
        });
    }

    /// Makes what a lease has from `index` on pending; all of it, if that is where it begins.
    fn free(&mut self, id: LeaseId, index: u64, now: Time, effects: &mut Vec<Effect>) -> Option<DroneId> {
        let lease = self.leases.get(id)?;
        let (task, range, history) = (lease.task, lease.range.clone(), lease.history.clone());
        if lease.twin.is_none() && index > range.start {
            self.shorten(id, index, now, effects);
            self.put_back(task, index..range.end, history);
            return None;
        }
        let drone = self.withdraw(id, effects);
        self.put_back(task, range, history);
        drone
    }

    fn withdraw(&mut self, id: LeaseId, effects: &mut Vec<Effect>) -> Option<DroneId> {
        let lease = self.remove_lease(id, LeaseEnd::Withdrawn, effects)?;
        effects.push(Effect::Withdraw { drone: lease.drone, lease: id, end: lease.next });
        Some(lease.drone)
    }

    /// Takes an item that is pending, or with the Queen, from wherever it is; whether it was there.
    fn take_item(&mut self, id: TaskId, index: u64) -> bool {
        let item = index..index + 1;
        let take = |task: &mut Task| task.take_within(&item).or_else(|| task.take_from_queen(&item));
        if self.tasks.change(id, take).flatten().is_some() {
            return true;
        }
        let take_retry = |task: &mut Task| {
            let (range, _) = task.retries().find(|(range, _)| range.contains(&index))?;
            task.take_retry(range.start)
        };
        let Some((range, history)) = self.tasks.change(id, take_retry).flatten() else { return false };
        self.end_isolation((id, range.start));
        for rest in [range.start..index, index + 1..range.end] {
            self.put_back(id, rest, Some(history.clone()));
        }
        true
    }

    /// Counts a range that belongs to nobody as done.
    fn skip(&mut self, id: TaskId, range: Range<u64>, now: Time, effects: &mut Vec<Effect>) {
        let skip = |task: &mut Task| {
            task.skip(range);
            task.is_done()
        };
        match self.tasks.change(id, skip) {
            Some(true) => self.end_task(id, Outcome::Done, now, effects),
            Some(false) => effects.push(Effect::Advanced(id)),
            None => {}
        }
    }
}
