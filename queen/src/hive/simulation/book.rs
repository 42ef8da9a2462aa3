//! What changes say that are to be written, by another code than the store's: what is known of each task, result for
//! result, and whether it may be said at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use web::model::{TaskState, Timestamp};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};

use super::work::{Spec, Sum};
use crate::core::RangeSet;
use crate::store::{Change, MemberOutcome, Submission};
use crate::work::{SearchCounts, Searched, Trust};

/// One result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The digest; nothing of a candidate that was searched.
    pub sum: Sum,
    pub by: DroneId,
    pub trust: Trust,
}

/// Results by index.
#[derive(Debug, Clone)]
pub struct Results {
    entries: Vec<Option<Entry>>,
    count: u64,
}

impl Results {
    fn new(total: u64) -> Self {
        Self { entries: vec![None; total as usize], count: 0 }
    }

    fn insert(&mut self, index: u64, entry: Entry) -> Option<Entry> {
        let before = self.entries[index as usize].replace(entry);
        self.count += u64::from(before.is_none());
        before
    }

    pub fn get(&self, index: u64) -> Option<&Entry> {
        self.entries.get(index as usize)?.as_ref()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (0..).zip(&self.entries).filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
    }

    pub fn values(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    pub fn range(&self, range: &Range<u64>) -> impl Iterator<Item = &Entry> {
        self.entries[range.start as usize..range.end as usize].iter().flatten()
    }

    fn range_mut(&mut self, range: Range<u64>) -> impl Iterator<Item = &mut Entry> {
        self.entries[range.start as usize..range.end as usize].iter_mut().flatten()
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().flatten()
    }
}

/// A task, as far as is said of it.
#[derive(Debug, Clone)]
pub struct Kept {
    pub spec: Rc<Spec>,
    pub is_paused: bool,
    /// When it was started, if that was said before its end.
    pub started_at: Option<Timestamp>,
    pub priority: i8,
    pub ended: Option<TaskState>,
    pub results: Results,
    /// Candidates that were found, and told.
    pub findings: BTreeSet<u64>,
    /// What was said of it when it ended.
    pub found: SearchCounts,
    /// Tasks of a batch that failed alone.
    pub failed: BTreeSet<u64>,
}

/// All that is said.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub epoch: u64,
    pub drones: BTreeMap<Instance, DroneId>,
    pub tasks: BTreeMap<TaskId, Kept>,
    pub leases: BTreeSet<LeaseId>,
    pub distrusted: BTreeSet<DroneId>,
}

impl Book {
    /// Takes in a change; `specs`: what clients wanted, by the names of their tasks.
    pub fn apply(&mut self, change: &Change, specs: &BTreeMap<u64, Rc<Spec>>) {
        match change {
            Change::Epoch(epoch) => self.begin(*epoch),
            Change::Submit(submission) => self.submit(submission, specs),
            Change::Results { task, results, replaces, .. } => {
                let kept = self.task(*task);
                assert_eq!(kept.ended.is_some(), *replaces && kept.ended.is_some(), "task {task} has not ended");
                let by = results.drone.expect("results are a Drone's");
                for (index, sum) in results.piece.iter() {
                    let sum = sum.try_into().expect("it is a digest");
                    kept.store(*task, index, Entry { sum, by, trust: results.trust }, *replaces);
                }
            }
            Change::Searched { task, searched, findings } => {
                self.searched(*task, searched);
                let kept = self.task(*task);
                for finding in findings {
                    let quest = kept.spec.quest().expect("it is a search");
                    assert_eq!(finding.digest, quest.digest(finding.index), "candidate {} of {task}", finding.index);
                    assert!(kept.findings.insert(finding.index), "candidate {} of {task} is found once", finding.index);
                }
            }
            Change::Confirmed { task, range, drone } => {
                for entry in self.task(*task).results.range_mut(range.clone()) {
                    if entry.by == *drone && entry.trust == Trust::Sampled {
                        entry.trust = Trust::Checked;
                    }
                }
            }
            Change::Detach { batch, index, outcome } => {
                assert!(matches!(outcome, MemberOutcome::Failed(_)), "nobody takes a task out of its batch here");
                let kept = self.task(*batch);
                assert!(kept.results.get(*index).is_none(), "index {index} of {batch} cannot be computed");
                assert!(kept.failed.insert(*index), "index {index} of {batch} fails once");
            }
            Change::End(task, ending) => {
                let kept = self.task(*task);
                assert_eq!(kept.ended.replace(ending.state), None, "task {task} ends once");
                let is_same = kept.started_at.is_none_or(|at| ending.started_at == Some(at));
                assert!(is_same, "task {task} was not started anew");
                kept.found = ending.found;
                let is_done = |entry: &&Entry| entry.trust != Trust::Suspect;
                let failed = kept.failed.len() as u64;
                let done = kept.results.values().filter(is_done).count() as u64 + failed;
                // What was called suspect and was not taken up yet counts as done.
                let (most, said) = (kept.results.len() + failed, ending.done);
                assert!((done..=most).contains(&said), "{said} of task {task} are done, and {done} are stored");
            }
            Change::Start { task, at } => {
                let before = self.task(*task).started_at.replace(*at);
                assert_eq!(before, None, "each Queen knows when task {task} was started");
            }
            Change::Pause { task, paused } => self.task(*task).is_paused = *paused,
            Change::Amend { task, priority, .. } => self.task(*task).priority = *priority,
            Change::Drone { id, instance, .. } => {
                let before = self.drones.insert(*instance, *id);
                assert!(before.is_none_or(|before| before == *id), "a process has one id");
            }
            Change::Quarantine { drone, reason: Some(_) } => drop(self.distrusted.insert(*drone)),
            Change::Quarantine { drone, reason: None } => drop(self.distrusted.remove(drone)),
            Change::Suspect { drone } => {
                let entries = self.tasks.values_mut().flat_map(|kept| kept.results.values_mut());
                let doubted = entries.filter(|entry| entry.by == *drone && entry.trust == Trust::Sampled);
                doubted.for_each(|entry| entry.trust = Trust::Suspect);
            }
            Change::Cleared { task, .. } => {
                assert_eq!(self.task(*task).ended, Some(TaskState::Done), "task {task} was done");
            }
            Change::Lease { lease, .. } => drop(self.leases.insert(*lease)),
            Change::Unlease(lease) => drop(self.leases.remove(lease)),
            Change::Visit { .. } => {}
            Change::Remove(_) | Change::Reopen(_) | Change::Log(_) | Change::Access(_) => {
                unreachable!("nobody asks for {change:?}")
            }
        }
    }

