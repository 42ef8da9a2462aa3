//! `/stats/history`: what was measured over time.

use std::sync::Arc;

use axum::extract::State;

use super::json::Json;
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::{HistoryView, Series, Step};
use crate::request::query::Query;

/// `GET /stats/history`
pub(crate) async fn show(State(hive): State<Arc<dyn Hive>>, mut query: Query) -> Result<Json<HistoryView>, Problem> {
    let series = query.some_of("series", &Series::ALL, Series::name)?.unwrap_or_else(|| Series::ALL.to_vec());
    let step = query.one_of("step", &Step::ALL, Step::name)?.unwrap_or(Step::Second);
    query.end()?;
    Ok(Json(hive.history(&series, step).await?))
}
