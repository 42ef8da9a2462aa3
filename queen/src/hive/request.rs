//! Work that takes time, which the state asks for.

use wire::ids::TaskId;

use super::audit::{Recheck, SecondSearch};
use crate::work::Searched;

/// What is to be done outside the lock, while everything else goes on; the state is told what comes of it.
pub(super) enum Request {
    /// Compute a result again: see [`State::rechecked`](super::state::State).
    Recheck(Box<Recheck>),
    /// Search candidates again, for want of another Drone: see [`State::searched_again`](super::state::State).
    SearchAgain(Box<SecondSearch>),
    /// Compare what was searched of a task, when all before is in the store, with what others have searched of the same
    /// candidates: see [`State::compare_marks`](super::state::State).
    CompareMarks(TaskId, Box<Searched>),
    /// Compute what Drones claim, for want of another Drone, until there is nothing left.
    ComputeClaims,
    /// Take up the tasks on disk that have suspect results.
    Rework,
}
