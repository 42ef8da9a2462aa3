//! What has been searched, and what was found.

use std::ops::Range;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, params};
use web::model::Timestamp;
use wire::ids::{DroneId, TaskId};

use super::span::Span;
use crate::store::rows::trust_of;
use crate::work::search::{Finding, Marks, Searched};

/// Findings behind `after`, in the order of their indices, at most `limit`.
pub(super) fn findings(
    connection: &Connection,
    id: TaskId,
    after: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Vec<Finding>> {
    let select = "SELECT item, digest FROM findings WHERE task = ? AND item > ? ORDER BY item LIMIT ?";
    let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
    let mut select = connection.prepare_cached(select)?;
    let rows =
        select.query_map(params![id.0, after, limit], |row| Ok(Finding { index: row.get(0)?, digest: row.get(1)? }))?;
    rows.collect()
}

/// What was searched of the candidates from `from` on, in order, at most `limit` rows. Of one that begins before, it is
/// the rest.
pub(super) fn searched(connection: &Connection, id: TaskId, from: u64, limit: usize) -> rusqlite::Result<Vec<Span>> {
    let select = "SELECT first, past, drone, verdict, marks, spent, at FROM searched WHERE task = ?1 AND past > ?2 \
                  AND first >= coalesce((SELECT max(first) FROM searched WHERE task = ?1 AND first <= ?2), ?2) \
                  ORDER BY first LIMIT ?3";
    let mut select = connection.prepare_cached(select)?;
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let rows = select.query_map(params![id.0, from, limit], |row| {
        let number = row.get(3)?;
        Ok(Span {
            range: row.get(0)?..row.get(1)?,
            drone: Some(DroneId(row.get(2)?)),
            trust: trust_of(number).ok_or(FromSqlError::OutOfRange(number))?,
            marks: row.get(4)?,
            spent_ns: row.get(5)?,
            at: Some(Timestamp(row.get(6)?)),
        })
    })?;
    let mut spans = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    if let Some(first) = spans.first_mut().filter(|first| first.range.start < from as u64) {
        let select = "SELECT bytes FROM searched WHERE task = ? AND first = ?";
        let mut select = connection.prepare_cached(select)?;
        let bytes: Vec<u8> = select.query_row([id.0, first.range.start], |row| row.get(0))?;
        cut(first, from as u64, bytes);
    }
    Ok(spans)
}

/// Rows that have any of a range, with their marks.
pub(super) fn marks(connection: &Connection, id: TaskId, range: &Range<u64>) -> rusqlite::Result<Vec<Searched>> {
    let select = "SELECT first, past, drone, verdict, bytes, spent, at FROM searched \
                  WHERE task = ?1 AND first < ?3 AND past > ?2 AND first >= \
                  coalesce((SELECT max(first) FROM searched WHERE task = ?1 AND first <= ?2), ?2) ORDER BY first";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(params![id.0, range.start, range.end])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let range: Range<u64> = row.get(0)?..row.get(1)?;
        let (number, bytes) = (row.get(3)?, row.get::<_, Vec<u8>>(4)?);
        let trust = trust_of(number).ok_or(FromSqlError::OutOfRange(number))?;
        // Marks that are damaged say nothing about a Drone; a check finds them.
        let Some(marks) = Marks::parse(bytes.into(), range.end.saturating_sub(range.start)) else { continue };
        let (drone, spent_ns, at) = (DroneId(row.get(2)?), row.get(5)?, Timestamp(row.get(6)?));
        found.push(Searched { range, marks, drone, trust, spent_ns, at });
    }
    Ok(found)
}

/// Leaves of a row with these marks what lies behind `from`.
fn cut(span: &mut Span, from: u64, bytes: Vec<u8>) {
    let Range { start, end } = span.range;
    let marks = Marks::parse(bytes.into(), end - start).unwrap_or_default();
    let (part, whole) = (u128::from(end - from), u128::from(end - start).max(1));
    span.marks = marks.within(&(from - start..end - start)).count();
    span.spent_ns = (u128::from(span.spent_ns) * part / whole) as u64;
    span.range.start = from;
}
