//! The site map: every address, with what it needs of who asks, and who answers.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::response::Redirect;

use crate::api::description::Description;
use crate::api::{
    bulk, coverage, drones, events, failures, history, log, metrics, results, secrets, stats, tasks, tokens,
};
use crate::needs::Needs;
use crate::routes::{Route, Routes};
use crate::{assets, pages};

/// What is told of it. Built once, when somebody asks.
static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| Description::of(&routes()));

/// The site map.
pub(crate) fn map() -> Routes {
    let api = Routes::new()
        .get("/tasks", Needs::SeeTasks, tasks::list)
        .post("/tasks", Needs::Submit, tasks::create)
        .post("/tasks/bulk", Needs::ChangeTask, bulk::change)
        .get("/tasks/bulk/{id}", Needs::ChangeTask, bulk::show)
        .get("/tasks/failures", Needs::Read, failures::list)
        .get("/tasks/{id}", Needs::SeeTasks, tasks::show)
        .patch("/tasks/{id}", Needs::ChangeTask, tasks::amend)
        .delete("/tasks/{id}", Needs::ChangeTask, tasks::remove)
        .post("/tasks/{id}/pause", Needs::ChangeTask, tasks::pause)
        .post("/tasks/{id}/resume", Needs::ChangeTask, tasks::resume)
        .post("/tasks/{id}/cancel", Needs::ChangeTask, tasks::cancel)
        .post("/tasks/{id}/retry", Needs::ChangeTask, tasks::retry)
        .get("/tasks/{id}/results", Needs::SeeTasks, results::show)
        .get("/tasks/{id}/coverage", Needs::SeeTasks, coverage::show)
        .get("/tasks/{id}/history", Needs::SeeTasks, history::of_task)
        .get("/drones", Needs::Read, drones::list)
        .get("/drones/stream", Needs::Read, drones::stream)
        .get("/drones/{id}", Needs::Read, drones::show)
        .get("/drones/{id}/history", Needs::Read, history::of_drone)
        .get("/drones/{id}/leases", Needs::Read, drones::leases)
        .post("/drones/{id}/drain", Needs::Control, drones::drain)
        .post("/drones/{id}/disconnect", Needs::Control, drones::disconnect)
        .post("/drones/{id}/resume", Needs::Control, drones::resume)
        .get("/tokens", Needs::Admin, tokens::list)
        .post("/tokens", Needs::Admin, tokens::create)
        .delete("/tokens/{id}", Needs::Admin, tokens::revoke)
        .get("/secrets", Needs::Admin, secrets::list)
        .post("/secrets", Needs::Admin, secrets::create)
        .delete("/secrets/{name}", Needs::Admin, secrets::revoke)
        .get("/log", Needs::Read, log::list)
        .get("/stats", Needs::Read, stats::stats)
        .get("/stats/history", Needs::Read, history::show)
        .get("/metrics", Needs::Read, metrics::show)
        .get("/events", Needs::SeeTasks, events::events)
        .get("/healthz", Needs::Nothing, stats::healthz)
        .get("/readyz", Needs::Nothing, stats::readyz)
        .get("/openapi.json", Needs::Nothing, async |headers: HeaderMap| DESCRIPTION.answer(&headers));
    Routes::new()
        .get("/", Needs::Nothing, async || Redirect::temporary("/admin"))
        .merge(api)
        .merge(pages::routes())
        .merge(assets::routes())
}

/// All routes, with what each needs of who asks.
pub fn routes() -> Vec<Route> {
    map().into_list()
}
