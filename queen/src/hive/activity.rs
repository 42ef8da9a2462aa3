//! What Drones did lately, for the task stream and for their own pages.

use std::collections::VecDeque;
use std::time::Duration;

use web::model::{Gap, LEASES_SHOWN, StreamRun, Window};
use wire::ids::{DroneId, TaskId};

use super::settings::MAX_DRONES;
use crate::core::{LeaseEnd, LeaseSummary, Ledger, Time};
use crate::history::Tally;

/// Drones of which this is known: all that can be here, and some that were.
const KNOWN: usize = MAX_DRONES + 256;

/// How long a lease that ended is shown.
const LEASES_FOR: Duration = Duration::from_secs(60);

/// What Drones did lately.
#[derive(Default)]
pub(super) struct Activities(Ledger<Activity, DroneId>);

/// What one did.
struct Activity {
    tally: Tally,
    /// Its leases that ended, the last one last; at most [`LEASES_SHOWN`].
    ended: VecDeque<EndedLease>,
}

/// A lease that ended.
#[derive(Debug, Clone)]
pub(super) struct EndedLease {
    pub(super) lease: LeaseSummary<LeaseEnd>,
    pub(super) at: Time,
}

impl Activities {
    /// A Drone has connected, anew or again.
    pub(super) fn connect(&mut self, id: DroneId, threads: u16, now: Time) {
        if let Some(activity) = self.0.get_mut(id) {
            return activity.tally.connect(threads, now);
        }
        if self.0.len() >= KNOWN {
            // Those that are here are fewer, so that one of the others is gone for longest.
            let oldest =
                self.0.iter().min_by_key(|(id, activity)| (activity.tally.gone_since().unwrap_or(u64::MAX), *id));
            oldest.map(|(id, _)| id).map(|oldest| self.0.remove(oldest));
        }
        self.0.insert(id, Activity { tally: Tally::new(threads, now), ended: VecDeque::new() });
    }

    /// A Drone's connection has ended.
    pub(super) fn part(&mut self, id: DroneId, why: Gap, now: Time) {
        self.change(id, |activity| activity.tally.part(why, now));
    }

    /// Results of a Drone came that took so much thread time.
    pub(super) fn compute(&mut self, id: DroneId, task: TaskId, spent: Duration, now: Time) {
        self.change(id, |activity| activity.tally.compute(task, spent, now));
    }

    /// A Drone says for how long its threads have computed so far, in nanoseconds: see [`Tally::beat`].
    pub(super) fn beat(&mut self, id: DroneId, busy_ns: u64, begun: Option<TaskId>, gap: Option<Gap>, now: Time) {
        self.change(id, |activity| activity.tally.beat(busy_ns, begun, gap, now));
    }

    /// A lease of a Drone has ended.
    pub(super) fn end_lease(&mut self, id: DroneId, lease: LeaseSummary<LeaseEnd>, now: Time) {
        self.change(id, |activity| {
            activity.tally.end_lease(lease.task, lease.state == LeaseEnd::Withdrawn);
            if activity.ended.len() == LEASES_SHOWN {
                activity.ended.pop_front();
            }
            activity.ended.push_back(EndedLease { lease, at: now });
        });
    }

    /// Whether a Drone is here, or was in the last so many seconds.
    pub(super) fn was_here(&self, id: DroneId, seconds: u32, now: Time) -> bool {
        self.0.get(id).is_some_and(|activity| activity.tally.was_here(seconds, now))
    }

    /// What a Drone did in a window.
    pub(super) fn read(&self, id: DroneId, window: Window, now: Time) -> Vec<StreamRun> {
        self.0.get(id).map_or_else(Vec::new, |activity| activity.tally.read(window, now))
    }

    /// The leases of a Drone that ended in the last minute, the last one first.
    pub(super) fn ended_leases(&self, id: DroneId, now: Time) -> impl Iterator<Item = &EndedLease> {
        let ended = self.0.get(id).into_iter().flat_map(|activity| activity.ended.iter().rev());
        ended.take_while(move |ended| ended.at + LEASES_FOR > now)
    }

