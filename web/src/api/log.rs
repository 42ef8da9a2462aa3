//! `/log`: what was done, and what happened by itself.

use std::sync::Arc;

use axum::extract::State;

use super::cursor;
use super::json::Json;
use crate::access::{Caller, LogFilter, LogKind};
use crate::error::Problem;
use crate::hive::Access;
use crate::model::{LogList, PAGE_DEFAULT, PAGE_MAX};
use crate::request::query::Query;

/// `GET /log`: newest first.
pub(crate) async fn list(
    State(access): State<Arc<dyn Access>>,
    caller: Caller,
    mut query: Query,
) -> Result<Json<LogList>, Problem> {
    let filter = filter(&mut query, &caller)?;
    let limit = query.number("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE_DEFAULT) as usize;
    let before = cursor::take(&mut query)?;
    query.end()?;
    let page = access.log(LogFilter { before, limit, ..filter }).await?;
    Ok(Json(LogList { entries: page.entries, next_cursor: page.next.map(cursor::of) }))
}

/// Takes which lines are wanted, of those that the caller may see.
pub(crate) fn filter(query: &mut Query, caller: &Caller) -> Result<LogFilter, Problem> {
    let seen = LogKind::seen_by(caller);
    let kinds = match query.one_of("kind", seen, LogKind::name)? {
        Some(kind) => vec![kind],
        None if seen == LogKind::ALL => Vec::new(),
        None => seen.to_vec(),
    };
    Ok(LogFilter {
        kinds,
        who: query.text("who")?,
        target: query.text("target")?,
        since: query.moment("since")?,
        until: query.moment("until")?,
        ..LogFilter::default()
    })
}
