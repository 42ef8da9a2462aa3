//! The list of tasks.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use wire::ids::TaskId;

use super::viewer::Viewer;
use super::{filters, overview};
use crate::api::submit::{self, Outcome, Resources};
use crate::assets;
use crate::config::Config;
use crate::error::Problem;
use crate::hive::{Hive, Position, TaskFilter, TaskQuery};
use crate::model::{TaskCounts, TaskState, TaskView};
use crate::request::query::Query;

/// Tasks a page.
const PAGE: usize = 50;

#[derive(Template, WebTemplate)]
#[template(path = "tasks.html")]
pub(super) struct Page {
    viewer: Viewer,
    /// Of everybody's tasks, for who sees these.
    counts: Option<TaskCounts>,
    state: Option<TaskState>,
    is_first: bool,
    tasks: Vec<TaskView>,
    next: Option<TaskId>,
}

impl Page {
    fn has_batches(&self) -> bool {
        self.tasks.iter().any(|task| task.first_task.is_some())
    }

    /// How many there are in this state, or in any.
    fn count(&self, state: Option<TaskState>) -> Option<u64> {
        let counts = self.counts.as_ref()?;
        Some(
            TaskState::ALL
                .into_iter()
                .filter(|one| state.is_none_or(|state| state == *one))
                .map(|one| counts.of(one))
                .sum(),
        )
    }
}

pub(super) async fn page(State(hive): State<Arc<dyn Hive>>, viewer: Viewer, mut query: Query) -> Result<Page, Problem> {
    let state = query.one_of("state", &TaskState::ALL, TaskState::name)?;
    let before = query.number("cursor", 0..=u64::MAX)?.map(TaskId);
    let filter =
        TaskFilter { states: state.into_iter().collect(), token: viewer.caller().only_own(), ..TaskFilter::default() };
    let after = before.map(|id| Position { key: 0, id });
    let page = hive.tasks(TaskQuery { filter, after, limit: PAGE, ..TaskQuery::default() }).await?;
    let counts = if viewer.sees_all() { Some(hive.overview().await?.tasks) } else { None };
    let next = page.next.map(|next| next.id);
    Ok(Page { viewer, counts, state, is_first: before.is_none(), tasks: page.tasks, next })
}

pub(super) async fn submit(
    State(resources): State<Resources>,
    State(config): State<Arc<Config>>,
    viewer: Viewer,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let (outcome, typed) = submit::page_form(&resources, request).await;
    let problem = match outcome {
        Ok(Outcome::Submitted(task)) => {
            return Ok(Redirect::to(&format!("/admin/tasks/{}", task.id())).into_response());
        }
        Ok(Outcome::Estimated(_)) => Problem::invalid("this form submits; what a search would take is told by another"),
        Err(problem) => problem,
    };
    overview::refused(&*resources.hive, &config, viewer, &headers, problem, typed).await
}
