//! Why the Hive refuses what somebody asks for, in words that say what to do.

use std::time::Duration;

use web::budget::OverBudget;
use web::hive::HiveError;
use web::model::TaskState;
use wire::ids::TaskId;

use super::story::{label, unfinished};
use crate::store::StoreError;

/// When a client should ask again that was refused for want of room (`Retry-After`, RFC 9110, 10.2.3).
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How soon a client should ask again while tasks are being taken over.
const SOON: Duration = Duration::from_secs(1);

/// What a client is told while tasks are being taken over.
pub(super) fn recovering(taken: u64, all: u64) -> HiveError {
    let count = drone::console::count;
    let reason = match all {
        0 => "the Queen is starting".into(),
        _ => format!("the Queen is taking over {}, {} so far", unfinished(all), count(taken)),
    };
    HiveError::Unavailable { reason, retry_after: SOON }
}

pub(super) fn behind() -> HiveError {
    HiveError::Unavailable { reason: "the disk is behind with writing".into(), retry_after: RETRY_AFTER }
}

/// Why a task is not removed.
pub(super) fn computed_again(id: TaskId) -> HiveError {
    HiveError::Conflict(format!("task {id} is being computed again: cancel it first"))
}

/// Why there is no coverage of a task, and nothing that it has not found.
pub(super) fn no_search(id: TaskId, name: Option<&str>) -> HiveError {
    HiveError::Conflict(format!("{} is no search: its results say how far it is", label(id, name)))
}

/// Why nobody knows what a search has not found.
pub(super) fn no_targets(id: TaskId, name: Option<&str>) -> HiveError {
    HiveError::Conflict(format!(
        "{} was given no digests, of which some could not be found: its coverage says what was searched",
        label(id, name)
    ))
}

pub(super) fn ended_already(id: TaskId, name: Option<&str>, state: TaskState) -> HiveError {
    HiveError::Conflict(format!("{} is {state} already", label(id, name)))
}

pub(super) fn full(over: OverBudget) -> HiveError {
    let reason = format!(
        "{over}; wait until queued tasks are done, delete finished ones if nothing is kept on disk, \
         or start the Queen with a larger --memory-limit"
    );
    HiveError::Unavailable { reason, retry_after: RETRY_AFTER }
}

pub(super) fn broken() -> HiveError {
    HiveError::Internal("writing the inputs was broken off".into())
}

/// The Queen takes nothing more.
pub(super) fn stopping() -> HiveError {
    HiveError::Unavailable { reason: "the Queen is stopping".into(), retry_after: RETRY_AFTER }
}

pub(super) fn not_retried(id: TaskId, name: Option<&str>, state: TaskState) -> HiveError {
    match state {
        TaskState::Done => ended_already(id, name, state),
        _ => HiveError::Conflict(format!(
            "{} is {state}: only a task that failed or was cancelled can be retried",
            label(id, name)
        )),
    }
}

/// The disk does not give back what it was given.
pub(super) fn unreadable(error: StoreError) -> HiveError {
    tracing::error!(%error, "cannot read what is on disk");
    HiveError::Internal(format!("it cannot be read from the disk: {error}"))
}

pub(super) fn missing(task: TaskId, index: u64) -> HiveError {
    tracing::error!(%task, index, "a result that was done is not there");
    HiveError::Internal(format!("result {index} of task {task} is missing"))
}

/// A token has too many tasks that have not ended.
pub(super) fn too_many(unfinished: usize, most: usize) -> HiveError {
    let reason = format!(
        "this token has {unfinished} tasks that have not ended, and may have {most}: wait until some have, \
         submit several inputs in one request, or start the Queen with a larger --max-queued-tasks"
    );
    HiveError::TooMany { reason, retry_after: RETRY_AFTER }
}
