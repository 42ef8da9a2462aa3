//! Results that somebody computes again, to find out whether they are right.
//!
//! The Queen computes some herself, one at a time; others are given to another Drone, as tasks that
//! nobody sees (*audits*). Where two Drones differ, she decides; where one has not told a mark that the other has,
//! that decides it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use web::model::VerifiedCounts;
use wire::ids::{DroneId, TaskId};

use super::arrival::{Arrival, Expensive};
use crate::core::{RangeSet, Segment, TaskWork};
use crate::work::{Job, Searched, TASKS_END};

/// The most audits at a time of one Drone's results, and of all Drones'. Few, since they stand before
/// other work in the queue.
const AUDITS_OF_ONE: usize = 8;
const AUDITS: usize = 1024;

/// What was searched by two Drones is compared so many times at once at most; what comes beyond is not. Each waits for
/// a commit of its own, behind which results wait.
const COMPARISONS: usize = 2;

/// The most compressions that the Queen spends on one result after it was accepted.
const BY_QUEEN: u64 = 4_000_000;

/// While a Drone was right less often than this, each of its expensive parts is looked at.
const ALWAYS: u64 = 4;

/// One of so many expensive parts is looked at of a Drone that was right very often.
const SELDOM: u64 = 50;

/// A result that somebody has to compute again.
#[derive(Debug, Clone)]
pub(super) struct Recheck {
    pub(super) job: Job,
    pub(super) result: Expensive,
    /// Who gave which digest.
    pub(super) given: Vec<(DroneId, Bytes)>,
}

/// Candidates that somebody has to search again.
#[derive(Debug, Clone)]
pub(super) struct SecondSearch {
    pub(super) job: Job,
    /// Which ones, and what the first Drone has found there.
    pub(super) first: Searched,
    /// What it costs, in compressions.
    pub(super) cost: u64,
}

/// Something that is computed a second time by another Drone.
struct Audit {
    job: Job,
    by: DroneId,
    subject: Subject,
    /// Items that are not compared yet.
    left: u64,
}

/// What is computed a second time.
enum Subject {
    Result(Expensive, Bytes),
    /// Candidates, and those of them that the first Drone has told.
    Candidates(BTreeSet<u64>),
}

/// What comes of an audit.
pub(super) enum Compared {
    /// These two Drones agree.
    Same([DroneId; 2]),
    /// The two Drones differ; the Queen decides.
    Differs(Recheck),
    /// A Drone has not told that a candidate is a mark.
    Missed(DroneId, u64),
    /// There was no other Drone, so that nothing is known.
    Nothing,
}

/// Results that are computed again at present.
#[derive(Default)]
pub(super) struct Audits {
    under_way: BTreeMap<TaskId, Audit>,
    begun: u64,
    done: u64,
    /// The Queen computes one result again.
    is_rechecking: bool,
    /// The Queen searches candidates again.
    is_searching: bool,
    /// Comparisons of marks that were asked for.
    comparisons: usize,
    /// Results on which Drones differ, which she computes next.
    disputes: VecDeque<Recheck>,
    /// Results that were computed a second time in whatever way, since the start.
    pub(super) verified: VerifiedCounts,
}

impl Recheck {
    /// Drones that gave different results of one index.
    pub(super) fn between(job: Job, index: u64, given: Vec<(DroneId, Bytes)>) -> Self {
        Self { job, result: Expensive { index, cost: 0, length: 0, chance: 0 }, given }
    }

    /// The expensive result of a part, if chance has it looked at, of a Drone that was right `trust` times.
    pub(super) fn of(drone: DroneId, job: Job, arrival: &Arrival, trust: u64) -> Option<Self> {
        let result = arrival.expensive.filter(|result| result.chance.is_multiple_of(one_part_in(trust)))?;
        let digest = Bytes::copy_from_slice(arrival.piece.get(result.index)?);
        Some(Self { job, result, given: vec![(drone, digest)] })
    }

    /// Whether the Queen may compute it herself although no Drones differ on it.
    pub(super) fn is_cheap(&self) -> bool {
        self.result.cost <= BY_QUEEN
    }
}

