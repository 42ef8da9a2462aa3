//! `/tasks/failures`: tasks that failed, by why.

use std::sync::Arc;

use axum::extract::State;

use super::json::Json;
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::FailureList;

/// `GET /tasks/failures`
pub(crate) async fn list(State(hive): State<Arc<dyn Hive>>) -> Result<Json<FailureList>, Problem> {
    Ok(Json(FailureList { failures: hive.failures().await? }))
}
