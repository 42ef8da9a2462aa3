//! Results that come from Drones, on their way into a task.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use web::budget::Reservation;
use wire::ids::{DroneId, LeaseId, TaskId};

use crate::work::{Finding, Job, Marks, Piece, Trust};

/// What is expected of a lease's next output.
pub(super) struct Expected {
    /// Whose results they are.
    pub(super) job: Job,
    /// The lease is an audit: its one result is only compared.
    pub(super) is_audit: bool,
    /// The results replace suspect ones of a task that had ended.
    pub(super) is_rework: bool,
    /// How often its Drone was right so far.
    pub(super) trust: u64,
    /// The index that it has to begin with.
    pub(super) next: u64,
}

/// Results that came and were looked at.
pub(super) struct Arrival {
    pub(super) lease: LeaseId,
    /// The results.
    pub(super) piece: Piece,
    /// How long their Drone computed them.
    pub(super) spent: Duration,
    pub(super) trust: Trust,
    /// How many of them were computed a second time.
    pub(super) looked_at: u64,
    /// The suspect results that are replaced.
    pub(super) replaced: Vec<Piece>,
    /// The result that is worth computing again, but too expensive for it before acceptance.
    pub(super) expensive: Option<Expensive>,
    /// They are marks of a search.
    pub(super) is_search: bool,
    /// What these marks are, once they were looked at.
    pub(super) sighting: Option<Sighting>,
    /// Where they are kept until they were computed twice, if they have to be.
    pub(super) room: Option<ClaimRoom>,
}

/// Marks of a search that were looked at: each is one.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) marks: Marks,
    /// Those of them that are sought.
    pub(super) findings: Vec<Finding>,
    /// Which share of candidates are marks.
    pub(super) share: f64,
    /// A random number, which decides whether and where it is searched again.
    pub(super) chance: u64,
}

/// A result that is expensive to compute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expensive {
    pub(super) index: u64,
    /// What it costs, in compressions.
    pub(super) cost: u64,
    /// Bytes of its input.
    pub(super) length: u64,
    /// A random number, which decides whether it is looked at.
    pub(super) chance: u64,
}

/// A result that a Drone gave and that is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct WrongResult {
    pub(super) drone: DroneId,
    pub(super) task: TaskId,
    pub(super) index: u64,
    pub(super) kind: WrongKind,
}

/// What is wrong with a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrongKind {
    /// It is another one than what was asked for.
    Result,
    /// It says that a candidate is a mark, which it is not.
    Mark,
    /// It does not say that a candidate is a mark, which it is.
    Missed,
}

/// Memory for results that are kept until they were computed twice, given back when all of them are gone.
#[derive(Clone)]
pub(super) struct ClaimRoom {
    _held: Arc<[Reservation; 2]>,
}

impl ClaimRoom {
    /// Holds both reservations until the last clone is gone.
    pub(super) fn new(held: [Reservation; 2]) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl Arrival {
    /// Results that nobody has looked at.
    pub(super) fn new(lease: LeaseId, piece: Piece, spent: Duration) -> Self {
        let (trust, replaced) = (Trust::Sampled, Vec::new());
        Self {
            lease,
            piece,
            spent,
            trust,
            looked_at: 0,
            replaced,
            expensive: None,
            is_search: false,
            sighting: None,
            room: None,
        }
    }

    /// The results of `range` alone, without an expensive one to look at.
    pub(super) fn part(&self, range: &Range<u64>) -> Self {
        let piece = self.piece.within(range);
        let (all, items) = (u128::from(self.piece.items()), u128::from(piece.items()));
        let spent = Duration::from_nanos((self.spent.as_nanos() * items / all.max(1)) as u64);
        let (replaced, room) = (self.replaced.clone(), self.room.clone());
        Self { piece, spent, replaced, room, expensive: None, sighting: None, ..*self }
    }
}
