//! What becomes of a lease: its outputs, its end, and who is to blame.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::drone::Charge;
use super::task::Task;
use super::trouble::{MAX_LOSSES, Trouble};
use super::{Blame, Core, Distrust, Effect, Outcome, Time};

/// A range fails its task after so many attempts of one Drone, where there is no other that could
/// try. Otherwise two Drones have to fail on it: one alone may be what is wrong.
pub const MAX_ATTEMPTS: usize = 3;

/// A range fails its task after so many Drones died while they computed nothing else.
pub const MAX_DEATHS: usize = 3;

/// The right of one Drone to compute one chunk.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) task: TaskId,
    pub(super) drone: DroneId,
    /// What is not done of it. Twins have the same.
    pub(super) range: Range<u64>,
    /// Where the Drone's next output begins.
    pub(super) next: u64,
    /// Indices below this one are computed, as far as is known.
    pub(super) reached: u64,
    /// A thread has begun with it, as far as is known.
    pub(super) begun: bool,
    pub(super) granted: Time,
    /// When a heartbeat named it last.
    pub(super) named: Option<Time>,
    /// How long it is kept for a Drone that is away.
    pub(super) kept_until: Time,
    /// When its Drone is expected to be done with it.
    pub(super) finish: Time,
    pub(super) charge: Charge,
    /// The other lease of the same range.
    pub(super) twin: Option<LeaseId>,
    pub(super) trouble: Option<Box<Trouble>>,
    /// It was to be remembered.
    pub(super) is_held: bool,
    /// Where it stands among the leases of its task.
    pub(super) at: usize,
}

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

/// Why a lease ends before its range is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// For no fault of its range or its Drone.
    None,
    /// The Drone was lost while it computed it.
    Loss,
    /// The Drone could not compute it.
    Failure,
}

impl Lease {
    /// Which part of what is said next of it is wanted.
    pub(super) fn wanted(&self, said: &Range<u64>) -> Option<Range<u64>> {
        let wanted = said.start.max(self.range.start)..said.end.min(self.range.end);
        (!wanted.is_empty()).then_some(wanted)
    }

    /// Its place among leases by when they are expected to be done.
    pub(super) fn due(&self, id: LeaseId) -> (u64, LeaseId) {
        (self.finish.as_nanos() as u64, id)
    }

    /// What is not said of it yet.
    pub(super) fn rest(&self) -> Range<u64> {
        self.next..self.range.end.max(self.next)
    }
}

/// These in the order in which they were given.
pub(super) fn in_order(leases: impl Iterator<Item = LeaseId>) -> Vec<LeaseId> {
    let mut leases: Vec<_> = leases.collect();
    leases.sort_unstable();
    leases
}

impl Core {
    pub(super) fn output(&mut self, drone_id: DroneId, part: Part, merit: Merit, now: Time, effects: &mut Vec<Effect>) {
        let Part { lease: id, range, spent } = part;
        let Some(lease) = self.leases.get_mut(id).filter(|lease| lease.drone == drone_id) else { return };
        if range.start != lease.next || range.is_empty() {
            return;
        }
        let task_id = lease.task;
        let Some(task) = self.tasks.get_mut(task_id) else { return };
        let (class, computed) = (task.class, task.cost(&range));
        let wanted = lease.wanted(&range);
        let (mut items, mut cost) = (0, 0);
        if let Some(wanted) = &wanted {
            lease.range.start = wanted.end;
            cost = task.cost(wanted);
            let mut done = 0;
            match merit {
                Merit::Result => {
                    items = wanted.end - wanted.start;
                    task.credit(wanted.clone(), now);
                    done = task.in_all(cost);
                }
                Merit::Claim { by_queen: true } => task.give_to_queen(wanted.clone()),
                Merit::Claim { by_queen: false } => {}
            }
            // What is left of the lease is not served yet. Ranks of another priority say nothing here.
            let rank = if lease.charge.priority == task.priority { lease.charge.rank } else { 0 };
            self.queue.served(task.priority, done, rank.saturating_sub(task.cost(&lease.range)));
        }
        lease.next = range.end.min(lease.range.end);
        (lease.reached, lease.begun) = (lease.reached.max(lease.next), true);
        let is_over = lease.range.is_empty() || lease.rest().is_empty();
        let (rest, twin) = (lease.range.start, lease.twin);
        let (ended, is_twice) = (task.is_done(), task.is_twice);
        if let Some(twin) = twin.and_then(|twin| self.leases.get_mut(twin)) {
            twin.range.start = rest;
        }
        if wanted.is_some() {
            self.count_done(items, cost, now);
        }
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
        while let Some(task) = self.tasks.get_mut(id)
            && let Some(own) = task.take_from_queen(range)
        {
            if !agrees {
                self.put_back(id, own, None);
                continue;
            }
            let items = own.end - own.start;
            let cost = task.credit(own, now);
            if !task.is_paused {
                self.queue.served(task.priority, task.in_all(cost), 0);
            }
            let is_done = task.is_done();
            // What it cost was counted when it was claimed.
            self.count_done(items, 0, now);
            match is_done {
                true => self.end_task(id, Outcome::Done, now, effects),
                false => effects.push(Effect::Progress(id)),
            }
        }
        self.place_task(id, now, effects);
    }