    fn change(&mut self, id: DroneId, change: impl FnOnce(&mut Activity)) {
        if let Some(activity) = self.0.get_mut(id) {
            change(activity);
        }
    }

    /// What all of it takes of memory, in bytes.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let of = |activity: &Activity| {
            let leases = activity.ended.capacity() * size_of::<EndedLease>();
            size_of::<Activity>() - size_of::<Tally>() + activity.tally.bytes() + leases
        };
        self.0.iter().map(|(_, activity)| of(activity)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn at(second: u64) -> Time {
        Duration::from_secs(second)
    }

    fn lease(task: u64, end: LeaseEnd) -> LeaseSummary<LeaseEnd> {
        let (granted, spent) = (at(task), at(1));
        LeaseSummary { task: TaskId(task), range: 0..9, reached: 9, granted, spent, state: end }
    }

    #[test]
    fn the_last_leases_are_known_for_a_minute() {
        let mut activities = Activities::default();
        activities.connect(DroneId(3), 1, at(0));
        activities.end_lease(DroneId(4), lease(1, LeaseEnd::Done), at(0));
        (1..=200).for_each(|task| activities.end_lease(DroneId(3), lease(task, LeaseEnd::Done), at(task)));
        let tasks = |second| -> Vec<_> {
            activities.ended_leases(DroneId(3), at(second)).map(|ended| ended.lease.task.0).collect()
        };
        assert_eq!(tasks(200), (141..=200).rev().collect::<Vec<_>>());
        assert_eq!(tasks(260), [0; 0]);
        let mut many = Activities::default();
        many.connect(DroneId(3), 1, at(0));
        (1..=200).for_each(|task| many.end_lease(DroneId(3), lease(task, LeaseEnd::Failed), at(0)));
        assert_eq!(many.ended_leases(DroneId(3), at(0)).count(), LEASES_SHOWN);
        assert_eq!(many.ended_leases(DroneId(4), at(0)).count(), 0);
    }

    /// The most that is kept of one Drone, and of all that can be here.
    const ONE: usize = 12 << 10;
    const ALL: usize = 105 << 20;

    #[test]
    fn memory_is_bounded_however_restless_drones_are() {
        let mut activities = Activities::default();
        let drones = || (1..=MAX_DRONES as u64).map(DroneId);
        drones().for_each(|id| activities.connect(id, 2, at(0)));
        let steady = activities.bytes();
        assert!(steady < 8 << 20, "{steady}");
        // Each second each of them computes other tasks, so that nothing can be merged.
        for second in 1..=1000 {
            for id in drones().filter(|id| id.0 % 64 == 1) {
                for task in 0..12 {
                    activities.compute(id, TaskId(id.0 + 1000 * second + task), at(1), at(second));
                }
                activities.end_lease(id, lease(second, LeaseEnd::Withdrawn), at(second));
                activities.beat(id, second * SECOND_NS, None, Some(Gap::NoWork), at(second));
            }
        }
        let (restless, one) = (MAX_DRONES / 64, (activities.bytes() - steady) / (MAX_DRONES / 64));
        assert!(one <= ONE, "{one} bytes of each of {restless}");
        assert!(steady + one * MAX_DRONES <= ALL, "{}", steady + one * MAX_DRONES);
    }

    #[test]
    fn who_is_gone_for_longest_is_forgotten_first() {
        let mut activities = Activities::default();
        (1..=KNOWN as u64).for_each(|id| activities.connect(DroneId(id), 1, at(0)));
        activities.part(DroneId(7), Gap::Gone, at(20));
        activities.part(DroneId(9), Gap::Gone, at(10));
        activities.part(DroneId(2), Gap::Away, at(5));
        let newcomer = KNOWN as u64 + 1;
        activities.connect(DroneId(newcomer), 1, at(30));
        assert_eq!(activities.0.len(), KNOWN);
        assert!([2, 7, newcomer].iter().all(|id| activities.was_here(DroneId(*id), 60, at(30))));
        assert!(!activities.was_here(DroneId(9), 60, at(30)));
        activities.connect(DroneId(7), 1, at(40));
        assert_eq!(activities.0.len(), KNOWN, "one that comes back keeps its place");
    }
}
