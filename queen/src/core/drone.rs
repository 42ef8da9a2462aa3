//! A connected Drone: how fast it is, what it holds, and whether it has room for more.
//!
//! Credit is counted in thread time, at the Drone's measured rate. Half a second of it for
//! each thread is for whatever is next. Beyond that there is a *reserve* for short chunks of
//! tasks of which the Drone holds nothing yet, so that a word need not wait for room behind a
//! search; and work of a higher priority does not count what is held of lower ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{LeaseId, TaskId};

use super::meter::Meter;
use super::task::Task;
use super::{Ability, Class, Core, DroneStatus, Patience, Time};

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
/// Leases in each of the two places.
const LEASES: u64 = 4096;
/// Leases altogether, well within what a Drone accepts.
const LEASES_MAX: usize = 12_288;
/// What any lease costs a thread besides its compressions.
const LEASE_OVERHEAD_NS: u64 = 2_000;
/// Failures on so many tasks within [`RECENT`] are the Drone's own.
const FAILED_TASKS: usize = 3;
const RECENT: Duration = Duration::from_secs(600);
/// Until a kind is measured: one core without any help from hardware.
const RATE_UNKNOWN: u64 = 2_000_000;

/// Which part of the credit a lease takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Ahead,
    Reserve,
}

/// What a lease takes of its Drone's credit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub(super) place: Place,
    pub(super) priority: i8,
    pub(super) rank: u64,
    time_ns: u64,
    bytes: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Held {
    leases: u64,
    time_ns: u64,
}

#[derive(Debug)]
pub(super) struct Drone {
    pub(super) threads: u16,
    /// Seeds of [`Self::rates`], by kind.
    kinds: BTreeMap<u16, u64>,
    rates: BTreeMap<Class, u64>,
    pub(super) leases: BTreeSet<LeaseId>,
    /// The leases by priority and rank.
    ranks: BTreeSet<(i8, u64, LeaseId)>,
    /// How many leases of each task.
    tasks: BTreeMap<TaskId, u32>,
    /// By priority, smallest first; few differ.
    ahead: Vec<(i8, Held)>,
    reserve: Vec<(i8, Held)>,
    bytes: u64,
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
    /// Tasks that it failed on lately.
    failures: Vec<(TaskId, Time)>,
    /// It is being emptied for this range, which has to run alone.
    pub(super) reserved: Option<(TaskId, u64)>,
    /// It runs this lease, and nothing else.
    pub(super) alone: Option<LeaseId>,
    meter: Meter,
}

impl Drone {
    pub(super) fn new(ability: Ability, now: Time) -> Self {
        Self {
            threads: ability.threads.max(1),
            kinds: ability.kinds,
            rates: BTreeMap::new(),
            leases: BTreeSet::new(),
            ranks: BTreeSet::new(),
            tasks: BTreeMap::new(),
            ahead: Vec::new(),
            reserve: Vec::new(),
            bytes: 0,
            leaving: false,
            quarantined: false,
            away_until: None,
            last_heard: now,
            last_taken: now,
            computed: (0, now),
            strikes: 0,
            failures: Vec::new(),
            reserved: None,
            alone: None,
            meter: Meter::new(now),
        }
    }

    /// It has a new connection, and may be another build of the program.
    pub(super) fn meet(&mut self, ability: Ability, trusted: bool, now: Time) {
        self.threads = ability.threads.max(1);
        self.kinds = ability.kinds;
        (self.leaving, self.quarantined, self.away_until) = (false, !trusted, None);
        (self.last_heard, self.last_taken, self.computed.1) = (now, now, now);
    }

    /// When its silence, or its absence, has lasted long enough.
    pub(super) fn deadline(&self, patience: &Patience) -> Time {
        self.away_until.unwrap_or(self.last_heard + patience.silence)
    }

    /// Whether it is there for work of any kind.
    pub(super) fn is_usable(&self) -> bool {
        self.away_until.is_none() && !self.leaving && !self.quarantined
    }

    pub(super) fn is_able(&self, class: Class) -> bool {
        self.kinds.contains_key(&class.kind)
    }

    /// Whether it runs something alone, or is being emptied for that.
    pub(super) fn is_secluded(&self) -> bool {
        self.reserved.is_some() || self.alone.is_some()
    }

    /// Whether a thread has nothing to do.
    pub(super) fn is_hungry(&self) -> bool {
        self.is_usable() && !self.is_secluded() && self.leases.len() < usize::from(self.threads)
    }

    /// It could not compute a range of `task`. Returns the tasks if these are too many.
    pub(super) fn fail(&mut self, task: TaskId, now: Time) -> Option<Vec<TaskId>> {
        self.failures.retain(|(other, at)| *other != task && *at + RECENT > now);
        self.failures.push((task, now));
        let is_too_much = self.failures.len() >= FAILED_TASKS;
        is_too_much.then(|| self.failures.drain(..).map(|(task, _)| task).collect())
    }

