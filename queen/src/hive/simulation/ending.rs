//! What must be true when all is over.

use web::kinds::search::Stop;
use web::model::TaskState;
use wire::ids::{DroneId, TaskId};

use super::book::{Entry, Kept};
use super::computing::Illness;
use super::drone::Machine;
use super::queen::Queen;
use super::quest::Quest;
use super::work::{Method, Spec};
use super::world::{Wish, World, machine_of};
use crate::core::{Blame, MAX_DEATHS, Outcome};
use crate::work::Trust;

impl World {
    /// Everything ended as it must.
    pub fn check_end(&self) {
        let queen = self.queen.as_ref().expect("there is a Queen");
        assert_eq!(queen.state.reworks, 0, "nothing is computed again any more");
        for wish in self.wishes.values().filter(|wish| wish.acknowledged) {
            let is_it = |(_, kept): &(&TaskId, &Kept)| kept.spec.serial == wish.spec.serial;
            let (task, kept) = self.disk.book.tasks.iter().find(is_it).expect("what was acknowledged is there");
            check_stored(queen, *task, kept);
            self.check_wish(queen, wish, kept);
        }
    }

    fn check_wish(&self, queen: &Queen, wish: &Wish, kept: &Kept) {
        let Spec { serial, method, poison, deadline, .. } = &*wish.spec;
        let outcome = &self.outcomes[serial];
        let state = match outcome {
            Outcome::Done => TaskState::Done,
            Outcome::Cancelled => TaskState::Cancelled,
            Outcome::Failed(_) => TaskState::Failed,
        };
        assert_eq!(kept.ended, Some(state), "serial {serial}");
        match outcome {
            Outcome::Done => match wish.spec.quest() {
                Some(quest) => self.check_search(queen, quest, kept),
                None => {
                    let there = kept.results.len() + kept.failed.len() as u64;
                    assert_eq!(there, wish.spec.total(), "serial {serial}");
                    assert!(poison.is_none_or(|poison| kept.failed.contains(&poison)), "serial {serial}");
                    self.check_failed(wish, kept);
                    self.check_results(queen, kept);
                }
            },
            Outcome::Cancelled => assert!(wish.cancelled),
            Outcome::Failed(Blame::Inputs { .. }) => assert!(wish.inputs_unavailable),
            Outcome::Failed(Blame::Deadline) => {
                assert!(deadline.is_some_and(|seconds| u64::from(seconds) <= self.ctx.now.as_secs()));
            }
            Outcome::Failed(Blame::Failures { drones, .. }) => {
                let is_failing = |drone: &DroneId| {
                    let history = &self.machines[machine_of(&self.machines, &queen.book, *drone)].history;
                    history.iter().any(|illness| matches!(illness, Illness::Failing(_)))
                };
                let is_impossible = matches!(method, Method::Impossible);
                assert!(is_impossible || drones.iter().all(is_failing), "{drones:?} failed");
            }
            Outcome::Failed(Blame::Deaths { drones, range }) => {
                assert!(poison.is_some_and(|poison| range.contains(&poison)), "{range:?} of {serial} is no poison");
                assert_eq!(drones.len(), MAX_DEATHS);
                // Who is silent for too long while it runs the range is taken for dead.
                assert!(drones.iter().all(|drone| self.lost.contains(drone)), "one of {drones:?} was there");
                assert!(drones.iter().any(|drone| self.has_died(queen, *drone)), "all of {drones:?} live");
            }
        }
    }

    /// Only tasks of batches fail alone, and for a reason.
    fn check_failed(&self, wish: &Wish, kept: &Kept) {
        let Spec { serial, batch, poison, method, .. } = &*wish.spec;
        let is_failing = |illness: &Illness| matches!(illness, Illness::Failing(_));
        let may_fail = self.machines.iter().any(|machine| machine.history.iter().any(is_failing));
        let is_impossible = matches!(method, Method::Impossible);
        for index in &kept.failed {
            assert!(*batch, "index {index} of serial {serial} fails alone");
            assert!(may_fail || is_impossible || *poison == Some(*index), "index {index} of serial {serial} fails");
        }
    }

    /// Whether the process of this Drone has died of the poison.
    fn has_died(&self, queen: &Queen, drone: DroneId) -> bool {
        let mut instances = self.machines.iter().flat_map(|machine| &machine.instances);
        instances.any(|(instance, has_died)| *has_died && queen.book.drones.get(instance) == Some(&drone))
    }

