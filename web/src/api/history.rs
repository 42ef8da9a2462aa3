//! What was measured over time: `/stats/history`, `/drones/{id}/history` and `/tasks/{id}/history`.

use std::sync::Arc;

use axum::extract::State;
use wire::ids::{DroneId, TaskId};

use super::json::Json;
use crate::access::Caller;
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::{DroneHistory, HistoryView, Series, Step, TaskHistory};
use crate::own;
use crate::request::id::Id;
use crate::request::query::Query;

/// `GET /stats/history`
pub(crate) async fn show(State(hive): State<Arc<dyn Hive>>, mut query: Query) -> Result<Json<HistoryView>, Problem> {
    let series = query.some_of("series", &Series::ALL, Series::name)?.unwrap_or_else(|| Series::ALL.to_vec());
    let step = query.one_of("step", &Step::ALL, Step::name)?.unwrap_or(Step::Second);
    query.end()?;
    Ok(Json(hive.history(&series, step).await?))
}

/// `GET /drones/{id}/history`
pub(crate) async fn of_drone(State(hive): State<Arc<dyn Hive>>, Id(id): Id) -> Result<Json<DroneHistory>, Problem> {
    let drone = hive.drone(DroneId(id)).await?;
    Ok(Json(hive.drone_history(drone.id).await?))
}

/// `GET /tasks/{id}/history`
pub(crate) async fn of_task(
    State(hive): State<Arc<dyn Hive>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<TaskHistory>, Problem> {
    let task = own::task(&*hive, &caller, TaskId(id)).await?;
    Ok(Json(hive.task_history(task.id).await?))
}