    /// A lease of the highest priority that it has.
    pub(super) fn most_urgent(&self) -> Option<LeaseId> {
        self.ranks.last().map(|(.., lease)| *lease)
    }

    /// Others failed on this task as well.
    pub(super) fn forgive(&mut self, task: TaskId) {
        self.failures.retain(|(other, _)| *other != task);
    }

    /// Those of its leases that a thread has most likely begun with: by its heartbeats, or, of
    /// those that no heartbeat named yet, the most urgent ones.
    pub(super) fn begun(&self, core: &Core) -> BTreeSet<LeaseId> {
        let by_urgency = self.ranks.iter().map(|(priority, rank, lease)| (std::cmp::Reverse(*priority), *rank, *lease));
        let mut order: Vec<_> = by_urgency.collect();
        order.sort_unstable();
        let known = |lease: &LeaseId| core.leases.get(lease).is_some_and(|lease| lease.begun);
        let first = order.iter().take(usize::from(self.threads)).map(|(.., lease)| *lease);
        first.chain(self.leases.iter().copied().filter(known)).collect()
    }

    /// Thread time held for each thread, in nanoseconds.
    pub(super) fn load(&self) -> u64 {
        let all = self.ahead.iter().chain(&self.reserve);
        all.map(|(_, held)| held.time_ns).sum::<u64>() / u64::from(self.threads)
    }

    /// Compressions per second of one thread; never 0.
    pub(super) fn rate(&self, class: Class) -> u64 {
        let seed = || self.kinds.get(&class.kind).copied().unwrap_or(RATE_UNKNOWN);
        self.rates.get(&class).copied().unwrap_or_else(seed).max(1)
    }

    /// Compressions per second of all threads.
    pub(super) fn speed(&self, class: Class) -> u128 {
        u128::from(self.rate(class)) * u128::from(self.threads)
    }

    /// Where work of this priority may be placed. A Drone with room has some for whatever is more urgent.
    pub(super) fn opening(&self, priority: i8) -> Option<Place> {
        if !self.is_usable() || self.is_secluded() || self.leases.len() >= LEASES_MAX {
            return None;
        }
        let threads = u64::from(self.threads);
        let ahead = at_least(&self.ahead, priority);
        let in_time = ahead.leases < threads || ahead.time_ns < threads * AHEAD.as_nanos() as u64;
        let bytes = BYTES_MAX.min(BYTES + threads * BYTES_PER_THREAD);
        if in_time && ahead.leases < LEASES && self.bytes < bytes {
            return Some(Place::Ahead);
        }
        // More urgent work would be computed before it anyway.
        if priority < i8::MAX && at_least(&self.ahead, priority + 1).leases > 0 {
            return None;
        }
        let reserve = at_least(&self.reserve, priority);
        let in_time = reserve.time_ns < threads * RESERVE.as_nanos() as u64;
        let has_reserve = in_time && reserve.leases < LEASES && self.bytes < bytes + BYTES_RESERVE;
        has_reserve.then_some(Place::Reserve)
    }

    /// From which priority on there is an opening, and what there is at that one.
    pub(super) fn room_from(&self) -> Option<(i8, Place)> {
        // Between priorities of which something is held, nothing differs.
        let held = self.ahead.iter().chain(&self.reserve);
        let edges = held.flat_map(|(priority, _)| [*priority, priority.saturating_add(1)]);
        let opening = |priority| Some((priority, self.opening(priority)?));
        opening(i8::MIN).or_else(|| edges.filter_map(opening).min())
    }

    /// Whether a task may have this opening.
    pub(super) fn suits(&self, place: Place, id: TaskId, task: &Task) -> bool {
        let is_short = || {
            let run = task.next_run().or_else(|| Some(task.apart().next()?.0));
            run.is_some_and(|run| self.time_of(task, &(run.start..run.start + 1)) <= RESERVE_CHUNK.as_nanos() as u64)
        };
        self.is_able(task.class) && (place == Place::Ahead || !self.tasks.contains_key(&id) && is_short())
    }

    /// What `range` of `task` takes of the credit.
    pub(super) fn charge(&self, task: &Task, range: &Range<u64>, place: Place, rank: u64) -> Charge {
        let (time_ns, bytes) = (self.time_of(task, range), task.bytes(range));
        Charge { place, priority: task.priority, rank, time_ns, bytes }
    }

    /// The rank of a chunk of `task` whose pass is `pass` then. A short chunk of a task of which
    /// the Drone holds nothing goes first there: on a slow Drone, virtual time may have left
    /// the running lease far behind, and a word would wait for it.
    pub(super) fn rank(&self, id: TaskId, task: &Task, range: &Range<u64>, pass: u64) -> u64 {
        let is_short = self.time_of(task, range) <= RESERVE_CHUNK.as_nanos() as u64;
        if !is_short || self.tasks.contains_key(&id) {
            return pass;
        }
        let first = self.ranks.range((task.priority, 0, LeaseId(0))..).next();
        first.filter(|(priority, ..)| *priority == task.priority).map_or(pass, |(_, rank, _)| pass.min(*rank))
    }

