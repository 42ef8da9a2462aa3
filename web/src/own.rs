//! Which tasks a caller reaches: everybody's, or its own alone. Of another's task one is told what is told of a task
//! that never was.

use std::ops::Range;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use wire::ids::TaskId;

use crate::access::{Caller, TokenId};
use crate::app::App;
use crate::client::Client;
use crate::error::Problem;
use crate::hive::{Coverage, Hive, HiveError, NotFound, Original, ResultsFound};
use crate::model::{Change, TaskView};
use crate::request::id::Id;

/// The task now, for a caller who may see it.
pub(crate) async fn task(hive: &dyn Hive, caller: &Caller, id: TaskId) -> Result<TaskView, HiveError> {
    reached(caller, id, hive.task(id).await, |task| task)
}

/// What there is of its results, likewise.
pub(crate) async fn results(
    hive: &dyn Hive,
    caller: &Caller,
    id: TaskId,
    range: Range<u64>,
) -> Result<ResultsFound, HiveError> {
    reached(caller, id, hive.results(id, range).await, |found| &found.task)
}

/// What a search has not found, likewise.
pub(crate) async fn not_found(
    hive: &dyn Hive,
    caller: &Caller,
    id: TaskId,
    range: Range<u64>,
) -> Result<NotFound, HiveError> {
    reached(caller, id, hive.not_found(id, range).await, |found| &found.results.task)
}

/// What was searched of it, likewise.
pub(crate) async fn coverage(
    hive: &dyn Hive,
    caller: &Caller,
    id: TaskId,
    from: u64,
    limit: usize,
) -> Result<Coverage, HiveError> {
    reached(caller, id, hive.coverage(id, from, limit).await, |found| &found.task)
}

/// What was asked for with it, likewise.
pub(crate) async fn original(hive: &dyn Hive, caller: &Caller, id: TaskId, most: usize) -> Result<Original, HiveError> {
    reached(caller, id, hive.original(id, most).await, |found| &found.task)
}

fn reached<T>(
    caller: &Caller,
    id: TaskId,
    found: Result<T, HiveError>,
    task: impl Fn(&T) -> &TaskView,
) -> Result<T, HiveError> {
    match found {
        Ok(found) if caller.sees(task(&found).owner_id) => Ok(found),
        // Whose a task is that was removed, or cannot be read, is not known; a Queen who does not serve says so of all.
        Err(error) if caller.only_own().is_none() || matches!(error, HiveError::Unavailable { .. }) => Err(error),
        Ok(_) | Err(_) => Err(HiveError::NoTask(id)),
    }
}

/// The task in a request's path, which who asks may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changeable(TaskId);

impl Changeable {
    /// The task's id.
    pub(crate) fn id(self) -> TaskId {
        self.0
    }
}

impl FromRequestParts<App> for Changeable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Id(id) = Id::from_request_parts(parts, app).await?;
        let Ok(client) = Client::from_request_parts(parts, app).await;
        let (id, caller) = (TaskId(id), &client.caller);
        if caller.controls(None) {
            return Ok(Self(id));
        }
        let task = task(&*app.hive, caller, id).await?;
        match caller.controls(task.owner_id) {
            true => Ok(Self(id)),
            false => Err(client.lacks(
                &*app.hive,
                (&parts.method, &parts.uri),
                "the scope `control`, since the task is another's",
            )),
        }
    }
}

/// Whether a caller is told of a change.
pub(crate) fn is_told(caller: &Caller, change: &Change) -> bool {
    let is_own = |owner: Option<TokenId>| caller.sees(owner);
    match change {
        Change::Task(task) => is_own(task.owner_id),
        Change::TaskRemoved { owner, .. } | Change::ResultChanged { owner, .. } | Change::Finding { owner, .. } => {
            is_own(*owner)
        }
        Change::Drone(_) | Change::Overview(_) => caller.only_own().is_none(),
        Change::Reset {} => true,
    }
}
