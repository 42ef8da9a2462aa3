//! Reading the log.

use rusqlite::types::ToSql;
use rusqlite::{Connection, Row};
use web::access::{LogEntry, LogFilter};
use web::model::Timestamp;

use crate::store::rows::{log_kind_number, log_kind_of};

/// Lines that the filter lets through, newest first, each with its number.
pub(super) fn read(connection: &Connection, filter: &LogFilter) -> rusqlite::Result<Vec<(u64, LogEntry)>> {
    let LogFilter { kinds, who, target, since, until, before, limit } = filter;
    let mut conditions = vec!["id < ?"];
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(before)];
    let mut must = |condition, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    must("who = ?", who.clone().map(|who| Box::new(who) as _));
    must("at >= ?", since.map(|since| Box::new(since.0) as _));
    must("at < ?", until.map(|until| Box::new(until.0) as _));
    // The index by kind has lines of one kind in order. Those of several are walked, which the sign has SQLite do, since
    // it would sort all lines of these kinds, though only the newest are wanted.
    let walked = if kinds.len() > 1 { "+" } else { "" };
    let of_kinds = format!("{walked}kind IN ({})", vec!["?"; kinds.len()].join(", "));
    if !kinds.is_empty() {
        conditions.push(&of_kinds);
        values.extend(kinds.iter().map(|kind| Box::new(log_kind_number(*kind)) as Box<dyn ToSql>));
    }
    if let Some(target) = target {
        // The second part is every text that begins with the target and a space, since `!` follows the space.
        conditions.push("(target = ? OR target >= ? AND target < ?)");
        values.extend([target.clone(), format!("{target} "), format!("{target}!")].map(|text| Box::new(text) as _));
    }
    values.push(Box::new(i64::try_from(*limit).unwrap_or(i64::MAX)));
    let select = format!(
        "SELECT id, at, kind, who, address, action, target, outcome, count, request, changes FROM log WHERE {} ORDER BY id DESC LIMIT ?",
        conditions.join(" AND ")
    );
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map(rusqlite::params_from_iter(values), entry)?;
    rows.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<(u64, LogEntry)> {
    let kind = row.get(2)?;
    let kind = log_kind_of(kind).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, kind))?;
    let entry = LogEntry {
        at: Timestamp(row.get(1)?),
        kind,
        who: row.get(3)?,
        address: row.get(4)?,
        action: row.get(5)?,
        target: row.get(6)?,
        outcome: row.get(7)?,
        count: row.get(8)?,
        request_id: row.get(9)?,
        changes: row.get(10)?,
    };
    Ok((row.get(0)?, entry))
}
