//! Who failed at what, and who was heard when, by what came over the network; and what must follow from that.
//!
//! This keeps its own book, of frames and of nothing that the core says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use crate::core::{ATTEMPTS_OF_ONLY_DRONE, Blame, Outcome};
use wire::ids::{DroneId, TaskId};

/// A Drone that says something is taken to live for so much less than the silence that ends it: the core moves its
/// deadline once a second.
const COARSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Book {
    /// Who failed on each index that was not computed since. Whether that counts: what a Drone failed at that was
    /// then taken for what was wrong counts for nothing.
    failed: BTreeMap<(TaskId, u64), BTreeMap<DroneId, bool>>,
    /// Who failed on anything of a task, and how often.
    attempts: BTreeMap<(TaskId, DroneId), usize>,
    /// When each Drone last said something that shows that it lives.
    heard: BTreeMap<DroneId, Duration>,
}

impl Book {
    /// A Drone says that it cannot compute this range, or something of the task that is not known.
    pub fn fails(&mut self, drone: DroneId, task: TaskId, range: Option<&Range<u64>>) {
        *self.attempts.entry((task, drone)).or_default() += 1;
        for index in range.into_iter().flat_map(Range::clone) {
            self.failed.entry((task, index)).or_default().insert(drone, true);
        }
    }

    /// Results of this range came: it can be computed.
    pub fn came(&mut self, task: TaskId, range: &Range<u64>) {
        range.clone().for_each(|index| drop(self.failed.remove(&(task, index))));
    }

    /// This Drone is what was wrong where it failed.
    pub fn is_at_fault(&mut self, drone: DroneId) {
        for failed in self.failed.values_mut() {
            failed.entry(drone).and_modify(|counts| *counts = false);
        }
    }

    /// A range is given to a Drone that failed on it only if all who could compute it have failed as well. That holds
    /// of the first of two who compute the same, too: the other one goes on with what is known of both.
    pub fn check_grant(&self, drone: DroneId, task: TaskId, range: &Range<u64>, usable: &BTreeSet<DroneId>) {
        for index in range.clone() {
            let Some(failed) = self.failed.get(&(task, index)).filter(|failed| failed.get(&drone) == Some(&true))
            else {
                continue;
            };
            let other = usable.iter().find(|other| !failed.contains_key(other));
            assert!(other.is_none(), "{index} of task {task} goes back to Drone {drone}, and not to {other:?}");
        }
    }

    /// A task ends; who is blamed has failed on it, and not one of them alone unless again and again.
    pub fn ends(&mut self, task: TaskId, outcome: &Outcome) {
        if let Outcome::Failed(blame) = outcome {
            self.blames(task, blame);
        }
        self.failed.retain(|(of, _), _| *of != task);
        self.attempts.retain(|(of, _), _| *of != task);
    }

    /// A task, or one of a batch, fails.
    pub fn blames(&self, task: TaskId, blame: &Blame) {
        let Blame::Failures { drones, .. } = blame else { return };
        for drone in drones {
            let blamed = drones.iter().filter(|other| *other == drone).count();
            let seen = self.attempts.get(&(task, *drone)).copied().unwrap_or(0);
            assert!(blamed <= seen, "Drone {drone} failed {seen} times on task {task}: {drones:?}");
        }
        let different: BTreeSet<_> = drones.iter().collect();
        assert!(different.len() > 1 || drones.len() >= ATTEMPTS_OF_ONLY_DRONE, "{drones:?} failed on task {task}");
    }

    /// A Drone came, sent results or a heartbeat.
    pub fn hears(&mut self, drone: DroneId, now: Duration) {
        self.heard.insert(drone, now);
    }

    /// A Drone is taken for lost because nothing was heard of it.
    pub fn check_silence(&self, drone: DroneId, now: Duration, silence: Duration) {
        let heard = self.heard.get(&drone).copied().unwrap_or_default();
        assert!(now + COARSE >= heard + silence, "Drone {drone} was heard at {heard:?}, and it is {now:?}");
    }
}
