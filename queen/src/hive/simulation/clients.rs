//! What clients hear of their tasks, and when.

use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;
use wire::ids::TaskId;

use super::book::Book;
use super::model::Model;
use super::random::Random;
use super::work::Spec;
use crate::clock::Now;
use crate::hive::record_views::Completion;
use crate::hive::state::State;
use crate::work::member_id;

/// Tasks of a batch that are waited for alone.
const MEMBERS: u64 = 3;

/// Those who wait at one Queen.
#[derive(Default)]
pub struct Clients {
    /// What they wanted, by the names of their tasks.
    pub specs: BTreeMap<u64, Rc<Spec>>,
    /// Names of tasks that were acknowledged.
    pub acknowledged: Vec<u64>,
    /// Who waits until a task has ended, or one of a batch.
    ends: Vec<(TaskId, Option<u64>, Receiver<()>)>,
    /// Who waits until all of a task is computed.
    results: Vec<(TaskId, Receiver<Completion>)>,
}

impl Clients {
    pub fn new(specs: BTreeMap<u64, Rc<Spec>>) -> Self {
        Self { specs, ..Self::default() }
    }

    /// Somebody waits for a task that is there and has not ended.
    pub fn wait(&mut self, state: &mut State, task: TaskId, now: Now) {
        let end = state.wait_for_end(task, now).expect("it has not ended");
        self.ends.push((task, None, end));
        // Only its end may be on its way to the disk.
        self.results.extend(state.wait_for_results(task).map(|waiting| (task, waiting)));
    }

    /// Somebody waits for some tasks of a batch.
    pub fn wait_for_members(&mut self, state: &mut State, task: TaskId, spec: &Spec, random: &mut Random, now: Now) {
        for _ in 0..if spec.batch { MEMBERS } else { 0 } {
            let index = random.within(0..=spec.total() - 1);
            let end = state.wait_for_end(member_id(task, index), now);
            self.ends.extend(end.map(|end| (task, Some(index), end)));
        }
    }

    /// Who was told that a task has ended finds that on the disk.
    pub fn check_told(&mut self, disk: &Book) {
        self.ends.retain_mut(|(task, index, end)| match end.try_recv() {
            Ok(()) => {
                assert!(has_ended(disk, *task, *index), "{index:?} of task {task} is said to have ended");
                false
            }
            Err(TryRecvError::Empty) => true,
            Err(TryRecvError::Closed) => panic!("who waits for task {task} is not told anything"),
        });
    }

    /// Nobody waits for what has ended on the disk.
    pub fn check_all_told(&self, disk: &Book) {
        for (task, index, _) in &self.ends {
            assert!(!has_ended(disk, *task, *index), "nobody was told that {index:?} of task {task} has ended");
        }
    }

    /// Who waits for results is told when there are no more to come.
    pub fn check_computed(&mut self, model: &Model) {
        self.results.retain_mut(|(task, waiting)| match (waiting.try_recv(), model.live.contains_key(task)) {
            (Ok(_), false) => false,
            (Err(TryRecvError::Empty), true) => true,
            (Ok(_), true) => panic!("task {task} is said to be computed"),
            (Err(_), _) => panic!("nobody was told that task {task} is computed"),
        });
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.results.is_empty()
    }
}

fn has_ended(disk: &Book, task: TaskId, index: Option<u64>) -> bool {
    let Some(kept) = disk.tasks.get(&task) else { return false };
    let is_there = |index: u64| kept.results.get(index).is_some() || kept.failed.contains(&index);
    kept.ended.is_some() || index.is_some_and(is_there)
}