    fn count_done(&mut self, items: u64, cost: u64, now: Time) {
        self.items_queued -= items;
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

    pub(super) fn failed(
        &mut self,
        drone_id: DroneId,
        id: LeaseId,
        reason: &str,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lease) = self.leases.get(id).filter(|lease| lease.drone == drone_id) else { return };
        self.lease_counts.failed += 1;
        let task = lease.task;
        let tried = lease.trouble.as_deref().map_or(&[][..], |trouble| &trouble.failed);
        let (range, is_batch) = (lease.range.clone(), self.tasks.get(task).is_some_and(|task| task.is_batch));
        let may_be_blamed = !is_batch || range.end - range.start == 1;
        // Each item of a batch is a task of its own.
        let item = if is_batch { range.clone() } else { 0..u64::MAX };
        let drones: Vec<_> = tried.iter().map(|(drone, _)| *drone).chain([drone_id]).collect();
        let is_confirmed = drones.iter().any(|other| *other != drone_id);
        if lease.twin.is_none() && may_be_blamed && (is_confirmed || drones.len() >= MAX_ATTEMPTS) {
            if is_confirmed {
                // The range is to blame, not who tried it.
                self.drones.forgive(task, &item);
            }
            let blame = Blame::Failures { drones, reason: reason.to_owned() };
            if is_batch {
                self.remove_lease(id, effects);
                self.fail_item(task, range, blame, now, effects);
            } else {
                self.end_task(task, Outcome::Failed(blame), now, effects);
            }
        } else {
            self.give_up(&[(id, Fault::Failure)], false, now, effects);
            let failures = self.drones.change(drone_id, |drone| drone.fail(task, item, now)).flatten();
            if let Some(tasks) = failures {
                effects.push(Effect::Quarantined { drone: drone_id, why: Distrust::Failures(tasks.clone()) });
                self.quarantine(drone_id, now, effects);
                tasks.into_iter().for_each(|task| self.disregard(task, drone_id, now, effects));
            }
        }
        self.fill(drone_id, now, effects);
    }

    /// A Drone is what was wrong where it failed: others may try, and it counts for nothing.
    fn disregard(&mut self, id: TaskId, drone: DroneId, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let ranges: Vec<_> = task.apart().filter(|(_, trouble)| trouble.is_of(drone)).map(|(range, _)| range).collect();
        for range in ranges {
            let Some((range, mut trouble)) = self.tasks.get_mut(id).and_then(|task| task.take_apart(range.start))
            else {
                continue;
            };
            trouble.disregard(drone);
            // Who was chosen to run it alone still is.
            let chosen = self.alone.remove(&(id, range.start));
            let start = range.start;
            self.put_back(id, range, (!trouble.is_nothing()).then_some(trouble));
            if let Some(chosen) = chosen {
                self.alone.insert((id, start), chosen);
            }
        }
        let leases: Vec<_> = self.tasks.get(id).into_iter().flat_map(Task::leases).collect();
        for lease in leases {
            if let Some(trouble) = self.leases.get_mut(lease).and_then(|lease| lease.trouble.as_mut()) {
                trouble.disregard(drone);
            }
        }
        self.place_task(id, now, effects);
    }

    pub(super) fn hand_back(&mut self, drone: DroneId, leases: &[LeaseId], now: Time, effects: &mut Vec<Effect>) {
        let own = |id: &&LeaseId| self.leases.get(**id).is_some_and(|lease| lease.drone == drone);
        let own: Vec<_> = leases.iter().filter(own).map(|id| (*id, Fault::None)).collect();
        self.give_up(&own, false, now, effects);
        self.fill(drone, now, effects);
    }

    /// Ends these leases; what is not done of them is pending again, and placed where there is room.
    pub(super) fn give_up(
        &mut self,
        leases: &[(LeaseId, Fault)],
        withdraw: bool,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let mut tasks = BTreeSet::new();
        let mut dead = Vec::new();
        for (id, fault) in leases {
            let Some(lease) = self.remove_lease(*id, effects) else { continue };
            if withdraw {
                effects.push(Effect::Withdraw { drone: lease.drone, lease: *id, end: lease.next });
            }
            match lease.twin {
                Some(twin) => {
                    self.blame_twin(twin, lease.drone, *fault, now);
                    self.untwin(twin);
                }
                None => {
                    tasks.insert(lease.task);
                    dead.extend(self.release(lease, *fault, now));
                }
            }
        }
        for (task, blame) in dead {
            match blame {
                Blame::Deaths { ref range, .. } if self.tasks.get(task).is_some_and(|task| task.is_batch) => {
                    self.fail_item(task, range.clone(), blame, now, effects);
                }
                _ => self.end_task(task, Outcome::Failed(blame), now, effects),
            }
        }
        for task in tasks {
            self.place_task(task, now, effects);
        }
    }

