//! Drones that come, fall silent, go and come back.
//!
//! A connection that breaks blames nobody. What the Drone had not begun goes to others at
//! once; what it had begun is kept for it about four times as long as was spent on it, within
//! [`HOLD_MIN`] and the grace, since waiting longer than it takes to compute it again helps
//! nobody. A Drone that fell silent has had its time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::credit::CreditPool;
use super::dispatch::LeaseTerms;
use super::drone::{Drone, Isolation};
use super::effect::{Distrust, Effect};
use super::event::LeaseProgress;
use super::history::{EndCause, History};
use super::lease;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::steal::FAR;
use super::task::Task;
use super::time::Time;
use super::work::Ability;

/// How long what was begun is kept at least, if the grace allows it.
const HOLD_MIN: Duration = Duration::from_secs(2);

/// What was begun is kept so many times as long as was spent on it.
const HOLD_FACTOR: u32 = 4;

/// How many times the silence that ends a Drone may pass without its threads computing anything.
const STILL_FACTOR: u32 = 3;

/// A Drone that stood still so often without giving a result between is quarantined.
const STRIKES: u8 = 3;

/// From which age on leases are recorded on disk. Losing a younger one costs less than that.
const RECORD_AGE: Duration = Duration::from_millis(250);
/// How much later, so that many are recorded together.
const RECORD_DELAY: Duration = Duration::from_millis(50);

/// What a Drone held when it came back, by task and first index.
type Holdings = BTreeMap<(TaskId, u64), LeaseId>;

impl Core {
    pub(super) fn join(
        &mut self,
        id: DroneId,
        ability: Ability,
        trusted: bool,
        offers: &[(TaskId, Range<u64>)],
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        self.drones.connect(id, ability, trusted, now);
        let mut held = Holdings::new();
        for lease_id in self.drones[id].leases() {
            if let Some(lease) = self.leases.get(lease_id) {
                held.insert((lease.task, lease.range.start), lease_id);
            }
        }
        let leases = offers
            .iter()
            .map(|(task, range)| trusted.then(|| self.adopt(id, *task, range, &mut held, now, effects)).flatten());
        let leases: Vec<_> = leases.collect();
        self.lease_counts.adopted += leases.iter().flatten().count() as u64;
        effects.push(Effect::Adopted { drone: id, leases });
        let lost = lease::in_order(held.into_values()).into_iter().map(|lease| (lease, EndCause::None));
        let lost: Vec<_> = lost.collect();
        self.expire(&lost, false, now, effects);
        self.fill(id, now, effects);
    }

