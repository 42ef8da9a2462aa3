//! The admin pages. They work without scripts: forms, links, and 303 after each change.

mod drones;
mod filters;
mod form;
mod overview;
mod shown;
mod task;
mod tasks;

use askama::Template;
use askama_web::WebTemplate;
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, REFRESH, RETRY_AFTER};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

use crate::App;
use crate::assets;
use crate::error::Problem;

/// Everything under `/admin`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/admin", get(overview::page))
        .route("/admin/tasks", get(tasks::page).post(tasks::submit))
        .route("/admin/tasks/{id}", get(task::page))
        .route("/admin/tasks/{id}/pause", post(task::pause))
        .route("/admin/tasks/{id}/resume", post(task::resume))
        .route("/admin/tasks/{id}/cancel", post(task::cancel))
        .route("/admin/tasks/{id}/retry", post(task::retry))
        .route("/admin/tasks/{id}/amend", post(task::amend))
        .route("/admin/tasks/{id}/delete", post(task::delete))
        .route("/admin/drones", get(drones::page))
        .route("/admin/drones/{id}", get(drones::one))
        .route("/admin/drones/{id}/drain", post(drones::drain))
        .route("/admin/drones/{id}/resume", post(drones::resume))
        .layer(map_response(async |mut response: Response| {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }))
}

#[derive(Template, WebTemplate)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
    places: Vec<(&'a str, String)>,
    /// When the page reloads itself, in seconds.
    reload: Option<u64>,
}

/// A problem as a page. One that passes reloads itself, if that only reads.
pub(crate) fn problem(problem: &Problem, is_read: bool) -> Response {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let places = problem.members.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let retry = problem.retry_seconds();
    let reload = retry.filter(|_| is_read);
    let mut response = (problem.status, ProblemPage { problem, places, reload }).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = retry {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(seconds) = reload {
        headers.insert(REFRESH, HeaderValue::from(seconds));
    }
    response
}