    /// What is left of a lease belongs to nobody again, but is remembered with what went wrong.
    /// Returns what its task fails of, if it was one death too many.
    fn release(&mut self, lease: Lease, fault: Fault, now: Time) -> Option<(TaskId, Blame)> {
        let Lease { task: id, drone, range, trouble, .. } = lease;
        let task = self.tasks.get(id)?;
        let trouble = match fault {
            Fault::None => trouble,
            Fault::Failure => {
                let mut trouble = trouble.unwrap_or_default();
                trouble.add_attempt(drone, now);
                Some(trouble)
            }
            Fault::Loss => {
                let mut trouble = trouble.unwrap_or_default();
                if trouble.is_alone() {
                    if !trouble.deaths.contains(&drone) {
                        trouble.deaths.push(drone);
                    }
                } else {
                    trouble.losses += 1;
                }
                let may_be_blamed = !task.is_batch || range.end - range.start == 1;
                if trouble.deaths.len() >= MAX_DEATHS && may_be_blamed {
                    return Some((id, Blame::Deaths { drones: trouble.deaths.clone(), range }));
                }
                Some(trouble)
            }
        };
        match trouble {
            Some(trouble) if fault != Fault::None => self.put_back_in_parts(id, range, trouble),
            trouble => self.put_back(id, range, trouble),
        }
        None
    }

    /// A lease goes on whose twin came to nothing: what went wrong with that one counts. What does
    /// not run alone stays short of having to.
    fn blame_twin(&mut self, id: LeaseId, drone: DroneId, fault: Fault, now: Time) {
        let Some(lease) = self.leases.get_mut(id).filter(|_| fault != Fault::None) else { return };
        let trouble = lease.trouble.get_or_insert_default();
        match fault {
            Fault::None => {}
            Fault::Failure => trouble.add_attempt(drone, now),
            Fault::Loss => trouble.losses = trouble.losses.max(MAX_LOSSES - 1),
        }
    }

    /// The other lease of the same range has ended.
    fn untwin(&mut self, id: LeaseId) {
        if let Some(lease) = self.leases.get_mut(id) {
            lease.twin = None;
            self.by_finish.insert(lease.due(id));
        }
    }

    /// Removes a lease from wherever it is referred to; its range belongs to nobody then.
    pub(super) fn remove_lease(&mut self, id: LeaseId, effects: &mut Vec<Effect>) -> Option<Lease> {
        let lease = self.leases.remove(id)?;
        if lease.twin.is_none() {
            self.by_finish.remove(&lease.due(id));
        }
        if lease.is_held {
            effects.push(Effect::Unhold(id));
        }
        let moved = self.tasks.get_mut(lease.task).and_then(|task| task.end_lease(lease.at));
        if let Some(moved) = moved.and_then(|moved| self.leases.get_mut(moved)) {
            moved.at = lease.at;
        }
        self.drones.change(lease.drone, |drone| drone.discharge(id, lease.task, &lease.charge));
        Some(lease)
    }

    /// Takes the tail of a lease away, from `end` on; the caller gives it to somebody.
    pub(super) fn shorten(&mut self, id: LeaseId, end: u64, now: Time, effects: &mut Vec<Effect>) {
        let Some(lease) = self.leases.get_mut(id) else { return };
        lease.range.end = end;
        effects.push(Effect::Withdraw { drone: lease.drone, lease: id, end });
        if lease.is_held {
            let (drone, task, range) = (lease.drone, lease.task, lease.range.clone());
            effects.push(Effect::Hold { lease: id, drone, task, range });
        }
        self.recharge(id, now);
    }

    /// Counts only what is left of a lease against its Drone's credit.
    pub(super) fn recharge(&mut self, id: LeaseId, now: Time) {
        let Some(lease) = self.leases.get(id) else { return };
        let (Some(task), Some(drone)) = (self.tasks.get(lease.task), self.drones.get(lease.drone)) else { return };
        let old = lease.charge;
        let new = drone.charge(task, &lease.rest(), old.place, old.rank).at(old.priority);
        let finish = if lease.begun { now + new.time() } else { lease.finish };
        let drone = lease.drone;
        self.drones.change(drone, |drone| drone.replace_charge(&old, &new));
        if let Some(lease) = self.leases.get_mut(id) {
            lease.charge = new;
        }
        self.expect(id, finish);
    }

    /// A lease is expected to be done by then.
    pub(super) fn expect(&mut self, id: LeaseId, finish: Time) {
        let Some(lease) = self.leases.get_mut(id) else { return };
        let before = lease.due(id);
        lease.finish = finish;
        if lease.twin.is_none() && before != lease.due(id) {
            self.by_finish.remove(&before);
            self.by_finish.insert(lease.due(id));
        }
    }
}
