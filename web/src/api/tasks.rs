//! `/tasks`

use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use wire::ids::TaskId;

use super::json::{self, Json};
use super::query::Query;
use super::{Id, cursor, prefer, results, submit};
use crate::App;
use crate::access::Caller;
use crate::client::Client;
use crate::error::Problem;
use crate::hive::{By, Computed, ResultsFound, Submitted, TaskFilter};
use crate::model::{PAGE_DEFAULT, PAGE_MAX, TaskList, TaskState, TaskView};
use crate::own::Changeable;

/// A task, and its results when they are few.
struct Task {
    view: TaskView,
    /// In JSON.
    results: Option<Vec<u8>>,
}

impl Task {
    async fn of(app: &App, view: TaskView) -> Result<Self, Problem> {
        let results = results::inline(app, &view).await?;
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
pub(crate) async fn create(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let wait = prefer::wait(request.headers());
    let _turn = wait.map(|_| client.allowance.wait()).transpose()?;
    let submitted = submit::submit(&app, request, wait.is_some()).await?;
    let id = submitted.id();
    let location = [(LOCATION, format!("/tasks/{id}"))];
    let (seconds, computed) = match (wait, submitted) {
        (None, Submitted::Seen(task)) => {
            return Ok((StatusCode::CREATED, location, Task::of(&app, *task).await?).into_response());
        }
        (seconds, Submitted::Awaited(_, computed)) => (seconds.unwrap_or_default(), computed),
        (Some(seconds), Submitted::Seen(_)) => {
            let app = app.clone();
            let computed: Computed = Box::pin(async move { app.hive.computed(id).await });
            (seconds, computed)
        }
    };
    let applied = prefer::applied(seconds);
    // On disk or not: the same digests would be computed again.
    Ok(match prefer::in_time(&app, &client, seconds, computed).await? {
        Some(found) => (StatusCode::OK, location, applied, Task::with(found).await?).into_response(),
        None => {
            (StatusCode::CREATED, location, applied, Task::of(&app, app.hive.task(id).await?).await?).into_response()
        }
    })
}

/// `GET /tasks/{id}`
pub(crate) async fn show(
    State(app): State<App>,
    Id(id): Id,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = TaskId(id);
    let view = app.task(&client.caller, id).await?;
    let Some(seconds) = prefer::wait(&headers) else { return Ok(Task::of(&app, view).await?.into_response()) };
    let _turn = client.allowance.wait()?;
    let view = match prefer::in_time(&app, &client, seconds, app.hive.ended(id)).await? {
        Some(view) => view,
        None => app.hive.task(id).await?,
    };
    Ok((prefer::applied(seconds), Task::of(&app, view).await?).into_response())
}

/// `GET /tasks`: newest first.
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Json<TaskList>, Problem> {
    let state = query.one_of("state", &TaskState::ALL, TaskState::name)?;
    let limit = query.number("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE_DEFAULT) as usize;
    let before = cursor::take(&mut query)?.map(TaskId);
    query.end()?;
    // One more tells whether there are more.
    let mut tasks = app.hive.tasks(TaskFilter { state, before, owner: caller.only_own(), limit: limit + 1 }).await?;
    let has_more = tasks.len() > limit;
    tasks.truncate(limit);
    let next_cursor = tasks.last().filter(|_| has_more).map(|task| cursor::of(task.id.0));
    Ok(Json(TaskList { tasks, next_cursor }))
}

/// `POST /tasks/{id}/cancel`
pub(crate) async fn cancel(State(app): State<App>, by: By, task: Changeable) -> Result<Json<TaskView>, Problem> {
    Ok(Json(app.cancel(by, task).await?))
}

/// `POST /tasks/{id}/pause`
pub(crate) async fn pause(State(app): State<App>, by: By, task: Changeable) -> Result<Json<TaskView>, Problem> {
    Ok(Json(app.pause(by, task).await?))
}

/// `POST /tasks/{id}/resume`
pub(crate) async fn resume(State(app): State<App>, by: By, task: Changeable) -> Result<Json<TaskView>, Problem> {
    Ok(Json(app.resume(by, task).await?))
}

/// `POST /tasks/{id}/retry`
pub(crate) async fn retry(
    State(app): State<App>,
    by: By,
    task: Changeable,
    request: Request,
) -> Result<Json<TaskView>, Problem> {
    let deadline = submit::renewal(&app, request).await?;
    Ok(Json(app.retry(by, task, deadline).await?))
}

/// `PATCH /tasks/{id}`
pub(crate) async fn amend(
    State(app): State<App>,
    by: By,
    task: Changeable,
    request: Request,
) -> Result<Json<TaskView>, Problem> {
    let amendment = submit::amendment(&app, request).await?;
    Ok(Json(app.amend(by, task, amendment).await?))
}

/// `DELETE /tasks/{id}`
pub(crate) async fn remove(State(app): State<App>, by: By, task: Changeable) -> Result<StatusCode, Problem> {
    app.remove(by, task).await?;
    Ok(StatusCode::NO_CONTENT)
}
