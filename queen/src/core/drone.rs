//! A connected Drone: how fast it is, what it holds, and whether it has room for more.
//!
//! Credit is counted in thread time, at the Drone's measured rate. Half a second of it for
//! each thread is for whatever is next. Beyond that there is a *reserve* for short chunks of
//! tasks of which the Drone holds nothing yet, so that a word need not wait for room behind a
//! search; and work of a higher priority does not count what is held of lower ones.
//!
//! Material is sent once and counts by itself: nothing that needs any is leased while what the Drone's leases need is
//! more than it keeps. Then each of its tasks waits, so that none is left behind by those of which it holds something.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{LeaseId, TaskId};
use wire::work::{Class, Kind};

use super::credit::{Charge, CreditPool, Level, PoolUsage};
use super::meter::{Meter, Spent};
use super::status::Standing;
use super::task::Task;
use super::time::Time;
use super::timeouts::Timeouts;
use super::work::{Ability, Speed};

/// Thread time for each thread that is leased ahead.
const AHEAD: Duration = Duration::from_millis(500);
/// Thread time for each thread that short chunks may take beyond that.
const RESERVE: Duration = Duration::from_millis(250);
/// The longest chunk that the reserve takes.
pub(super) const RESERVE_CHUNK: Duration = Duration::from_millis(20);
/// Bytes for each thread, and for the Drone.
const BYTES_PER_THREAD: u64 = 8 << 20;
const BYTES: u64 = 16 << 20;
/// What a Drone may be leased ahead at most, well within what it accepts.
const BYTES_MAX: u64 = 128 << 20;
/// Bytes that short chunks may take beyond that.
const BYTES_RESERVE: u64 = 16 << 20;
/// Leases in each of the two pools.
const LEASES: u64 = 1024;
/// Leases altogether, well within what a Drone accepts.
const LEASES_MAX: usize = 3072;
/// What any lease costs a thread besides its compressions.
const LEASE_OVERHEAD_NS: u64 = 2_000;
/// Failures on so many tasks within [`RECENT`], which no other Drone failed on, are the Drone's own.
const FAILED_TASKS: usize = 3;
const RECENT: Duration = Duration::from_secs(600);
/// An output weighs one for each so many nanoseconds that went into it, up to a quarter of all weights.
const WEIGHT_NS: u128 = 5_000_000;
const MAX_WEIGHT: u64 = WEIGHTS / 4;
/// How much the rate known so far and the one just seen weigh together.
const WEIGHTS: u64 = 32;
/// Until a class is measured: one core without any help from hardware.
const RATE_UNKNOWN: u64 = 2_000_000;
/// No thread is faster, whatever its Drone says.
const RATE_MAX: u64 = 1 << 50;
/// What a lease is taken to need at most, in nanoseconds: all that a Drone may hold can be added up.
const TIME_MAX: u64 = u64::MAX >> 15;

/// What a Drone is kept free of other work for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// A pending range, by its task and first index; it gets it as soon as it holds nothing.
    Emptying((TaskId, u64)),
    /// This lease.
    Running(LeaseId),
}

#[derive(Debug)]
pub(super) struct Drone {
    pub(super) threads: u16,
    kinds: BTreeSet<Kind>,
    /// Seeds of [`Self::rates`], and its lanes.
    speeds: BTreeMap<Class, Speed>,
    /// As measured; few differ.
    rates: Vec<(Class, u64)>,
    /// What it holds, by priority, smallest first; few differ.
    levels: Vec<Level>,
    bytes: u64,
    /// What it keeps of material, and what the tasks need of which it holds something, in bytes.
    keeps: u64,
    material: u64,
    pub(super) leaving: bool,
    pub(super) quarantined: bool,
    /// Its connection broke; until when the first of its leases is kept for it.
    pub(super) away_until: Option<Time>,
    pub(super) last_heard: Time,
    /// When a heartbeat named a lease for the first time.
    pub(super) last_taken: Time,
    /// How much its threads have computed, and since when it is that much.
    pub(super) computed: (u64, Time),
    /// How often it stood still since it last gave a result.
    pub(super) strikes: u8,
    /// What it failed on lately: tasks, and items of batches. They are few.
    failures: Vec<(TaskId, Range<u64>, Time)>,
    /// What it is kept free of other work for.
    pub(super) isolation: Option<Isolation>,
    meter: Meter,
    /// How long its threads computed, together, what came since its connection began, and when that was.
    counted: (Duration, Time),
}