impl SecondSearch {
    /// As much of it from its start on as the Queen may search herself.
    pub(super) fn for_queen(self) -> Self {
        let Range { start, end } = self.first.range;
        let items = end - start;
        let each = (self.cost / items.max(1)).max(1);
        let own = items.min(BY_QUEEN / each).max(1);
        Self { first: self.first.within(&(start..start + own)), cost: own * each, ..self }
    }
}

impl Audits {
    /// Results that were computed a second time by another Drone, and those that are about to be.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.done, self.under_way.values().map(|audit| audit.left).sum())
    }

    /// What an audit is about; its indices are the job's.
    pub(super) fn of(&self, id: TaskId) -> Option<&Job> {
        self.under_way.get(&id).map(|audit| &audit.job)
    }

    /// Has another Drone compute a result that one Drone gave; what the core is to be told. `None` if there are
    /// too many already.
    pub(super) fn begin(&mut self, recheck: Recheck) -> Option<(TaskId, TaskWork)> {
        let Recheck { job, result, given } = recheck;
        let (by, digest) = given.into_iter().next()?;
        let segment = Segment { items: 1, cost: result.cost.max(1), bytes: 8 + result.length };
        self.add(Audit { job, by, subject: Subject::Result(result, digest), left: 1 }, result.index, segment)
    }

    /// Has another Drone search candidates that one Drone has searched; what the core is to be told. `None` if there
    /// are too many audits already.
    pub(super) fn begin_search(&mut self, second: SecondSearch) -> Option<(TaskId, TaskWork)> {
        let SecondSearch { job, first, cost } = second;
        let items = first.range.end - first.range.start;
        let subject = Subject::Candidates(first.indices().collect());
        let segment = Segment { items, cost: cost.max(1), bytes: 0 };
        self.add(Audit { job, by: first.drone, subject, left: items }, first.range.start, segment)
    }

    fn add(&mut self, audit: Audit, start: u64, segment: Segment) -> Option<(TaskId, TaskWork)> {
        let Audit { job, by, .. } = &audit;
        let of_one = || self.under_way.values().filter(|other| other.by == *by).count();
        if self.under_way.len() >= AUDITS || of_one() >= AUDITS_OF_ONE {
            return None;
        }
        let id = TaskId(TASKS_END + self.begun);
        self.begun += 1;
        let work = TaskWork {
            class: job.kind().class(&[segment]),
            priority: job.terms.priority,
            // Indices are the job's: those before are not wanted.
            segments: (start > 0)
                .then_some(Segment { items: start, cost: start, bytes: 0 })
                .into_iter()
                .chain([segment])
                .collect(),
            done: RangeSet::from(0..start),
            paused: false,
            target: job.kind().target(),
            has_ledger: false,
            chunk_bytes: job.terms.chunk_bytes(),
            material: job.terms.material_bytes(),
            deadline: None,
            avoid: Some(*by),
            batch: false,
            twice: false,
        };
        self.under_way.insert(id, audit);
        Some((id, work))
    }

    /// The second result of an audit is there, by `drone`.
    pub(super) fn compare(&mut self, id: TaskId, drone: DroneId, digest: Bytes) -> Compared {
        let Some(Audit { job, by, subject: Subject::Result(result, first), .. }) = self.under_way.remove(&id) else {
            return Compared::Nothing;
        };
        self.done += 1;
        match first == digest {
            _ if by == drone => Compared::Nothing,
            true => Compared::Same([by, drone]),
            false => Compared::Differs(Recheck { job, result, given: vec![(by, first), (drone, digest)] }),
        }
    }

    /// Some of the candidates of an audit were searched a second time.
    pub(super) fn compare_search(&mut self, id: TaskId, second: &Searched) -> Compared {
        let Some(Audit { by, subject: Subject::Candidates(first), left, .. }) = self.under_way.get_mut(&id) else {
            return Compared::Nothing;
        };
        let items = second.range.end - second.range.start;
        *left = left.saturating_sub(items);
        self.done += items;
        if *by == second.drone {
            return Compared::Nothing;
        }
        compare_marks(*by, first, second)
    }

    /// Whether marks of two Drones may be compared now.
    pub(super) fn begin_comparison(&mut self) -> bool {
        let begins = self.comparisons < COMPARISONS;
        self.comparisons += usize::from(begins);
        begins
    }

    /// Notes that they were.
    pub(super) fn end_comparison(&mut self) {
        self.comparisons -= 1;
    }

    /// The Queen searches candidates again for want of another Drone, unless she does already.
    pub(super) fn begin_own_search(&mut self) -> bool {
        !std::mem::replace(&mut self.is_searching, true)
    }

    /// Notes that she has searched them.
    pub(super) fn end_own_search(&mut self) {
        self.is_searching = false;
    }

    /// An audit has ended in one way or another.
    pub(super) fn end(&mut self, id: TaskId) {
        self.under_way.remove(&id);
    }

    /// Audits of what a Drone gave.
    pub(super) fn of_drone(&self, by: DroneId) -> Vec<TaskId> {
        self.under_way.iter().filter(|(_, audit)| audit.by == by).map(|(id, _)| *id).collect()
    }

    /// Whether the Queen computes a result again at present.
    pub(super) fn is_rechecking(&self) -> bool {
        self.is_rechecking
    }

    /// Notes that the Queen computes a result again.
    pub(super) fn begin_recheck(&mut self) {
        self.is_rechecking = true;
    }

    /// Keeps a result on which Drones differ for when the Queen is free.
    pub(super) fn add_dispute(&mut self, recheck: Recheck) {
        self.disputes.push_back(recheck);
    }

    /// Notes that the Queen has computed a result; the dispute that she decides next, if there is one.
    pub(super) fn next_dispute(&mut self) -> Option<Recheck> {
        let next = self.disputes.pop_front();
        self.is_rechecking = next.is_some();
        next
    }
}

