//! What has been computed of a task, by whom, and how far that is trusted.

use std::ops::Range;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, params};
use web::model::Timestamp;
use wire::ids::{DroneId, TaskId};

use crate::store::rows::trust_of;
use crate::work::results::Trust;

/// Items that one Drone has computed, without what came of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Their indices.
    pub range: Range<u64>,
    /// Who computed them, if that is known.
    pub drone: Option<DroneId>,
    /// How far that is trusted.
    pub trust: Trust,
    /// How many of them are marks of a search.
    pub marks: u64,
    /// Time of one thread that a search took, in nanoseconds.
    pub spent_ns: u64,
    /// When the last of a search came.
    pub at: Option<Timestamp>,
}

/// Results from index `from` on, in order, at most `limit` rows. Of one that begins before, it is the rest.
pub(super) fn computed(connection: &Connection, id: TaskId, from: u64, limit: usize) -> rusqlite::Result<Vec<Span>> {
    let select = "SELECT first, past, drone, checked FROM results WHERE task = ?1 AND past > ?2 \
                  AND first >= coalesce((SELECT max(first) FROM results WHERE task = ?1 AND first <= ?2), ?2) \
                  ORDER BY first LIMIT ?3";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map(params![id.0, i64::try_from(from).unwrap_or(i64::MAX), limit], |row| {
        let number = row.get(3)?;
        Ok(Span {
            range: from.max(row.get(0)?)..row.get(1)?,
            drone: row.get::<_, Option<u64>>(2)?.map(DroneId),
            trust: trust_of(number).ok_or(FromSqlError::OutOfRange(number))?,
            marks: 0,
            spent_ns: 0,
            at: None,
        })
    })?;
    rows.collect()
}
