//! Results that have to be computed twice before they count: those of tasks that ask for that.
//!
//! What comes the first time is kept here as a *claim*, and the core has another Drone compute the
//! same. What two Drones agree on is stored as checked; where they differ, the Queen computes one
//! result herself, and who was wrong is found out as ever. Where there is no other Drone, she
//! computes what was claimed, the most urgent first, some ranges at a time; where there is no room
//! for more claims, she does so while their Drone waits. Claims end with their Queen: nobody was
//! told that they are done.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use web::budget::Budget;
use wire::ids::{DroneId, TaskId};

use super::arrival::{Arrival, ClaimRoom};
use crate::work::{Job, Piece};

/// Claims may take one part in so many of the tasks' share of the memory limit.
const SHARE_DIVISOR: u64 = 8;

/// What a claim takes of memory besides its digests, in bytes.
const CLAIM: u64 = 256;

/// Claims of all tasks.
pub(super) struct Claims {
    /// By task and first index. Those of one task do not overlap.
    by_task: BTreeMap<TaskId, BTreeMap<u64, Claim>>,
    /// The memory of all tasks, and the part of it that all claims may take: a claim counts against both.
    memory: Arc<Budget>,
    own: Arc<Budget>,
    /// What the Queen is to compute, by priority, then in the order in which it came.
    own_checks: BTreeMap<(Reverse<i8>, u64), OwnCheck>,
    came: u64,
    /// How many more ranges she may compute at once.
    idle: usize,
}

/// Results that one Drone gave.
pub(super) struct Claim {
    pub(super) drone: DroneId,
    pub(super) piece: Piece,
    pub(super) room: ClaimRoom,
}

/// What is known of results when they come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClaimVerdict {
    /// Nobody else gave any.
    New,
    /// This other Drone gave the same.
    Agreed(DroneId),
    /// This Drone gave different results, of which this is the first.
    Differs(DroneId, Bytes),
}

/// Results that the Queen computes again, since no other Drone can.
pub(super) struct OwnCheck {
    pub(super) job: Job,
    pub(super) drone: DroneId,
    pub(super) part: Arrival,
}

impl Claims {
    /// No claims yet. The Queen may compute `at_once` ranges at a time.
    pub(super) fn new(memory: Arc<Budget>, at_once: usize) -> Self {
        let own = Budget::new(memory.limit() / SHARE_DIVISOR);
        Self { by_task: BTreeMap::new(), memory, own, own_checks: BTreeMap::new(), came: 0, idle: at_once }
    }

    /// Adds a range that the Queen is to compute.
    pub(super) fn add_own_check(&mut self, check: OwnCheck) {
        self.came += 1;
        self.own_checks.insert((Reverse(check.job.terms.priority), self.came), check);
    }

    /// Takes the Queen's right to compute one more range, if one is free and a range waits; whether it did.
    pub(super) fn begin(&mut self) -> bool {
        let begins = self.idle > 0 && !self.own_checks.is_empty();
        self.idle -= usize::from(begins);
        begins
    }

    /// Room for a claim of so many bytes, if there is any.
    pub(super) fn reserve(&self, bytes: usize) -> Option<ClaimRoom> {
        let wanted = CLAIM + bytes as u64;
        let (mut own, mut memory) = (self.own.reserve(), self.memory.reserve());
        own.grow(wanted).and_then(|()| memory.grow(wanted)).ok()?;
        Some(ClaimRoom::new([own, memory]))
    }

    /// Whether other Drones than this one have claimed all of a range.
    pub(super) fn are_of_others(&self, task: TaskId, drone: DroneId, range: &Range<u64>) -> bool {
        let mut next = range.start;
        while next < range.end {
            match self.around(task, next) {
                Some(claim) if claim.drone != drone => next = claim.piece.range.end,
                _ => return false,
            }
        }
        true
    }

    /// The claim that an index belongs to.
    fn around(&self, task: TaskId, index: u64) -> Option<&Claim> {
        let (_, claim) = self.by_task.get(&task)?.range(..=index).next_back()?;
        claim.piece.range.contains(&index).then_some(claim)
    }

    /// What is known of the first of these results, and for how many in a row it is the same.
    pub(super) fn judge(&self, task: TaskId, drone: DroneId, given: &Piece) -> (ClaimVerdict, u64) {
        let (range, items) = (&given.range, given.items());
        let Some(claim) = self.around(task, range.start) else {
            let claims = self.by_task.get(&task);
            let next = claims.and_then(|claims| claims.range(range.start..range.end).next());
            return (ClaimVerdict::New, next.map_or(items, |(next, _)| next - range.start));
        };
        let theirs = claim.piece.within(range);
        let agreed = if claim.drone == drone { ClaimVerdict::New } else { ClaimVerdict::Agreed(claim.drone) };
        if given.bytes.starts_with(&theirs.bytes) {
            return (agreed, theirs.items());
        }
        let mut same = theirs.iter().zip(given.iter()).map(|(theirs, ours)| theirs == ours);
        let is_same = same.next().unwrap_or_default();
        let count = 1 + same.take_while(|same| *same == is_same).count() as u64;
        let verdict = if is_same { agreed } else { ClaimVerdict::Differs(claim.drone, theirs.first()) };
        (verdict, count)
    }

    /// Keeps what a Drone claims, instead of what was claimed before.
    pub(super) fn put(&mut self, task: TaskId, claim: Claim) {
        self.remove(task, &claim.piece.range);
        self.by_task.entry(task).or_default().insert(claim.piece.range.start, claim);
    }

    /// Forgets what is claimed of a range.
    pub(super) fn remove(&mut self, task: TaskId, range: &Range<u64>) {
        let Some(claims) = self.by_task.get_mut(&task) else { return };
        let last = |claims: &BTreeMap<u64, Claim>| {
            let (first, claim) = claims.range(..range.end).next_back()?;
            (claim.piece.range.end > range.start).then_some(*first)
        };
        while let Some(first) = last(claims)
            && let Some(claim) = claims.remove(&first)
        {
            if first < range.start {
                claims.insert(first, claim.part(&(first..range.start)));
            }
            if claim.piece.range.end > range.end {
                claims.insert(range.end, claim.part(&(range.end..claim.piece.range.end)));
            }
        }
        if claims.is_empty() {
            self.by_task.remove(&task);
        }
    }

    /// The next range for the Queen, of those that are wanted still. If there is none, her right is given back.
    pub(super) fn next_own_check(&mut self, is_wanted: impl Fn(&OwnCheck) -> bool) -> Option<OwnCheck> {
        while let Some((_, check)) = self.own_checks.pop_first() {
            if is_wanted(&check) {
                return Some(check);
            }
        }
        self.idle += 1;
        None
    }

    /// Forgets all that is claimed of a task.
    pub(super) fn forget(&mut self, task: TaskId) {
        self.by_task.remove(&task);
    }

    /// Forgets all that a Drone claims.
    pub(super) fn forget_of(&mut self, drone: DroneId) {
        self.by_task.retain(|_, claims| {
            claims.retain(|_, claim| claim.drone != drone);
            !claims.is_empty()
        });
    }
}

impl Claim {
    fn part(&self, range: &Range<u64>) -> Self {
        Self { drone: self.drone, piece: self.piece.within(range), room: self.room.clone() }
    }
}