/// Compares what a Drone has told of candidates with what another one tells of a part of them.
pub(super) fn compare_marks(by: DroneId, first: &BTreeSet<u64>, second: &Searched) -> Compared {
    let second_marks: BTreeSet<u64> = second.indices().collect();
    // All that is told was looked at, and is a mark.
    if let Some(missed) = second_marks.iter().find(|mark| !first.contains(*mark)) {
        return Compared::Missed(by, *missed);
    }
    let Range { start, end } = second.range;
    match first.range(start..end).find(|mark| !second_marks.contains(*mark)) {
        Some(missed) => Compared::Missed(second.drone, *missed),
        None => Compared::Same([by, second.drone]),
    }
}

/// Of how many parts with expensive results one is looked at, of a Drone that was right so often
/// (adaptive replication, as in BOINC).
pub(super) fn one_part_in(trust: u64) -> u64 {
    (1 + trust / ALWAYS).min(SELDOM)
}

#[cfg(test)]
mod tests {
    use web::model::Timestamp;

    use super::*;
    use crate::store::testing::terms;
    use crate::work::{Inputs, Marks, Trust};

    /// Without a mark.
    fn searched(drone: DroneId, range: Range<u64>) -> Searched {
        let (marks, trust, at) = (Marks::default(), Trust::Sampled, Timestamp(0));
        Searched { range, marks, drone, trust, spent_ns: 1, at }
    }

    #[test]
    fn a_mark_that_one_does_not_tell_is_the_proof() {
        let [first, second] = [1, 2].map(DroneId);
        let compare = |reported: &[u64], again: &[u64]| {
            let second =
                Searched { marks: Marks::of(again.iter().map(|mark| mark - 100)), ..searched(second, 100..200) };
            compare_marks(first, &reported.iter().copied().collect(), &second)
        };
        assert!(matches!(compare(&[7, 110, 250], &[110]), Compared::Same(drones) if drones == [first, second]));
        assert!(matches!(compare(&[110], &[110, 150]), Compared::Missed(DroneId(1), 150)));
        assert!(matches!(compare(&[110, 150], &[110]), Compared::Missed(DroneId(2), 150)));
    }

    #[test]
    fn candidates_that_are_searched_a_second_time_are_counted() {
        let [first, second] = [1, 2].map(DroneId);
        let job = Job { task: TaskId(1), terms: terms().into(), inputs: Inputs::Small([].into()) };
        let mut audits = Audits::default();
        let (id, _) = audits.begin_search(SecondSearch { job, first: searched(first, 100..200), cost: 100 }).unwrap();
        assert_eq!(audits.counts(), (0, 100));
        audits.compare_search(id, &searched(second, 100..140));
        assert_eq!(audits.counts(), (40, 60));
        audits.compare_search(id, &searched(second, 140..200));
        assert_eq!(audits.counts(), (100, 0));
    }
}