    /// Whether who gave this gave something wrong, and was not caught with it.
    fn is_uncaught(&self, queen: &Queen, entry: &Entry) -> bool {
        let history = &self.machines[machine_of(&self.machines, &queen.book, entry.by)].history;
        let is_caught = self.liars.contains(&entry.by) && queen.state.fleet.is_quarantined(entry.by);
        history.iter().any(Illness::gives_wrong) && !is_caught && entry.trust != Trust::Checked
    }

    /// Whether two who both do not search may have found the same: nothing.
    fn is_agreed_by_liars(&self, queen: &Queen, entry: &Entry) -> bool {
        let skips = |machine: &Machine| machine.history.iter().any(|it| matches!(it, Illness::WrongMarks(_)));
        let is_one = skips(&self.machines[machine_of(&self.machines, &queen.book, entry.by)]);
        is_one && entry.trust == Trust::Checked && self.machines.iter().filter(|machine| skips(machine)).count() > 1
    }

    fn check_results(&self, queen: &Queen, kept: &Kept) {
        for (index, entry) in kept.results.iter() {
            // Who is wrong in one item of many is caught when it does so often enough.
            let is_right = entry.sum == kept.spec.sum(index);
            assert!(is_right || self.is_uncaught(queen, entry), "{index} of serial {} is wrong", kept.spec.serial);
        }
    }

    /// What was searched by honest Drones has what is sought there, each once.
    fn check_search(&self, queen: &Queen, quest: &Quest, kept: &Kept) {
        let (total, search) = (kept.spec.total(), &quest.search);
        assert!(kept.findings.is_subset(&quest.hits), "what is found is sought");
        let found = kept.findings.len() as u64;
        assert!(found <= search.max_findings);
        let is_full = found == search.max_findings;
        for hit in &quest.hits {
            let entry = kept.results.get(*hit);
            let is_lost = |entry: &Entry| self.is_uncaught(queen, entry) || self.is_agreed_by_liars(queen, entry);
            let is_excused = entry.is_none_or(is_lost) || is_full;
            assert!(kept.findings.contains(hit) || is_excused, "hit {hit} of serial {} is lost", kept.spec.serial);
        }
        let is_enough = match search.stop {
            Stop::Never => false,
            Stop::First => found > 0,
            Stop::Lowest => {
                let lowest = kept.findings.first().copied();
                lowest.is_some_and(|lowest| kept.count_in(&(0..lowest + 1)) == lowest + 1)
            }
            Stop::All => quest.is_all_found(&kept.findings),
        };
        let is_over = kept.results.len() == total || is_enough || is_full;
        assert!(is_over, "serial {} ended too early", kept.spec.serial);
    }
}

/// What the store has is what was said to it.
fn check_stored(queen: &Queen, task: TaskId, kept: &Kept) {
    let stored = queen.reader.task(task).unwrap().expect("it is in the store");
    assert_eq!(stored.ending.as_ref().map(|ending| ending.state), kept.ended);
    assert_eq!(stored.terms.name.as_deref(), Some(&*kept.spec.serial.to_string()));
    assert!(!stored.suspect, "task {task} is still suspect");
    let total = kept.spec.total();
    if kept.spec.quest().is_some() {
        let spans = queen.reader.searched(task, 0, usize::MAX >> 1).unwrap();
        assert!(spans.is_sorted_by(|one, next| one.range.end <= next.range.start), "{spans:?} overlap");
        for span in &spans {
            let ours = || kept.results.range(&span.range).map(|entry| (entry.by, entry.trust));
            assert_eq!(ours().count() as u64, span.range.end - span.range.start);
            assert!(ours().all(|of| (Some(of.0), of.1) == (span.drone, span.trust)), "{span:?} of task {task}");
        }
        let searched: u64 = spans.iter().map(|span| span.range.end - span.range.start).sum();
        assert_eq!(searched, kept.results.len(), "what is searched of task {task}");
        let findings = queen.reader.findings(task, None, usize::MAX >> 1).unwrap();
        assert!(findings.iter().map(|finding| finding.index).eq(kept.findings.iter().copied()));
        return;
    }
    let job = queen.reader.job(task).unwrap().unwrap();
    let pieces = match job.inputs.in_file() {
        Some((large, file)) if kept.results.len() == total => {
            vec![queen.reader.bulk().results(file, large, &(0..total), 32).unwrap()]
        }
        // A file has gaps where nothing is done.
        Some(_) => return,
        None => queen.reader.results(task, &(0..total)).unwrap(),
    };
    let sums = pieces.iter().flat_map(|piece| piece.iter());
    assert!(sums.eq(kept.results.iter().map(|(index, entry)| (index, &entry.sum[..]))), "results of task {task}");
}
