//! `/stats`, and whether the Queen is well.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use super::json::Json;
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::{Data, Health, Overview};

/// When to ask again whether the disk takes writes.
const FAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// `GET /stats`
pub(crate) async fn stats(State(hive): State<Arc<dyn Hive>>) -> Result<Json<Overview>, Problem> {
    Ok(Json(hive.overview().await?))
}

/// `GET /healthz`: this process answers.
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: Cow::Borrowed("ok"), recovered: None })
}

/// `GET /readyz`: the Queen answers too, and takes new tasks.
pub(crate) async fn readyz(State(hive): State<Arc<dyn Hive>>) -> Result<Json<Health>, Problem> {
    let overview = hive.overview().await?;
    let is_used_up = overview.data.as_ref().is_some_and(Data::is_used_up);
    match overview.fault() {
        Some(fault) => Err(Problem::unavailable(fault, FAULT_RETRY_AFTER)),
        None if is_used_up => Err(Problem::unavailable("tasks take all that --max-data allows", FAULT_RETRY_AFTER)),
        None => {
            Ok(Json(Health { status: Cow::Borrowed("ready"), recovered: overview.data.map(|data| data.recovered) }))
        }
    }
}
