//! What a Queen keeps, and a disk that takes it in groups.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use queen::core::{Outcome, RangeSet};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};

use crate::work::{Spec, Sum};

/// One change.
#[derive(Debug, Clone)]
pub enum Record {
    Epoch(Epoch),
    Drone(Instance, DroneId),
    Task(TaskId, Rc<Spec>),
    Results {
        task: TaskId,
        found: Vec<(u64, Found)>,
    },
    Revoked {
        task: TaskId,
        indices: Vec<u64>,
    },
    Paused(TaskId, bool),
    Priority(TaskId, i8),
    Ended(TaskId, Outcome),
    Reopened(TaskId),
    Hold {
        epoch: Epoch,
        lease: LeaseId,
        drone: DroneId,
        task: TaskId,
        range: Range<u64>,
    },
    Unhold(Epoch, LeaseId),
    /// What was held in epochs before this one is held in this one, or not at all.
    ForgetBefore(Epoch),
    Trust(DroneId, bool),
}

/// One result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub sum: Sum,
    pub by: DroneId,
    pub is_checked: bool,
}

#[derive(Debug, Clone)]
pub struct Kept {
    pub spec: Rc<Spec>,
    pub is_paused: bool,
    pub priority: i8,
    pub ended: Option<Outcome>,
    pub results: BTreeMap<u64, Found>,
}

/// All that is known, in memory or on the disk.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub epoch: u64,
    pub drones: BTreeMap<Instance, DroneId>,
    pub tasks: BTreeMap<TaskId, Kept>,
    pub holds: BTreeMap<(Epoch, LeaseId), (DroneId, TaskId, Range<u64>)>,
    pub distrusted: BTreeSet<DroneId>,
}

impl State {
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Epoch(epoch) => self.epoch = epoch.0,
            Record::Drone(instance, drone) => drop(self.drones.insert(*instance, *drone)),
            Record::Task(task, spec) => {
                let (spec, priority, results) = (spec.clone(), spec.priority, BTreeMap::new());
                let kept = Kept { spec, is_paused: false, priority, ended: None, results };
                assert!(self.tasks.insert(*task, kept).is_none(), "task ids are not used twice");
            }
            Record::Results { task, found } => {
                let results = &mut self.task(*task).results;
                for (index, found) in found {
                    assert!(results.insert(*index, *found).is_none(), "{index} of {task} is credited twice");
                }
            }
            Record::Revoked { task, indices } => {
                let results = &mut self.task(*task).results;
                indices.iter().for_each(|index| assert!(results.remove(index).is_some()));
            }
            Record::Paused(task, is_paused) => self.task(*task).is_paused = *is_paused,
            Record::Priority(task, priority) => self.task(*task).priority = *priority,
            Record::Ended(task, outcome) => {
                let ended = self.task(*task).ended.replace(outcome.clone());
                assert_eq!(ended, None, "task {task} ends once");
            }
            Record::Reopened(task) => self.task(*task).ended = None,
            Record::Hold { epoch, lease, drone, task, range } => {
                self.holds.insert((*epoch, *lease), (*drone, *task, range.clone()));
            }
            Record::Unhold(epoch, lease) => {
                assert!(self.holds.remove(&(*epoch, *lease)).is_some(), "lease {lease} is remembered");
            }
            Record::ForgetBefore(epoch) => self.holds.retain(|(of, _), _| of >= epoch),
            Record::Trust(drone, true) => drop(self.distrusted.remove(drone)),
            Record::Trust(drone, false) => drop(self.distrusted.insert(*drone)),
        }
    }

    fn task(&mut self, id: TaskId) -> &mut Kept {
        self.tasks.get_mut(&id).unwrap_or_else(|| panic!("task {id} is known"))
    }
}

impl Kept {
    pub fn done(&self) -> RangeSet {
        let mut done = RangeSet::default();
        self.results.keys().for_each(|index| done.insert(*index..index + 1));
        done
    }
}
