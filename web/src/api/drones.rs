//! `/drones`

use axum::extract::State;
use axum::http::StatusCode;
use wire::ids::DroneId;

use super::Id;
use super::json::Json;
use crate::App;
use crate::error::Problem;
use crate::hive::By;
use crate::model::{DroneList, DroneView};

/// `GET /drones`
pub(crate) async fn list(State(app): State<App>) -> Result<Json<DroneList>, Problem> {
    Ok(Json(DroneList { drones: app.hive.drones().await? }))
}

/// `GET /drones/{id}`
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<DroneView>, Problem> {
    Ok(Json(app.hive.drone(DroneId(id)).await?))
}

/// `POST /drones/{id}/drain`: it leaves when it has finished what it has.
pub(crate) async fn drain(
    State(app): State<App>,
    by: By,
    Id(id): Id,
) -> Result<(StatusCode, Json<DroneView>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(app.drain(by, DroneId(id)).await?)))
}

/// `POST /drones/{id}/resume`: it is trusted with work again.
pub(crate) async fn resume(State(app): State<App>, by: By, Id(id): Id) -> Result<Json<DroneView>, Problem> {
    Ok(Json(app.pardon(by, DroneId(id)).await?))
}
