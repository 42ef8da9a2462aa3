//! What is known of a search under way: what was found, and how well its Drones search.

use std::collections::{BTreeMap, BTreeSet};

use web::kinds::search::{Search, Sought, Stop};
use wire::ids::DroneId;
use wire::sieve::Digest;

use super::evidence::Evidence;
use crate::work::{Finding, Found};

/// What a finding takes of memory, in bytes, as measured: its entries in two trees.
const FINDING: u64 = 128;

/// A search under way.
#[derive(Default)]
pub(super) struct Hunt {
    /// What was found, by index.
    findings: BTreeMap<u64, Digest>,
    /// Which digests were found, each of which may have several candidates.
    digests: BTreeSet<Digest>,
    /// Candidates that were reported as marks.
    marks: u64,
    /// What each Drone's marks say of it.
    evidence: BTreeMap<DroneId, Evidence>,
}

impl Hunt {
    /// A search that a Queen before has begun.
    pub(super) fn revived(findings: Vec<Finding>, marks: u64) -> Self {
        let mut hunt = Self { marks, ..Self::default() };
        for finding in findings {
            hunt.find(finding);
        }
        hunt
    }

    /// Adds a finding; whether it is new.
    pub(super) fn find(&mut self, finding: Finding) -> bool {
        self.digests.insert(finding.digest);
        self.findings.insert(finding.index, finding.digest).is_none()
    }

    /// A Drone has searched a part; whether its marks make it suspect. Marks that are sought are none that prove
    /// anything, since their number is not known beforehand.
    pub(super) fn note(&mut self, drone: DroneId, marks: u64, expected: f64, seen: u64) -> bool {
        self.marks += marks;
        self.evidence.entry(drone).or_default().note(expected, seen)
    }

    /// What has come of it.
    pub(super) fn found(&self) -> Found {
        Found { findings: self.findings.len() as u64, marks: self.marks }
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
        self.findings.len() as u64 * FINDING + (self.evidence.len() * size_of::<(DroneId, Evidence)>()) as u64
    }
}