    /// Takes back what is still wanted of a range that a Drone has: under the lease that it
    /// has of it, or under a new one if nobody else has it meanwhile.
    fn adopt(
        &mut self,
        drone: DroneId,
        task_id: TaskId,
        offer: &Range<u64>,
        held: &mut Holdings,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Option<(LeaseId, Range<u64>)> {
        if offer.is_empty() {
            return None;
        }
        let common = |range: &Range<u64>| range.start.max(offer.start)..range.end.min(offer.end);
        // What one Drone has of a task does not overlap.
        let before = held.range((task_id, 0)..=(task_id, offer.start)).next_back();
        let behind = held.range((task_id, offer.start)..(task_id, offer.end)).next();
        let is_it = |id: &LeaseId| self.leases.get(*id).is_some_and(|lease| !common(&lease.range).is_empty());
        let found = [before, behind].into_iter().flatten().find(|(_, id)| is_it(id));
        if let Some((key, id)) = found.map(|(key, id)| (*key, *id)) {
            let lease = self.leases.get(id)?;
            let range = common(&lease.range);
            if lease.twin.is_some() && range != lease.range {
                // Its twin has all of it.
                return None;
            }
            let lost = [lease.range.start..range.start, range.end..lease.range.end];
            self.leases.change(id, |lease| {
                (lease.range, lease.next) = (range.clone(), range.start);
                (lease.reached, lease.named) = (range.start, Some(now));
                lease.finish = now + lease.charge.time();
            });
            lost.into_iter().for_each(|lost| self.put_back(task_id, lost, None));
            self.recharge(id, now);
            held.remove(&key);
            return Some((id, range));
        }
        if matches!(self.drones[drone].isolation, Some(Isolation::Running(_))) {
            return None;
        }
        let take = |task: &mut Task| match task.retry_within(offer).filter(|_| !task.is_paused) {
            Some(start) => task.take_retry(start).map(|(range, history)| (range, Some(history))),
            None if task.is_paused => None,
            None => Some((task.take_within(offer)?, None)),
        };
        let (range, mut history) = self.tasks.change(task_id, take).flatten()?;
        if let Some(history) = &mut history {
            history.survived(drone);
        }
        let must_be_isolated = history.as_deref().is_some_and(History::must_be_isolated);
        if must_be_isolated && !self.drones[drone].is_empty() {
            self.put_back(task_id, range, history);
            return None;
        }
        let terms = LeaseTerms { pool: CreditPool::Ahead, range: range.clone(), history, twin: None };
        let (lease, _) = self.lease_out(task_id, drone, terms, now, effects)?;
        if must_be_isolated {
            self.stop_emptying(drone);
            self.end_isolation((task_id, range.start));
            self.runs_isolated(drone, lease);
        }
        Some((lease, range))
    }

    /// Ranges that a Drone had when the Queen before ended.
    pub(super) fn inherit(
        &mut self,
        id: DroneId,
        held: Vec<(TaskId, Range<u64>)>,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let until = now + self.timeouts.grace;
        let ability = Ability::unknown();
        self.drones.connect(id, ability, true, now);
        self.drones.change(id, |drone| drone.away_until = Some(until));
        for (task_id, range) in held {
            let Some(range) = self.tasks.change(task_id, |task| task.take_within(&range)).flatten() else { continue };
            let terms = LeaseTerms { pool: CreditPool::Ahead, range, history: None, twin: None };
            if let Some((lease, _)) = self.lease_out(task_id, id, terms, now, effects) {
                self.keep_until(lease, until, now);
                self.record(lease, effects);
            }
        }
        if self.drones[id].is_empty() {
            self.forget(id);
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        id: DroneId,
        progress: &[LeaseProgress],
        computed: u64,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        if self.drones.get(id).is_none_or(|drone| drone.away_until.is_some()) {
            return;
        }
        let (mut newest, mut is_taking) = (None, false);
        for LeaseProgress { lease: lease_id, reached, begun } in progress {
            if self.leases.get(*lease_id).is_none_or(|lease| lease.drone != id) {
                continue;
            }
            newest = newest.max(Some(*lease_id));
            self.leases.change(*lease_id, |lease| {
                is_taking |= lease.named.replace(now).is_none();
                lease.begun |= begun;
                lease.reached = lease.reached.max((*reached).min(lease.range.end));
            });
        }
        self.drones.change(id, |drone| {
            drone.last_heard = now;
            if is_taking {
                drone.last_taken = now;
            }
            if drone.computed.0 != computed || progress.is_empty() {
                drone.computed = (computed, now);
            }
        });
        if self.stands_still(id, now) {
            self.strike(id, now, effects);
            return;
        }
        let silence = self.timeouts.silence;
        // Small leases overtake large ones on the way, but not by the whole silence timeout: a lease that heartbeats still
        // leave out then got lost.
        let is_lost = |id: &LeaseId| {
            let named =
                self.leases.get(*id).and_then(|lease| lease.named.or((newest > Some(*id)).then_some(lease.granted)));
            named.is_some_and(|named| named + silence < now)
        };
        let mut lost: Vec<_> = self.drones[id].leases().filter(is_lost).map(|id| (id, EndCause::None)).collect();
        lost.sort_unstable_by_key(|(id, _)| *id);
        self.expire(&lost, true, now, effects);
        self.fill(id, now, effects);
    }

    /// A Drone said something; its deadline moves by a second at least, which is seldom enough.
    pub(super) fn hear(&mut self, id: DroneId, now: Time) {
        if self.drones.get(id).is_some_and(|drone| drone.last_heard + Duration::from_secs(1) < now) {
            self.drones.change(id, |drone| drone.last_heard = now);
        }
    }

    /// Whether a Drone that sends heartbeats does nothing else: it does not take in what it is
    /// sent, or its threads compute nothing of what it has.
    fn stands_still(&self, id: DroneId, now: Time) -> bool {
        let Some(drone) = self.drones.get(id) else { return false };
        let limit = self.timeouts.silence;
        let is_deaf = |lease: LeaseId| {
            let lease = self.leases.get(lease).filter(|lease| lease.named.is_none());
            lease.is_some_and(|lease| lease.granted.max(drone.last_taken) + 2 * limit < now)
        };
        let is_stuck = drone.computed.1 + limit * STILL_FACTOR < now;
        is_stuck || drone.leases().min().is_some_and(is_deaf) || drone.leases().max().is_some_and(is_deaf)
    }

    fn strike(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        let strikes = self.drones.change(id, |drone| {
            drone.strikes = (drone.strikes + 1) % STRIKES;
            drone.strikes
        });
        if strikes == Some(0) {
            effects.push(Effect::Quarantined { drone: id, why: Distrust::Idleness });
            self.quarantine(id, now, effects);
            return;
        }
        effects.push(Effect::Disconnect { drone: id, reason: "it sends heartbeats, but takes in or computes nothing" });
        // It is known again when it comes back soon.
        let grace = self.timeouts.grace;
        self.let_go(id, EndCause::None, now, effects);
        self.drones.change(id, |drone| drone.away_until = Some(now + grace));
    }

    pub(super) fn excuse(&mut self, id: DroneId, was_heard: bool, now: Time) {
        let excused =
            self.drones.change(id, |drone| (drone.last_heard, drone.computed.1, drone.last_taken) = (now, now, now));
        if excused.is_none() || was_heard {
            return;
        }
        for lease in self.drones[id].leases() {
            self.leases.change(lease, |lease| lease.named = lease.named.map(|_| now));
        }
    }

    pub(super) fn leaving(&mut self, id: DroneId) {
        self.stop_emptying(id);
        self.drones.change(id, |drone| drone.leaving = true);
    }

    pub(super) fn quarantine(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        if self.drones.change(id, |drone| drone.quarantined = true).is_none() {
            return;
        }
        self.stop_emptying(id);
        let held = lease::in_order(self.drones[id].leases());
        let leases: Vec<_> = held.into_iter().map(|lease| (lease, EndCause::None)).collect();
        self.give_up(&leases, true, LeaseEnd::Withdrawn, now, effects);
    }

    pub(super) fn pardon(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        if self.drones.change(id, |drone| drone.quarantined = false).is_some() {
            self.fill(id, now, effects);
        }
    }

    /// A connection broke: what was not begun goes to others, the rest is kept for a while.
    pub(super) fn disconnected(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        let Some(drone) = self.drones.get(id).filter(|drone| drone.away_until.is_none()) else { return };
        let begun = self.begun(drone);
        let rest = lease::in_order(drone.leases()).into_iter().filter(|lease| !begun.contains(lease));
        let rest: Vec<_> = rest.map(|lease| (lease, EndCause::None)).collect();
        if drone.leaving || drone.quarantined {
            return self.gone(id, EndCause::Loss, now, effects);
        }
        for lease in &begun {
            let granted = self.leases.get(*lease).map_or(now, |lease| lease.granted);
            let hold = (HOLD_FACTOR * now.saturating_sub(granted)).max(HOLD_MIN).min(self.timeouts.grace);
            self.keep_until(*lease, now + hold, now);
        }
        self.stop_emptying(id);
        self.drones.change(id, |drone| drone.away_until = Some(now));
        self.expire(&rest, false, now, effects);
        self.await_return(id, now, effects);
        // Idle Drones may compute a twin of what the Drone that is away holds.
        let idle: Vec<_> = self.drones.empty().collect();
        idle.into_iter().for_each(|id| self.steal(id, now, effects));
    }

    /// Those leases of a Drone that a thread has most likely begun with: by its heartbeats, or, since
    /// they may not have named what it took last, the most urgent ones.
    fn begun(&self, drone: &Drone) -> BTreeSet<LeaseId> {
        let is_begun = |lease: &LeaseId| self.leases.get(*lease).is_some_and(|lease| lease.begun);
        drone.first_leases().chain(drone.leases().filter(is_begun)).collect()
    }

    /// Keeps a lease for a Drone that is away.
    fn keep_until(&mut self, id: LeaseId, until: Time, now: Time) {
        self.leases.change(id, |lease| (lease.kept_until, lease.finish) = (until, now + FAR));
    }

    /// Ends what was kept long enough for a Drone that is away; with the last lease it is forgotten.
    fn await_return(&mut self, id: DroneId, now: Time, effects: &mut Vec<Effect>) {
        let Some(drone) = self.drones.get(id) else { return };
        let is_over = |lease: &LeaseId| self.leases.get(*lease).is_some_and(|lease| lease.kept_until <= now);
        let over = lease::in_order(drone.leases()).into_iter().filter(is_over);
        let over: Vec<_> = over.map(|lease| (lease, EndCause::Loss)).collect();
        self.expire(&over, false, now, effects);
        let kept = self.drones.get(id).into_iter().flat_map(Drone::leases);
        let next = kept.filter_map(|lease| self.leases.get(lease)).map(|lease| lease.kept_until).min();
        match next {
            Some(next) => drop(self.drones.change(id, |drone| drone.away_until = Some(next))),
            None => {
                self.forget(id);
                effects.push(Effect::Forgotten(id));
            }
        }
    }

    /// A Drone has left, or its time is up.
    pub(super) fn gone(&mut self, id: DroneId, fault: EndCause, now: Time, effects: &mut Vec<Effect>) {
        self.let_go(id, fault, now, effects);
        self.forget(id);
    }

    /// Gives everything that a Drone holds to others.
    fn let_go(&mut self, id: DroneId, fault: EndCause, now: Time, effects: &mut Vec<Effect>) {
        self.stop_emptying(id);
        let Some(drone) = self.drones.get(id) else { return };
        let begun = self.begun(drone);
        let blamed = |lease: LeaseId| (lease, if begun.contains(&lease) { fault } else { EndCause::None });
        let leases: Vec<_> = lease::in_order(drone.leases()).into_iter().map(blamed).collect();
        self.drones.change(id, |drone| drone.leaving = true);
        self.expire(&leases, false, now, effects);
    }

    /// Takes leases back that their Drone does not compute any more, without having given them back.
    fn expire(&mut self, leases: &[(LeaseId, EndCause)], withdraw: bool, now: Time, effects: &mut Vec<Effect>) {
        self.lease_counts.expired += leases.len() as u64;
        self.give_up(leases, withdraw, LeaseEnd::Expired, now, effects);
    }

    fn forget(&mut self, id: DroneId) {
        self.stop_emptying(id);
        self.drones.remove(id);
    }

    pub(super) fn tick_drones(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((_, id)) = self.drones.first_deadline().filter(|(deadline, _)| *deadline <= now) {
            match self.drones[id].away_until {
                Some(_) => self.await_return(id, now, effects),
                None => {
                    effects.push(Effect::Disconnect { drone: id, reason: "nothing was heard of it for too long" });
                    self.gone(id, EndCause::Loss, now, effects);
                    effects.push(Effect::Forgotten(id));
                }
            }
        }
    }

    /// When leases are old enough to be recorded.
    pub(super) fn next_recording(&self) -> Option<Time> {
        self.unrecorded.front().map(|(granted, _)| *granted + RECORD_AGE + RECORD_DELAY)
    }

    /// Has leases recorded that are old enough.
    pub(super) fn record_leases(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((_, id)) = self.unrecorded.pop_front_if(|(granted, _)| *granted + RECORD_AGE <= now) {
            self.record(id, effects);
        }
    }

    fn record(&mut self, id: LeaseId, effects: &mut Vec<Effect>) {
        if let Some(lease) = self.leases.get(id).filter(|lease| !lease.is_recorded) {
            let (drone, task, range) = (lease.drone, lease.task, lease.range.clone());
            effects.push(Effect::Hold { lease: id, drone, task, range });
            self.leases.change(id, |lease| lease.is_recorded = true);
        }
    }
}