    /// Thread time of `range` in nanoseconds, by the rate measured so far.
    pub(super) fn time_of(&self, task: &Task, range: &Range<u64>) -> u64 {
        let ns = u128::from(task.cost(range)) * 1_000_000_000 / u128::from(self.rate(task.class));
        LEASE_OVERHEAD_NS + u64::try_from(ns).unwrap_or(u64::MAX / 1024)
    }

    pub(super) fn take(&mut self, lease: LeaseId, task: TaskId, charge: &Charge) {
        self.leases.insert(lease);
        self.ranks.insert((charge.priority, charge.rank, lease));
        *self.tasks.entry(task).or_default() += 1;
        let held = self.held(charge);
        held.leases += 1;
        held.time_ns += charge.time_ns;
        self.bytes += charge.bytes;
    }

    pub(super) fn discharge(&mut self, lease: LeaseId, task: TaskId, charge: &Charge) {
        self.leases.remove(&lease);
        self.alone = self.alone.filter(|alone| *alone != lease);
        self.ranks.remove(&(charge.priority, charge.rank, lease));
        if let Some(count) = self.tasks.get_mut(&task) {
            *count -= 1;
            if *count == 0 {
                self.tasks.remove(&task);
            }
        }
        let held = self.held(charge);
        held.leases -= 1;
        held.time_ns -= charge.time_ns;
        if held.leases == 0 {
            self.place(charge.place).retain(|(priority, _)| *priority != charge.priority);
        }
        self.bytes -= charge.bytes;
    }

    pub(super) fn replace_charge(&mut self, old: &Charge, new: &Charge) {
        let held = self.held(old);
        held.time_ns = held.time_ns - old.time_ns + new.time_ns;
        self.bytes = self.bytes - old.bytes + new.bytes;
    }

    fn held(&mut self, charge: &Charge) -> &mut Held {
        let place = self.place(charge.place);
        let at = place.partition_point(|(priority, _)| *priority < charge.priority);
        if place.get(at).is_none_or(|(priority, _)| *priority != charge.priority) {
            place.insert(at, (charge.priority, Held::default()));
        }
        &mut place[at].1
    }

    fn place(&mut self, place: Place) -> &mut Vec<(i8, Held)> {
        match place {
            Place::Ahead => &mut self.ahead,
            Place::Reserve => &mut self.reserve,
        }
    }

    /// Learns from what came back.
    pub(super) fn credit(&mut self, class: Class, items: u64, cost: u64, spent: Duration, now: Time) {
        self.strikes = 0;
        self.meter.add(items, cost, now);
        let spent_ns = spent.as_nanos();
        // Less is mostly the clock's own granularity.
        if spent_ns < 10_000 {
            return;
        }
        let seen = u128::from(cost) * 1_000_000_000 / spent_ns;
        let seen = u64::try_from(seen).unwrap_or(u64::MAX).clamp(1, 1 << 50);
        let known = self.rate(class);
        // A quarter of the way at each output; long ones weigh as much as many short ones.
        let weight = (spent_ns / 5_000_000).clamp(1, 8) as u64;
        self.rates.insert(class, (known * (32 - weight) + seen * weight) / 32);
    }

    /// What there is to know of it, with why it is idle, if it is.
    pub(super) fn status(&self, idle: Option<super::Idle>, now: Time) -> DroneStatus {
        let (rate, cost_rate) = self.meter.rates(now);
        let (leaving, away, quarantined) = (self.leaving, self.away_until.is_some(), self.quarantined);
        DroneStatus { leases: self.leases.len() as u64, leaving, away, quarantined, idle, rate, cost_rate }
    }

    /// Leases, thread time and bytes held, added up anew.
    #[cfg(test)]
    pub(super) fn sums(&self) -> (u64, u64, u64) {
        assert_eq!(self.ranks.len(), self.leases.len());
        let all = || self.ahead.iter().chain(&self.reserve).map(|(_, held)| held);
        (all().map(|held| held.leases).sum(), all().map(|held| held.time_ns).sum(), self.bytes)
    }
}

impl Charge {
    /// The same at the priority that its lease was given with.
    pub(super) fn at(self, priority: i8) -> Self {
        Self { priority, ..self }
    }

    /// Thread time.
    pub(super) fn time(&self) -> Duration {
        Duration::from_nanos(self.time_ns)
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (u64, u64) {
        (self.time_ns, self.bytes)
    }
}

/// What is held at this priority and above.
fn at_least(place: &[(i8, Held)], priority: i8) -> Held {
    let urgent = place.iter().filter(|(own, _)| *own >= priority);
    urgent.fold(Held::default(), |sum, (_, held)| Held {
        leases: sum.leases + held.leases,
        time_ns: sum.time_ns + held.time_ns,
    })
}