impl Drone {
    pub(super) fn new(ability: Ability, now: Time) -> Self {
        Self {
            threads: ability.threads.max(1),
            kinds: ability.kinds,
            speeds: ability.speeds,
            rates: Vec::new(),
            levels: Vec::new(),
            bytes: 0,
            keeps: ability.material,
            material: 0,
            leaving: false,
            quarantined: false,
            away_until: None,
            last_heard: now,
            last_taken: now,
            computed: (0, now),
            strikes: 0,
            failures: Vec::new(),
            isolation: None,
            meter: Meter::new(now),
            counted: (Duration::ZERO, now),
        }
    }

    /// It has a new connection, and may be another build of the program.
    pub(super) fn connect(&mut self, ability: Ability, trusted: bool, now: Time) {
        self.threads = ability.threads.max(1);
        (self.kinds, self.speeds, self.keeps) = (ability.kinds, ability.speeds, ability.material);
        (self.leaving, self.quarantined, self.away_until) = (false, !trusted, None);
        (self.last_heard, self.last_taken, self.computed.1) = (now, now, now);
        self.counted = (Duration::ZERO, now);
    }

    /// When its silence, or its absence, has lasted long enough.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Time {
        self.away_until.unwrap_or(self.last_heard + timeouts.silence)
    }

    /// Whether it is there for work of any kind.
    pub(super) fn is_usable(&self) -> bool {
        self.away_until.is_none() && !self.leaving && !self.quarantined
    }

    /// Whether it does such work.
    pub(super) fn does(&self, class: Class) -> bool {
        self.kinds.contains(&class.kind)
    }

    /// Whether it does such work, and keeps as much material as that needs.
    pub(super) fn is_able(&self, task: &Task) -> bool {
        self.does(task.class) && u64::from(task.material) <= self.keeps
    }

    /// Whether it is able, and keeps all the material that it needs at present.
    pub(super) fn has_room_for(&self, task: &Task) -> bool {
        self.is_able(task) && (task.material == 0 || self.material <= self.keeps)
    }

    /// Whether it computes something in isolation, or is being emptied for that.
    pub(super) fn is_isolated(&self) -> bool {
        self.isolation.is_some()
    }

    /// Whether a thread has nothing to do.
    pub(super) fn has_idle_thread(&self) -> bool {
        self.is_usable() && !self.is_isolated() && self.held() < usize::from(self.threads)
    }

    /// How many leases it holds.
    pub(super) fn held(&self) -> usize {
        self.levels.iter().map(|level| level.ranks.len()).sum()
    }

    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Its leases, in no order that means anything.
    pub(super) fn leases(&self) -> impl Iterator<Item = LeaseId> {
        self.levels.iter().flat_map(|level| &level.ranks).map(|(_, lease)| *lease)
    }

    /// Whether it holds anything of a task.
    fn has(&self, task: TaskId) -> bool {
        self.levels.iter().any(|level| level.find_task(task).is_ok())
    }

    /// It could not compute these items of `task`. Returns the tasks if these are too many.
    pub(super) fn fail(&mut self, task: TaskId, items: Range<u64>, now: Time) -> Option<Vec<TaskId>> {
        self.forgive(task, &items);
        self.failures.retain(|(.., at)| *at + RECENT > now);
        self.failures.push((task, items, now));
        let is_too_much = self.failures.len() >= FAILED_TASKS;
        is_too_much.then(|| {
            let tasks: BTreeSet<_> = self.failures.drain(..).map(|(task, ..)| task).collect();
            tasks.into_iter().collect()
        })
    }

    /// A lease of the highest priority that it has.
    pub(super) fn most_urgent(&self) -> Option<LeaseId> {
        self.levels.last()?.ranks.back().map(|(_, lease)| *lease)
    }

    /// Others failed on these items as well.
    pub(super) fn forgive(&mut self, task: TaskId, items: &Range<u64>) {
        let is_it = |other: &Range<u64>| other.start < items.end && items.start < other.end;
        self.failures.retain(|(other, failed, _)| *other != task || !is_it(failed));
    }

    /// Its leases, the most urgent ones first.
    pub(super) fn by_urgency(&self) -> impl Iterator<Item = LeaseId> {
        self.levels.iter().rev().flat_map(|level| &level.ranks).map(|(_, lease)| *lease)
    }

    /// As many of them as it has threads.
    pub(super) fn first_leases(&self) -> impl Iterator<Item = LeaseId> {
        self.by_urgency().take(usize::from(self.threads))
    }

    /// Thread time held for each thread, in nanoseconds.
    pub(super) fn load(&self) -> u64 {
        let all = self.levels.iter().map(|level| level.ahead.time_ns + level.reserve.time_ns);
        all.sum::<u64>() / u64::from(self.threads)
    }

    /// Compressions per second of one thread; never 0.
    pub(super) fn rate(&self, class: Class) -> u64 {
        let measured = self.rates.iter().find(|(other, _)| *other == class).map(|(_, rate)| *rate);
        measured.or_else(|| Some(self.speeds.get(&class)?.rate)).unwrap_or(RATE_UNKNOWN).clamp(1, RATE_MAX)
    }

    /// Compressions per second of all threads; none of what it cannot do.
    pub(super) fn speed(&self, class: Class) -> u128 {
        if self.does(class) { u128::from(self.rate(class)) * u128::from(self.threads) } else { 0 }
    }

    /// How many items one thread computes at once, in the time of one; never 0.
    pub(super) fn lanes(&self, class: Class) -> u64 {
        self.speeds.get(&class).map_or(1, |speed| u64::from(speed.lanes)).max(1)
    }

    /// What `items` that cost so much would cost if they left no lane empty: fewer take as long.
    fn cost_of_full_lanes(&self, class: Class, items: u64, cost: u64) -> u128 {
        let full = items.next_multiple_of(self.lanes(class));
        u128::from(cost) * u128::from(full) / u128::from(items.max(1))
    }

    /// The pool that has room for work of this priority. A Drone with room has some for whatever is more urgent.
    pub(super) fn opening(&self, priority: i8) -> Option<CreditPool> {
        if !self.is_usable() || self.is_isolated() || self.held() >= LEASES_MAX {
            return None;
        }
        let (mut ahead, mut reserve, mut is_ahead_of_it) = (PoolUsage::default(), PoolUsage::default(), false);
        for level in self.levels.iter().rev().take_while(|level| level.priority >= priority) {
            ahead.add(level.ahead);
            reserve.add(level.reserve);
            is_ahead_of_it |= level.priority > priority && level.ahead.leases > 0;
        }
        let threads = u64::from(self.threads);
        let in_time = ahead.leases < threads || ahead.time_ns < threads * AHEAD.as_nanos() as u64;
        let bytes = BYTES_MAX.min(BYTES + threads * BYTES_PER_THREAD);
        if in_time && ahead.leases < LEASES && self.bytes < bytes {
            return Some(CreditPool::Ahead);
        }
        // More urgent work would be computed before it anyway.
        if is_ahead_of_it {
            return None;
        }
        let in_time = reserve.time_ns < threads * RESERVE.as_nanos() as u64;
        let has_reserve = in_time && reserve.leases < LEASES && self.bytes < bytes + BYTES_RESERVE;
        has_reserve.then_some(CreditPool::Reserve)
    }

    /// From which priority on there is an opening, and what there is at that one.
    pub(super) fn room_from(&self) -> Option<(i8, CreditPool)> {
        // Between priorities of which something is held, nothing differs.
        let edges = self.levels.iter().flat_map(|level| [level.priority, level.priority.saturating_add(1)]);
        let opening = |priority| Some((priority, self.opening(priority)?));
        opening(i8::MIN).or_else(|| edges.filter_map(opening).min())
    }

    /// Whether a task may have this opening.
    pub(super) fn suits(&self, pool: CreditPool, id: TaskId, task: &Task) -> bool {
        let is_short = || {
            let run = task.next_run().or_else(|| Some(task.retries().next()?.0));
            run.is_some_and(|run| self.time_of(task, &(run.start..run.start + 1)) <= RESERVE_CHUNK.as_nanos() as u64)
        };
        self.has_room_for(task) && (pool == CreditPool::Ahead || !self.has(id) && is_short())
    }

    /// What `range` of `task` takes of the credit.
    pub(super) fn charge(&self, task: &Task, range: &Range<u64>, pool: CreditPool, rank: u64) -> Charge {
        let (time_ns, bytes, material) = (self.time_of(task, range), task.bytes(range), task.material.into());
        Charge { pool, priority: task.priority, rank, time_ns, bytes, material }
    }

    /// The rank that a chunk has here. A short one of a task of which the Drone holds nothing goes
    /// first: on a slow Drone, virtual time may have left the running lease far behind, and a word
    /// would wait for it. Any other keeps its own.
    pub(super) fn rank(&self, id: TaskId, charge: &Charge) -> u64 {
        if charge.time_ns > RESERVE_CHUNK.as_nanos() as u64 || self.has(id) {
            return charge.rank;
        }
        let level = self.levels.iter().find(|level| level.priority == charge.priority);
        level.and_then(|level| level.ranks.front()).map_or(charge.rank, |(rank, _)| charge.rank.min(*rank))
    }

    /// Thread time of `range` in nanoseconds, by the rate measured so far.
    pub(super) fn time_of(&self, task: &Task, range: &Range<u64>) -> u64 {
        let cost = self.cost_of_full_lanes(task.class, range.end - range.start, task.cost(range));
        let ns = cost * 1_000_000_000 / u128::from(self.rate(task.class));
        LEASE_OVERHEAD_NS + u64::try_from(ns).unwrap_or(u64::MAX).min(TIME_MAX)
    }

    pub(super) fn add_lease(&mut self, lease: LeaseId, task: TaskId, charge: &Charge) {
        if !self.has(task) {
            self.material += charge.material;
        }
        let at = self.levels.partition_point(|level| level.priority < charge.priority);
        if self.levels.get(at).is_none_or(|level| level.priority != charge.priority) {
            self.levels.insert(at, Level::new(charge.priority));
        }
        let level = &mut self.levels[at];
        let rank = (charge.rank, lease);
        level.ranks.insert(level.ranks.partition_point(|other| *other < rank), rank);
        match level.find_task(task) {
            Ok(at) => level.tasks[at].1 += 1,
            Err(at) => level.tasks.insert(at, (task, 1)),
        }
        let usage = level.usage_mut(charge.pool);
        usage.leases += 1;
        usage.time_ns += charge.time_ns;
        self.bytes += charge.bytes;
    }

    pub(super) fn remove_lease(&mut self, lease: LeaseId, task: TaskId, charge: &Charge) {
        self.isolation.take_if(|isolation| *isolation == Isolation::Running(lease));
        self.bytes -= charge.bytes;
        let Some(level) = self.levels.iter_mut().find(|level| level.priority == charge.priority) else { return };
        if let Ok(at) = level.ranks.binary_search(&(charge.rank, lease)) {
            level.ranks.remove(at);
        }
        if let Ok(at) = level.find_task(task) {
            level.tasks[at].1 -= 1;
            if level.tasks[at].1 == 0 {
                level.tasks.remove(at);
            }
        }
        let usage = level.usage_mut(charge.pool);
        usage.leases -= 1;
        usage.time_ns -= charge.time_ns;
        if level.ranks.is_empty() {
            self.levels.retain(|level| level.priority != charge.priority);
        }
        if !self.has(task) {
            self.material -= charge.material;
        }
    }

    pub(super) fn replace_charge(&mut self, old: &Charge, new: &Charge) {
        self.bytes = self.bytes - old.bytes + new.bytes;
        if let Some(level) = self.levels.iter_mut().find(|level| level.priority == old.priority) {
            let usage = level.usage_mut(old.pool);
            usage.time_ns = usage.time_ns - old.time_ns + new.time_ns;
        }
    }

    /// Learns from what came back.
    pub(super) fn credit(&mut self, class: Class, items: u64, cost: u64, spent: Spent, now: Time) {
        self.strikes = 0;
        self.meter.add(items, cost, spent, now);
        let spent_ns = spent.all.as_nanos();
        // Less is mostly the clock's own granularity.
        if spent_ns < 10_000 {
            return;
        }
        let rate = |cost| u64::try_from(cost * 1_000_000_000 / spent_ns).unwrap_or(u64::MAX).clamp(1, RATE_MAX);
        // Where lanes were empty, it is between what was done and what could have been done beside it.
        let known = self.rate(class);
        let seen = known.clamp(rate(cost.into()), rate(self.cost_of_full_lanes(class, items, cost)));
        // Long outputs weigh as much as many short ones, but none changes the rate at once.
        let weight = (spent_ns / WEIGHT_NS).clamp(1, MAX_WEIGHT.into()) as u64;
        let rate = (known * (WEIGHTS - weight) + seen * weight) / WEIGHTS;
        match self.rates.iter_mut().find(|(other, _)| *other == class) {
            Some((_, measured)) => *measured = rate,
            None => self.rates.push((class, rate)),
        }
    }

    /// Tasks of which it holds leases, the most urgent first.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.levels.iter().rev().flat_map(|level| level.tasks.iter().map(|(task, _)| *task))
    }

    /// Compressions per second of all threads when it measured itself; `None` if it said nothing of that class.
    pub(super) fn benchmark(&self, class: Class) -> Option<u64> {
        Some(self.speeds.get(&class)?.rate.min(RATE_MAX) * u64::from(self.threads))
    }

    /// Notes that one of its threads computed for so long: lately, as far as all of them had so much time since its
    /// connection began.
    pub(super) fn count_time(&mut self, spent: Duration, now: Time) -> Spent {
        let (counted, since) = &mut self.counted;
        let most = now.saturating_sub(*since).saturating_mul(self.threads.into()).saturating_sub(*counted);
        let lately = spent.min(most);
        *counted += lately;
        Spent { all: spent, lately }
    }

    /// Items and cost per second lately.
    pub(super) fn rates(&self, now: Time) -> (f64, f64) {
        self.meter.rates(now)
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { leases: self.held() as u64, leaving: self.leaving, away: self.away_until.is_some() }
    }

    /// Leases, thread time, bytes and material held; the first two added up anew.
    #[cfg(test)]
    pub(super) fn sums(&self) -> (u64, u64, u64, u64) {
        for level in &self.levels {
            assert!(level.ranks.iter().is_sorted() && level.tasks.iter().is_sorted() && !level.ranks.is_empty());
            let leases = level.tasks.iter().map(|(_, leases)| *leases as usize).sum::<usize>();
            assert!(leases == level.ranks.len() && level.tasks.iter().all(|(_, leases)| *leases > 0));
            assert_eq!(leases as u64, level.ahead.leases + level.reserve.leases);
        }
        assert!(self.levels.is_sorted_by(|one, next| one.priority < next.priority));
        let all = || self.levels.iter().flat_map(|level| [level.ahead, level.reserve]);
        (all().map(|usage| usage.leases).sum(), all().map(|usage| usage.time_ns).sum(), self.bytes, self.material)
    }
}
