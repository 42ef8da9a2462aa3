//! Results that come, and what they count for.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::effect::{Effect, Outcome};
use super::scheduler::Core;
use super::task::Task;
use super::time::Time;
use super::trouble::Trouble;

/// Results of a part of a lease that came.
pub(super) struct Part {
    pub(super) lease: LeaseId,
    pub(super) range: Range<u64>,
    /// Thread time that it took.
    pub(super) spent: Duration,
}

/// What results that come count for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merit {
    /// They are done.
    Result,
    /// Somebody has to compute the same: another Drone if there is one, or the Queen.
    Claim { by_queen: bool },
}

impl Core {
    pub(super) fn output(&mut self, drone_id: DroneId, part: Part, merit: Merit, now: Time, effects: &mut Vec<Effect>) {
        let Part { lease: id, range, spent } = part;
        let Some(lease) = self.leases.get(id).filter(|lease| lease.drone == drone_id) else { return };
        if range.start != lease.next || range.is_empty() {
            return;
        }
        let (task_id, twin, wanted) = (lease.task, lease.twin, lease.wanted(&range));
        let Some(task) = self.tasks.get(task_id) else { return };
        let (class, computed, is_twice) = (task.class, task.cost(&range), task.is_twice);
        let mut items = 0;
        if let Some(wanted) = &wanted {
            let cost = task.cost(wanted);
            // What is left of the lease is not served yet. Ranks of another priority say nothing here.
            let rank = if lease.charge.priority == task.priority { lease.charge.rank } else { 0 };
            let rest = task.cost(&(wanted.end..lease.range.end));
            self.tasks.serve(task.priority, rank.saturating_sub(rest));
            match merit {
                Merit::Result => {
                    items = wanted.end - wanted.start;
                    self.tasks.change(task_id, |task| task.credit(wanted.clone(), now));
                }
                Merit::Claim { by_queen: true } => {
                    self.tasks.change(task_id, |task| task.give_to_queen(wanted.clone()));
                }
                Merit::Claim { by_queen: false } => {}
            }
            if let Some(twin) = twin {
                self.leases.change(twin, |twin| twin.range.start = wanted.end);
            }
            self.count_done(items, cost, now);
        }
        let is_over = self.leases.change(id, |lease| {
            lease.range.start = wanted.as_ref().map_or(lease.range.start, |wanted| wanted.end);
            lease.next = range.end.min(lease.range.end);
            (lease.reached, lease.begun) = (lease.reached.max(lease.next), true);
            lease.range.is_empty() || lease.rest().is_empty()
        });
        let is_over = is_over.unwrap_or_default();
        let ended = self.tasks.get(task_id).is_some_and(Task::is_done);
        self.drones.credit(drone_id, class, (range.end - range.start, computed), spent, now);
        self.hear(drone_id, now);
        match is_over {
            true => self.finish_lease(id, now, effects),
            false => self.recharge(id, now),
        }
        match ended {
            true => self.end_task(task_id, Outcome::Done, now, effects),
            false if items > 0 => effects.push(Effect::Progress(task_id)),
            false => {}
        }
        if let Some(claimed) = wanted.filter(|_| merit == Merit::Claim { by_queen: false }) {
            // What went wrong with it before did not this time.
            self.put_back(task_id, claimed, Some(Box::new(Trouble::avoiding(drone_id))));
        }
        if is_twice {
            // Others may have waited for this one.
            self.place_task(task_id, now, effects);
        }
        self.fill(drone_id, now, effects);
    }

    /// The Queen has computed again what a Drone claimed, and it is the same, or not.
    pub(super) fn second(
        &mut self,
        id: TaskId,
        range: &Range<u64>,
        agrees: bool,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        while let Some(own) = self.tasks.change(id, |task| task.take_from_queen(range)).flatten() {
            if !agrees {
                self.put_back(id, own, None);
                continue;
            }
            // What it cost was counted when it was claimed.
            self.count_done(own.end - own.start, 0, now);
            self.tasks.change(id, |task| task.credit(own, now));
            match self.tasks.get(id).is_some_and(Task::is_done) {
                true => self.end_task(id, Outcome::Done, now, effects),
                false => effects.push(Effect::Progress(id)),
            }
        }
        self.place_task(id, now, effects);
    }

    fn count_done(&mut self, items: u64, cost: u64, now: Time) {
        self.items_done += items;
        self.cost_done += cost;
        self.meter.add(items, cost, now);
    }

    /// Ends a lease of which everything was said. If its range is done, the twin has nothing left to do.
    fn finish_lease(&mut self, id: LeaseId, now: Time, effects: &mut Vec<Effect>) {
        let Some(lease) = self.remove_lease(id, effects) else { return };
        let Some(twin) = lease.twin else { return };
        match lease.range.is_empty() {
            true => {
                if let Some(twin_lease) = self.remove_lease(twin, effects) {
                    effects.push(Effect::Withdraw { drone: twin_lease.drone, lease: twin, end: twin_lease.next });
                    self.fill(twin_lease.drone, now, effects);
                }
            }
            false => self.untwin(twin),
        }
    }
}
