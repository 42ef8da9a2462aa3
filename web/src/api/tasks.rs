//! `/tasks`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use wire::ids::TaskId;

use super::json::{self, Json};
use super::prefer::{self, Waiter};
use super::submit::{self, Outcome, Resources};
use super::{cursor, list, results};
use crate::access::Caller;
use crate::deeds::Control;
use crate::error::Problem;
use crate::hive::{Computed, Hive, ResultsFound, Submitted, TaskFilter, TaskPage, TaskQuery};
use crate::model::{PAGE_DEFAULT, PAGE_MAX, TaskList, TaskView};
use crate::own::{self, Changeable};
use crate::request::id::Id;
use crate::request::query::Query;
use crate::room::Room;

/// A task, and its results when they are few.
struct Task {
    view: TaskView,
    /// In JSON.
    results: Option<Vec<u8>>,
}

impl Task {
    async fn of(hive: &dyn Hive, view: TaskView) -> Result<Self, Problem> {
        let results = results::inline(hive, &view).await?;
        Ok(Self { view, results })
    }

    async fn with(mut found: ResultsFound) -> Result<Self, Problem> {
        let results = results::inline_of(&mut found).await?;
        Ok(Self { view: found.task, results })
    }
}

impl IntoResponse for Task {
    fn into_response(self) -> Response {
        json::object(&self.view, self.results.as_deref().map(|results| ("results", results)))
    }
}

/// `POST /tasks`
pub(crate) async fn create(
    State(resources): State<Resources>,
    waiter: Waiter,
    request: Request,
) -> Result<Response, Problem> {
    let wait = prefer::wait(request.headers());
    let _turn = wait.map(|_| waiter.client.allowance.wait()).transpose()?;
    let hive = Arc::clone(&resources.hive);
    let submitted = match submit::submit(&resources, request, wait.is_some()).await? {
        Outcome::Submitted(submitted) => submitted,
        Outcome::Estimated(estimate) => return Ok(Json(estimate).into_response()),
    };
    let id = submitted.id();
    let location = [(LOCATION, format!("/tasks/{id}"))];
    let (seconds, computed) = match (wait, submitted) {
        (None, Submitted::Seen(task)) => {
            return Ok((StatusCode::CREATED, location, Task::of(&*hive, *task).await?).into_response());
        }
        (seconds, Submitted::Awaited(_, computed)) => (seconds.unwrap_or_default(), computed),
        (Some(seconds), Submitted::Seen(_)) => {
            let hive = Arc::clone(&hive);
            let computed: Computed = Box::pin(async move { hive.computed(id).await });
            (seconds, computed)
        }
    };
    let applied = prefer::applied(seconds);
    // On disk or not: the same digests would be computed again.
    Ok(match waiter.in_time(seconds, computed).await? {
        Some(found) => (StatusCode::OK, location, applied, Task::with(found).await?).into_response(),
        None => (StatusCode::CREATED, location, applied, Task::of(&*hive, hive.task(id).await?).await?).into_response(),
    })
}

/// `GET /tasks/{id}`
pub(crate) async fn show(
    State(hive): State<Arc<dyn Hive>>,
    Id(id): Id,
    waiter: Waiter,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = TaskId(id);
    let view = own::task(&*hive, &waiter.client.caller, id).await?;
    let Some(seconds) = prefer::wait(&headers) else { return Ok(Task::of(&*hive, view).await?.into_response()) };
    let _turn = waiter.client.allowance.wait()?;
    let view = match waiter.in_time(seconds, hive.ended(id)).await? {
        Some(view) => view,
        None => hive.task(id).await?,
    };
    Ok((prefer::applied(seconds), Task::of(&*hive, view).await?).into_response())
}

/// `GET /tasks`
pub(crate) async fn list(
    State(hive): State<Arc<dyn Hive>>,
    caller: Caller,
    mut query: Query,
) -> Result<Json<TaskList>, Problem> {
    let filter = TaskFilter { token: caller.only_own(), ..list::filter(&mut query)? };
    let limit = query.number("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE_DEFAULT) as usize;
    let (order, after) = list::order(&mut query, &filter)?;
    query.end()?;
    let TaskPage { tasks, next } = hive.tasks(TaskQuery { filter, order, after, limit }).await?;
    Ok(Json(TaskList { tasks, next_cursor: next.map(|next| cursor::of_place(order, next)) }))
}

/// `POST /tasks/{id}/cancel`
pub(crate) async fn cancel(control: Control, task: Changeable) -> Result<Json<TaskView>, Problem> {
    Ok(Json(control.cancel(task).await?))
}

/// `POST /tasks/{id}/pause`
pub(crate) async fn pause(control: Control, task: Changeable) -> Result<Json<TaskView>, Problem> {
    Ok(Json(control.pause(task).await?))
}

/// `POST /tasks/{id}/resume`
pub(crate) async fn resume(control: Control, task: Changeable) -> Result<Json<TaskView>, Problem> {
    Ok(Json(control.resume(task).await?))
}

/// `POST /tasks/{id}/retry`
pub(crate) async fn retry(
    control: Control,
    State(room): State<Room>,
    task: Changeable,
    request: Request,
) -> Result<Json<TaskView>, Problem> {
    let deadline = submit::renewal(&room, request).await?;
    Ok(Json(control.retry(task, deadline).await?))
}

/// `PATCH /tasks/{id}`
pub(crate) async fn amend(
    control: Control,
    State(room): State<Room>,
    task: Changeable,
    request: Request,
) -> Result<Json<TaskView>, Problem> {
    let amendment = submit::amendment(&room, request).await?;
    Ok(Json(control.amend(task, amendment).await?))
}

/// `DELETE /tasks/{id}`
pub(crate) async fn remove(control: Control, task: Changeable) -> Result<StatusCode, Problem> {
    control.remove(task).await?;
    Ok(StatusCode::NO_CONTENT)
}
