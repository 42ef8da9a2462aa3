//! Results that come, and what they count for.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::effect::{Effect, Outcome};
use super::history::History;
use super::meter::Spent;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::task::Task;
use super::time::Time;

/// Results of a part of a lease that came.
pub(super) struct Output {
    pub(super) drone: DroneId,
    pub(super) lease: LeaseId,
    pub(super) range: Range<u64>,
    /// Thread time that it took.
    pub(super) spent: Duration,
    pub(super) validity: Validity,
}

/// What results that come count for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    /// They are done.
    Final,
    /// They are done when somebody has computed the same: the Queen only if she keeps what is claimed.
    Claim { is_kept: bool },
}

impl Core {
    pub(super) fn output(&mut self, output: Output, now: Time, effects: &mut Vec<Effect>) {
        let Output { drone: drone_id, lease: id, range, spent, validity } = output;
        let Some(lease) = self.leases.get(id).filter(|lease| lease.drone == drone_id) else { return };
        if range.start != lease.next || range.is_empty() {
            return;
        }
        let (task_id, twin, wanted) = (lease.task, lease.twin, lease.wanted(&range));
        let Some(task) = self.tasks.get(task_id) else { return };
        let (class, computed, is_twice) = (task.class, task.cost(&range), task.is_twice);
        let spent = self.drones.count_time(drone_id, spent, now);
        let mut is_pending = false;
        if let Some(wanted) = wanted.clone() {
            let cost = task.cost(&wanted);
            // What is left of the lease is not served yet. Ranks of another priority say nothing here.
            let rank = if lease.charge.priority == task.priority { lease.charge.rank } else { 0 };
            let rest = task.cost(&(wanted.end..lease.range.end));
            self.tasks.serve(task.priority, rank.saturating_sub(rest));
            if let Some(twin) = twin {
                self.leases.change(twin, |twin| twin.range.start = wanted.end);
            }
            match validity {
                Validity::Final => self.credit(task_id, wanted, (cost, spent), now, effects),
                Validity::Claim { is_kept } => {
                    let by_queen = is_kept && !self.has_another(id);
                    is_pending = !by_queen;
                    effects.push(Effect::Claim { task: task_id, range: wanted.clone(), by_queen });
                    self.count_done(0, cost, spent, now);
                    if by_queen {
                        self.tasks.change(task_id, |task| task.give_to_queen(wanted));
                    }
                }
            }
        }
        let is_over = self.leases.change(id, |lease| {
            lease.range.start = wanted.as_ref().map_or(lease.range.start, |wanted| wanted.end);
            lease.next = range.end.min(lease.range.end);
            lease.spent += spent.all;
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
            false if wanted.is_some() && validity == Validity::Final => effects.push(Effect::Advanced(task_id)),
            false => {}
        }
        if let Some(claimed) = wanted.filter(|_| is_pending) {
            // A history of failures says nothing any more once a Drone has computed the range.
            self.put_back(task_id, claimed, Some(Box::new(History::avoiding(drone_id))));
        }
        if is_twice {
            // Its claimed range is pending for another Drone now.
            self.place_task(task_id, now, effects);
        }
        self.fill(drone_id, now, effects);
    }

    /// Credits what the Queen has computed again after a Drone, or has it computed anew where the two differ.
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
            self.credit(id, own, (0, Spent::default()), now, effects);
            match self.tasks.get(id).is_some_and(Task::is_done) {
                true => self.end_task(id, Outcome::Done, now, effects),
                false => effects.push(Effect::Advanced(id)),
            }
        }
        self.place_task(id, now, effects);
    }

    /// Makes a range done that belongs to nobody, and that Drones have just computed for `cost`, in so much time.
    fn credit(
        &mut self,
        id: TaskId,
        range: Range<u64>,
        (cost, spent): (u64, Spent),
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Credit { task: id, range: range.clone() });
        self.count_done(range.end - range.start, cost, spent, now);
        self.tasks.change(id, |task| task.credit(range, spent, now));
    }

    /// Whether another Drone than the one that has this lease could compute the same.
    fn has_another(&self, lease: LeaseId) -> bool {
        let Some(lease) = self.leases.get(lease) else { return false };
        let Some(task) = self.tasks.get(lease.task) else { return false };
        let has_failed = |id| lease.history.as_deref().is_some_and(|history| history.last_failure(id).is_some());
        self.able(task).any(|id| id != lease.drone && !has_failed(id))
    }

    fn count_done(&mut self, items: u64, cost: u64, spent: Spent, now: Time) {
        self.items_done += items;
        self.cost_done += cost;
        self.meter.add(items, cost, spent, now);
    }

    /// Ends a lease of which everything was said. If its range is done, the twin has nothing left to do.
    fn finish_lease(&mut self, id: LeaseId, now: Time, effects: &mut Vec<Effect>) {
        let Some(lease) = self.remove_lease(id, LeaseEnd::Done, effects) else { return };
        let Some(twin) = lease.twin else { return };
        match lease.range.is_empty() {
            true => {
                if let Some(twin_lease) = self.remove_lease(twin, LeaseEnd::Withdrawn, effects) {
                    effects.push(Effect::Withdraw { drone: twin_lease.drone, lease: twin, end: twin_lease.next });
                    self.fill(twin_lease.drone, now, effects);
                }
            }
            false => self.untwin(twin),
        }
    }
}
