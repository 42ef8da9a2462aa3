//! Rows of searches. A row is what one Drone has searched without interruption, part after part, so that a search has
//! no more rows than leases, or little more.

use std::ops::Range;

use rusqlite::types::FromSqlError;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use web::model::Timestamp;
use wire::ids::{DroneId, TaskId};

use crate::store::rows::{trust_number, trust_of};
use crate::work::results::Trust;
use crate::work::search::{Finding, Marks, Searched};

/// A row that has so many marks is not extended any more: it is written anew each time.
const MOST_MARKS: u64 = 2048;

const COLUMNS: &str = "first, past, drone, verdict, bytes, spent, at";

/// Adds what was searched, and found; what there is of these candidates yet goes.
pub(super) fn add(
    transaction: &Transaction<'_>,
    task: TaskId,
    searched: &Searched,
    findings: &[Finding],
) -> rusqlite::Result<()> {
    cut(transaction, task, &searched.range)?;
    match before(transaction, task, searched)? {
        Some(before) => {
            let at = before.range.end - before.range.start;
            let whole = Searched {
                range: before.range.start..searched.range.end,
                marks: before.marks.followed_by(&searched.marks, at),
                spent_ns: before.spent_ns.saturating_add(searched.spent_ns),
                ..searched.clone()
            };
            write(transaction, task, &whole)?;
        }
        None => write(transaction, task, searched)?,
    }
    let mut insert =
        transaction.prepare_cached("INSERT OR REPLACE INTO findings (task, item, digest) VALUES (?, ?, ?)")?;
    for Finding { index, digest } in findings {
        insert.execute(params![task.0, index, digest])?;
    }
    Ok(())
}

/// Notes that candidates were searched again and that the same came of it, as far as they are still as `drone` searched
/// them.
pub(super) fn confirm(
    transaction: &Transaction<'_>,
    task: TaskId,
    range: &Range<u64>,
    drone: DroneId,
) -> rusqlite::Result<()> {
    for row in touching(transaction, task, range)? {
        let part = row.within(range);
        if row.drone == drone && row.trust == Trust::Sampled && !part.range.is_empty() {
            cut(transaction, task, &part.range)?;
            write(transaction, task, &Searched { trust: Trust::Checked, ..part })?;
        }
    }
    Ok(())
}

/// Forgets what there is of a search.
pub(super) fn forget(transaction: &Transaction<'_>, task: TaskId) -> rusqlite::Result<()> {
    for delete in ["DELETE FROM searched WHERE task = ?", "DELETE FROM findings WHERE task = ?"] {
        transaction.prepare_cached(delete)?.execute([task.0])?;
    }
    Ok(())
}

/// Counts what was searched of a search that has ended, its marks and findings, anew.
pub(super) fn recount(transaction: &Transaction<'_>, task: TaskId) -> rusqlite::Result<()> {
    let update = "UPDATE tasks SET found = (SELECT count(*) FROM findings WHERE task = ?1), \
                  marks = (SELECT coalesce(sum(marks), 0) FROM searched WHERE task = ?1), \
                  done = (SELECT coalesce(sum(past - first), 0) FROM searched WHERE task = ?1) \
                  WHERE id = ?1 AND EXISTS (SELECT 1 FROM searched WHERE task = ?1)";
    transaction.prepare_cached(update)?.execute([task.0]).map(drop)
}

/// Removes what rows have of a range; the rest of them stays.
fn cut(transaction: &Transaction<'_>, task: TaskId, range: &Range<u64>) -> rusqlite::Result<()> {
    for row in touching(transaction, task, range)? {
        let delete = "DELETE FROM searched WHERE task = ? AND first = ?";
        transaction.prepare_cached(delete)?.execute([task.0, row.range.start])?;
        for rest in [row.range.start..range.start, range.end..row.range.end] {
            if !rest.is_empty() {
                write(transaction, task, &row.within(&rest))?;
            }
        }
    }
    Ok(())
}

/// The rows that have any of a range.
fn touching(transaction: &Transaction<'_>, task: TaskId, range: &Range<u64>) -> rusqlite::Result<Vec<Searched>> {
    // The search begins at the last row that may reach into the range, and not at the task's first.
    let select = format!(
        "SELECT {COLUMNS} FROM searched WHERE task = ?1 AND first < ?3 AND past > ?2 AND first >= \
         coalesce((SELECT max(first) FROM searched WHERE task = ?1 AND first <= ?2), ?2)"
    );
    let mut select = transaction.prepare_cached(&select)?;
    select.query_map(params![task.0, range.start, range.end], read)?.collect()
}

/// The row that a part extends.
fn before(transaction: &Transaction<'_>, task: TaskId, part: &Searched) -> rusqlite::Result<Option<Searched>> {
    let select = format!(
        "SELECT {COLUMNS} FROM searched WHERE task = ?1 AND past = ?2 AND drone = ?3 AND verdict = ?4 AND marks < ?5 \
         AND first = (SELECT max(first) FROM searched WHERE task = ?1 AND first < ?2)"
    );
    let values = params![task.0, part.range.start, part.drone.0, trust_number(part.trust), MOST_MARKS];
    transaction.prepare_cached(&select)?.query_row(values, read).optional()
}

fn write(transaction: &Transaction<'_>, task: TaskId, row: &Searched) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO searched (task, first, past, drone, verdict, marks, bytes, crc, spent, at) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let Searched { range, marks, drone, trust, spent_ns, at } = row;
    let (bytes, spent) = (&marks.bytes()[..], i64::try_from(*spent_ns).unwrap_or(i64::MAX));
    let (count, crc, trust) = (marks.count(), crc32fast::hash(bytes), trust_number(*trust));
    let values = params![task.0, range.start, range.end, drone.0, trust, count, bytes, crc, spent, at.0];
    transaction.prepare_cached(insert)?.execute(values).map(drop)
}

/// Reads a row of [`COLUMNS`].
fn read(row: &Row<'_>) -> rusqlite::Result<Searched> {
    let range: Range<u64> = row.get(0)?..row.get(1)?;
    let (number, bytes) = (row.get(3)?, row.get::<_, Vec<u8>>(4)?);
    let trust = trust_of(number).ok_or(FromSqlError::OutOfRange(number))?;
    let marks = Marks::parse(bytes.into(), range.end.saturating_sub(range.start));
    Ok(Searched {
        range,
        // What is damaged is found by a check, and holds up nobody.
        marks: marks.unwrap_or_default(),
        drone: DroneId(row.get(2)?),
        trust,
        spent_ns: row.get(5)?,
        at: Timestamp(row.get(6)?),
    })
}
