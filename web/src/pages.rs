//! The admin pages. They work without scripts: forms, links, and 303 after each change.

mod access;
mod address;
mod again;
mod bulk;
mod chart;
mod course;
mod coverage;
mod curl;
mod done;
mod drones;
mod failures;
mod filters;
mod form;
mod honeycomb;
mod leases;
mod log;
mod login;
mod lookup;
mod measured;
mod overview;
mod reasons;
mod search;
mod shown;
mod stream;
mod task;
mod tasks;
mod viewer;
mod words;

use askama::Template;
use askama_web::WebTemplate;
use axum::http::header::{REFRESH, RETRY_AFTER};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;

pub(crate) use self::viewer::Viewer;
use crate::assets;
use crate::error::Problem;
use crate::needs::Needs;
use crate::routes::Routes;

/// What is for people: everything under `/admin`, and the way to it.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/login", Needs::Nothing, login::page)
        .post("/login", Needs::Nothing, login::log_in)
        .post("/logout", Needs::Nothing, login::log_out)
        .get("/admin", Needs::SeeTasks, overview::page)
        .get("/admin/tasks", Needs::SeeTasks, tasks::page)
        .post("/admin/tasks", Needs::Submit, tasks::submit)
        .post("/admin/tasks/bulk", Needs::ChangeTask, bulk::change)
        .get("/admin/failures", Needs::Read, failures::page)
        .get("/admin/search", Needs::Submit, search::page)
        .post("/admin/search", Needs::Submit, search::submit)
        .get("/admin/tasks/{id}", Needs::SeeTasks, task::page)
        .post("/admin/tasks/{id}/pause", Needs::ChangeTask, task::pause)
        .post("/admin/tasks/{id}/resume", Needs::ChangeTask, task::resume)
        .post("/admin/tasks/{id}/cancel", Needs::ChangeTask, task::cancel)
        .post("/admin/tasks/{id}/retry", Needs::ChangeTask, task::retry)
        .post("/admin/tasks/{id}/amend", Needs::ChangeTask, task::amend)
        .post("/admin/tasks/{id}/delete", Needs::ChangeTask, task::delete)
        .get("/admin/stream", Needs::Read, stream::page)
        .get("/admin/drones", Needs::Read, drones::page)
        .get("/admin/drones/{id}", Needs::Read, drones::one)
        .post("/admin/drones/{id}/drain", Needs::Control, drones::drain)
        .post("/admin/drones/{id}/disconnect", Needs::Control, drones::disconnect)
        .post("/admin/drones/{id}/resume", Needs::Control, drones::resume)
        .get("/admin/access", Needs::Admin, access::page)
        .post("/admin/access/tokens", Needs::Admin, access::create_token)
        .post("/admin/access/tokens/{id}/revoke", Needs::Admin, access::revoke_token)
        .post("/admin/access/secrets", Needs::Admin, access::create_secret)
        .post("/admin/access/secrets/{name}/revoke", Needs::Admin, access::revoke_secret)
        .post("/admin/access/sessions/{id}/end", Needs::Admin, access::end_session)
        .get("/admin/log", Needs::Read, log::page)
}

#[derive(Template, WebTemplate)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    viewer: Viewer,
    problem: &'a Problem,
    places: Vec<(&'a str, String)>,
    /// When the page reloads itself, in seconds.
    reload: Option<u64>,
}

/// Leads to the login, and from there to the page that was wanted, if it only reads.
pub(crate) fn to_login(wanted: Option<&Uri>) -> Response {
    Redirect::to(&login::address(wanted)).into_response()
}

/// A problem as a page. One that passes reloads itself, if that only reads.
pub(crate) fn problem(viewer: Viewer, problem: &Problem, is_read: bool) -> Response {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let places = problem.members.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let retry = problem.retry_seconds();
    let reload = retry.filter(|_| is_read);
    let mut response = (problem.status, ProblemPage { viewer, problem, places, reload }).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = retry {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(seconds) = reload {
        headers.insert(REFRESH, HeaderValue::from(seconds));
    }
    response
}
