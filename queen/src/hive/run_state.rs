//! What there is of a task that was begun, or has ended.

use web::model::Timestamp;
use wire::ids::DroneId;

use super::batch::Members;
use super::search_state::SearchState;
use crate::work::{Ending, ResultMap};

/// What there is of a task that was begun, or has ended.
#[derive(Default)]
pub(super) struct RunState {
    /// When a Drone was first given a part of it, perhaps by a Queen before.
    pub(super) started_at: Option<Timestamp>,
    /// It is on disk, or on its way there, when it was started.
    pub(super) keeps_start: bool,
    /// A Drone was given a part of it by this Queen.
    pub(super) is_begun: bool,
    /// Items that were done when it came into memory: before a restart, or before it was begun again.
    pub(super) taken_over: u64,
    pub(super) outputs: ResultMap,
    pub(super) end: Option<EndState>,
    pub(super) is_paused: bool,
    /// There are suspect results, on disk or here, which new ones replace.
    pub(super) replaces_suspects: bool,
    /// It has ended, and is computed again in part.
    pub(super) rework: Option<Rework>,
    /// Results that changed when they were computed again.
    pub(super) corrected: u64,
    /// What its results have cost, in compressions, less what was spent on looking at them times [`SHARE_DIVISOR`].
    pub(super) saved: u64,
    /// Which of a batch's tasks are where.
    pub(super) members: Option<Box<Members>>,
    /// What is known of a search.
    pub(super) search_state: Option<Box<SearchState>>,
}

/// One part in so many of what a task costs may be spent on looking at its results.
pub(super) const SHARE_DIVISOR: u64 = 50;

/// A task that had ended and is computed again in part.
#[derive(Debug)]
pub(super) struct Rework {
    /// Whose results are computed again.
    pub(super) drone: DroneId,
    /// How many of them were wrong.
    pub(super) corrected: u64,
}

/// How a task ends.
pub(super) enum TaskOutcome {
    Done,
    Cancelled,
    /// The reason, for people.
    Failed(String),
}

/// How a task has ended, and whether that is stored.
pub(super) struct EndState {
    pub(super) ending: Ending,
    /// Where its results end that can be read without a gap.
    pub(super) prefix: u64,
    /// The end is in the store.
    pub(super) is_settled: bool,
}
