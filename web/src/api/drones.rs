//! `/drones`

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use wire::ids::DroneId;

use super::json::Json;
use crate::deeds::Control;
use crate::error::Problem;
use crate::fleet::DroneFilter;
use crate::hive::Hive;
use crate::model::{DroneList, DroneView};
use crate::request::id::Id;
use crate::request::query::Query;

/// `GET /drones`
pub(crate) async fn list(State(hive): State<Arc<dyn Hive>>, mut query: Query) -> Result<Json<DroneList>, Problem> {
    let filter = DroneFilter::take(&mut query)?;
    query.end()?;
    Ok(Json(DroneList { drones: filter.select(hive.drones().await?) }))
}

/// `GET /drones/{id}`
pub(crate) async fn show(State(hive): State<Arc<dyn Hive>>, Id(id): Id) -> Result<Json<DroneView>, Problem> {
    Ok(Json(hive.drone(DroneId(id)).await?))
}

/// `POST /drones/{id}/drain`: it leaves when it has finished what it has.
pub(crate) async fn drain(control: Control, Id(id): Id) -> Result<(StatusCode, Json<DroneView>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(control.drain(DroneId(id)).await?)))
}

/// `POST /drones/{id}/disconnect`: others take over what it has; it may come back.
pub(crate) async fn disconnect(control: Control, Id(id): Id) -> Result<Json<DroneView>, Problem> {
    Ok(Json(control.disconnect(DroneId(id)).await?))
}

/// `POST /drones/{id}/resume`: it is trusted with work again.
pub(crate) async fn resume(control: Control, Id(id): Id) -> Result<Json<DroneView>, Problem> {
    Ok(Json(control.pardon(DroneId(id)).await?))
}
