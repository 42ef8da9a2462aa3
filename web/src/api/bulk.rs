//! `/tasks/bulk`: what is done to many tasks at once.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};

use super::json::Json;
use super::submit;
use crate::bulk::{Asked, Bulk};
use crate::error::Problem;
use crate::model::{BulkState, BulkView};
use crate::request::id::Id;
use crate::request::query::Query;
use crate::room::Room;

/// When to ask again where something stopped early.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// `POST /tasks/bulk`
pub(crate) async fn change(
    bulk: Bulk,
    State(room): State<Room>,
    mut query: Query,
    request: Request,
) -> Result<Response, Problem> {
    const DETAIL: &str = "what is to be done to many tasks is said in JSON, such as \
                          {\"action\":\"cancel\",\"filter\":{\"name\":\"nightly\"}}, sent as application/json";
    let is_dry = query.flag("dry_run")?;
    query.end()?;
    let asked = Asked::of_json(submit::members(&room, request, DETAIL).await?)?;
    if is_dry {
        return Ok(Json(bulk.count(asked).await?).into_response());
    }
    let view = bulk.begin(asked).await?;
    if let Some(error) = view.error {
        let s = if view.changed == 1 { "" } else { "s" };
        return Err(Problem::unavailable(format!("after {} changed task{s}: {error}", view.changed), RETRY_AFTER));
    }
    Ok(match view.id.filter(|_| view.state == BulkState::Running) {
        Some(id) => (StatusCode::ACCEPTED, [(LOCATION, format!("/tasks/bulk/{id}"))], Json(view)).into_response(),
        None => Json(view).into_response(),
    })
}

/// `GET /tasks/bulk/{id}`
pub(crate) async fn show(bulk: Bulk, Id(id): Id) -> Result<Json<BulkView>, Problem> {
    Ok(Json(bulk.find(id)?))
}
