//! What is known of a search under way: what was found, and how well its Drones search.

use std::collections::{BTreeMap, BTreeSet};

use web::kinds::search::{Search, Sought, Stop};
use wire::ids::DroneId;
use wire::sieve::Digest;

use super::evidence::Evidence;
use crate::core::RangeSet;
use crate::work::{Finding, SearchCounts, Searched};

/// What a finding takes of memory, in bytes, as measured: its entries in two trees.
const FINDING: u64 = 128;

/// A search under way.
#[derive(Default)]
pub(super) struct SearchState {
    /// What was found, by index.
    findings: BTreeMap<u64, Digest>,
    /// Which digests were found, each of which may have several candidates.
    digests: BTreeSet<Digest>,
    /// Candidates that were reported as marks, of what is on disk and not suspect.
    marks: u64,
    /// What was searched and is not on disk yet, with its marks, by first index.
    coming: BTreeMap<u64, (u64, u64)>,
    /// What each Drone's marks say of it.
    evidence: BTreeMap<DroneId, Reputation>,
}

/// How well a Drone searches, as far as is known.
#[derive(Default)]
struct Reputation {
    evidence: Evidence,
    is_suspect: bool,
    /// How many of the parts that it searched were searched again since it is suspect, and agreed.
    agreed: u8,
}

/// Whether the marks of a part make the Drone suspect that searched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// They do not.
    None,
    /// It is suspect now.
    New,
    /// It was suspect before.
    Old,
}

/// The evidence against a Drone is dropped when so many parts of what it searched were searched again and agreed: its
/// missing marks were chance, or the candidates are such that the test does not fit them.
const ENOUGH: u8 = 4;

impl SearchState {
    /// A search that a Queen before has begun.
    pub(super) fn revived(findings: Vec<Finding>, marks: u64) -> Self {
        let mut search_state = Self { marks, ..Self::default() };
        for finding in findings {
            search_state.find(finding, u64::MAX);
        }
        search_state
    }

    /// Adds a finding, unless there are `most`; whether it is new.
    pub(super) fn find(&mut self, finding: Finding, most: u64) -> bool {
        if self.findings.len() as u64 >= most {
            return false;
        }
        self.digests.insert(finding.digest);
        self.findings.insert(finding.index, finding.digest).is_none()
    }

    /// A Drone has searched a part: it told `seen` of `expected` marks that prove anything. Those that are sought do
    /// not, since their number is not known beforehand.
    pub(super) fn note(&mut self, part: &Searched, expected: f64, seen: u64) -> Suspicion {
        self.coming.insert(part.range.start, (part.range.end, part.marks.count()));
        let reputation = self.evidence.entry(part.drone).or_default();
        let was_suspect = reputation.is_suspect;
        reputation.is_suspect = reputation.evidence.note(expected, seen);
        match (was_suspect, reputation.is_suspect) {
            (_, false) => Suspicion::None,
            (false, true) => Suspicion::New,
            (true, true) => Suspicion::Old,
        }
    }

    /// Notes that a part that this Drone has searched was searched again, with the same marks.
    pub(super) fn agrees(&mut self, drone: DroneId) {
        if let Some(reputation) = self.evidence.get_mut(&drone).filter(|reputation| reputation.is_suspect) {
            reputation.agreed += 1;
            if reputation.agreed >= ENOUGH {
                *reputation = Reputation::default();
            }
        }
    }

    /// A part that was searched is on disk.
    pub(super) fn stored(&mut self, part: &Searched) {
        if let Some((_, marks)) = self.coming.remove(&part.range.start) {
            self.marks += marks;
        }
    }

    /// What was searched and is not on disk yet.
    pub(super) fn coming(&self) -> RangeSet {
        let mut coming = RangeSet::default();
        self.coming.iter().for_each(|(start, (end, _))| coming.insert(*start..*end));
        coming
    }

    /// So many marks are on disk and not suspect: others have become so.
    pub(super) fn recount(&mut self, marks: u64) {
        self.marks = marks;
    }

    /// What has come of it.
    pub(super) fn found(&self) -> SearchCounts {
        let coming: u64 = self.coming.values().map(|(_, marks)| marks).sum();
        SearchCounts { findings: self.findings.len() as u64, marks: self.marks + coming }
    }

    /// Findings behind `after`, in the order of their indices, at most `limit`.
    pub(super) fn findings(&self, after: Option<u64>, limit: usize) -> Vec<Finding> {
        let first = after.map_or(Some(0), |after| after.checked_add(1));
        let findings = first.map(|first| self.findings.range(first..)).into_iter().flatten().take(limit);
        findings.map(|(index, digest)| Finding { index: *index, digest: *digest }).collect()
    }

    /// The first candidate that is not wanted any more, if there is one.
    pub(super) fn wanted_until(&self, search: &Search) -> Option<u64> {
        let (first, _) = self.findings.first_key_value()?;
        if self.findings.len() as u64 >= search.max_findings {
            return Some(0);
        }
        match (search.stop, &search.sought) {
            (Stop::First, _) => Some(0),
            (Stop::Lowest, _) => Some(first + 1),
            (Stop::All, Sought::Targets { count, .. }) => (self.digests.len() as u64 >= *count).then_some(0),
            (Stop::All, Sought::Interval { .. }) | (Stop::Never, _) => None,
        }
    }

    /// Bytes of memory that it takes.
    pub(super) fn weight(&self) -> u64 {
        self.findings.len() as u64 * FINDING + (self.evidence.len() * size_of::<(DroneId, Reputation)>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_before_is_counted_on() {
        let finding = |index| Finding { index, digest: [index as u8; 32] };
        let mut search_state = SearchState::revived(vec![finding(3), finding(9)], 7);
        assert!(search_state.find(finding(5), u64::MAX) && !search_state.find(finding(9), u64::MAX));
        let SearchCounts { findings, marks } = search_state.found();
        assert_eq!((findings, marks), (3, 7));
    }
}
