//! `/drones`

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use wire::ids::DroneId;

use super::json::Json;
use crate::deeds::Control;
use crate::error::Problem;
use crate::hive::{DroneQuery, DroneSort, Hive, StreamQuery};
use crate::model::{DroneList, DroneState, DroneView, LeaseList, StreamView, Window};
use crate::request::id::Id;
use crate::request::query::Query;

/// `GET /drones`
pub(crate) async fn list(State(hive): State<Arc<dyn Hive>>, mut query: Query) -> Result<Json<DroneList>, Problem> {
    let wanted = drone_query(&mut query)?;
    query.end()?;
    Ok(Json(DroneList { drones: hive.drones(wanted).await?.drones }))
}

/// Takes which Drones are wanted.
pub(crate) fn drone_query(query: &mut Query) -> Result<DroneQuery, Problem> {
    Ok(DroneQuery {
        state: state(query)?,
        name: name(query)?,
        sort: query.one_of("sort", &DroneSort::all(), DroneSort::name)?,
        ..DroneQuery::default()
    })
}

/// The state of the Drones that are wanted.
fn state(query: &mut Query) -> Result<Option<DroneState>, Problem> {
    query.one_of("state", &DroneState::ALL, DroneState::name)
}

/// How names or addresses of the Drones begin that are wanted, in small letters.
fn name(query: &mut Query) -> Result<Option<String>, Problem> {
    Ok(query.text("name")?.map(|name| name.to_lowercase()))
}

/// `GET /drones/stream`
pub(crate) async fn stream(State(hive): State<Arc<dyn Hive>>, mut query: Query) -> Result<Json<StreamView>, Problem> {
    let wanted = stream_query(&mut query)?;
    query.end()?;
    Ok(Json(hive.stream(wanted).await?))
}

/// Takes which page of the task stream is wanted.
pub(crate) fn stream_query(query: &mut Query) -> Result<StreamQuery, Problem> {
    Ok(StreamQuery {
        window: query.one_of("window", &Window::ALL, Window::name)?.unwrap_or_default(),
        state: state(query)?,
        name: name(query)?,
        page: query.number("page", 1..=u64::from(u32::MAX))?.unwrap_or(1),
    })
}

/// `GET /drones/{id}/leases`
pub(crate) async fn leases(State(hive): State<Arc<dyn Hive>>, Id(id): Id) -> Result<Json<LeaseList>, Problem> {
    Ok(Json(LeaseList { leases: hive.drone_leases(DroneId(id)).await? }))
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
