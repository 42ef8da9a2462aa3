//! `/stats`, and whether the Queen is well.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::App;
use crate::error::Problem;
use crate::model::Overview;

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// `GET /stats`
pub(crate) async fn stats(State(app): State<App>) -> Result<Json<Overview>, Problem> {
    Ok(Json(app.hive.overview().await?))
}

/// `GET /healthz`: this process answers.
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// `GET /readyz`: the Queen answers too.
pub(crate) async fn readyz(State(app): State<App>) -> Result<Json<Health>, Problem> {
    app.hive.overview().await?;
    Ok(Json(Health { status: "ready" }))
}