    /// A Queen begins: what was leased before her is leased anew, or not at all.
    fn begin(&mut self, epoch: Epoch) {
        assert_eq!(epoch.0, self.epoch + 1);
        self.epoch = epoch.0;
        self.leases.clear();
    }

    fn submit(&mut self, submission: &Submission, specs: &BTreeMap<u64, Rc<Spec>>) {
        let Submission { id, terms, inputs, .. } = submission;
        let serial: u64 = terms.name.as_deref().and_then(|name| name.parse().ok()).expect("it has a name");
        let spec = Rc::clone(&specs[&serial]);
        assert_eq!(inputs.total(), spec.total());
        let (priority, total) = (spec.priority, spec.total());
        let kept = Kept {
            spec,
            is_paused: false,
            started_at: None,
            priority,
            ended: None,
            results: Results::new(total),
            findings: BTreeSet::new(),
            found: SearchCounts::default(),
            failed: BTreeSet::new(),
        };
        assert!(self.tasks.insert(*id, kept).is_none(), "task ids are not used twice");
    }

    fn searched(&mut self, task: TaskId, searched: &Searched) {
        let kept = self.task(task);
        let quest = kept.spec.quest().expect("it is a search");
        let truth = quest.marks_in(&searched.range);
        assert!(searched.indices().all(|mark| truth.binary_search(&mark).is_ok()), "a false mark of {task} is taken");
        let entry = Entry { sum: [0; 32], by: searched.drone, trust: searched.trust };
        for index in searched.range.clone() {
            let replaces = kept.results.get(index).is_some_and(|entry| entry.trust == Trust::Suspect);
            kept.store(task, index, entry, replaces);
        }
    }

    fn task(&mut self, id: TaskId) -> &mut Kept {
        self.tasks.get_mut(&id).unwrap_or_else(|| panic!("task {id} is known"))
    }
}

impl Kept {
    fn store(&mut self, task: TaskId, index: u64, entry: Entry, replaces: bool) {
        let before = self.results.insert(index, entry);
        let is_free = before.is_none_or(|before| replaces && before.trust == Trust::Suspect);
        assert!(is_free, "{index} of {task} is credited twice: {before:?}, then {entry:?}");
        assert!(!self.failed.contains(&index), "{index} of {task} has failed");
    }

    /// What is done and what is to be computed again, of what is said.
    pub fn ranges(&self) -> (RangeSet, RangeSet) {
        let (mut done, mut suspect) = (RangeSet::default(), RangeSet::default());
        for (index, entry) in self.results.iter() {
            let set = if entry.trust == Trust::Suspect { &mut suspect } else { &mut done };
            set.insert(index..index + 1);
        }
        self.failed.iter().for_each(|index| done.insert(*index..index + 1));
        (done, suspect)
    }

    /// How many of these are there, suspect ones too.
    pub fn count_in(&self, range: &Range<u64>) -> u64 {
        self.results.range(range).count() as u64
    }
}
