//! What a Queen goes on with: tasks that have not ended, results that are suspect, Drones, leases.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::ids::{DroneId, Instance, LeaseId, TaskId};

use super::search;
use crate::core::RangeSet;
use crate::store::bulk::Bulk;
use crate::store::error::StoreError;
use crate::store::rows::{COLUMN_COUNT, COLUMNS, KnownDrone, Leased, Rows, Stored, large, trust_of};
use crate::work::inputs::{Inputs, Large};
use crate::work::results::{Piece, Results, Trust};
use crate::work::search::Finding;

/// A task of which something is to be computed, as it was left.
#[derive(Debug)]
pub struct Live {
    /// What its row says.
    pub task: Stored,
    /// Its inputs.
    pub inputs: Inputs,
    /// What is done of it.
    pub done: RangeSet,
    /// What was done of it and is to be computed again, since it is suspect.
    pub suspect: RangeSet,
    /// Results that are not in its file, of what is done.
    pub results: Vec<Results>,
    /// Results that are not in its file and are suspect.
    pub suspect_results: Vec<Results>,
    /// What was found, if it is a search, and how many marks are known.
    pub findings: Vec<Finding>,
    /// How many candidates are known to be marks, of what is done of a search.
    pub marks: u64,
    /// Tasks that have left it, if it is a batch, where they count as done: by index, why they failed there.
    pub detached: BTreeMap<u64, Option<Box<str>>>,
}

impl Live {
    /// One of which nothing is done.
    pub fn new(task: Stored, inputs: Inputs) -> Self {
        Self {
            task,
            inputs,
            done: RangeSet::default(),
            suspect: RangeSet::default(),
            results: Vec::new(),
            suspect_results: Vec::new(),
            findings: Vec::new(),
            marks: 0,
            detached: BTreeMap::new(),
        }
    }

    /// One of its tasks has left it; why, if it failed there.
    pub fn detach(&mut self, index: u64, error: Option<Box<str>>) {
        if !self.done.contains(index) && !self.suspect.contains(index) {
            self.done.insert(index..index + 1);
        }
        self.detached.insert(index, error);
    }
}

/// What is suspect of a task that has not ended, or is called suspect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspects {
    /// The task.
    pub task: TaskId,
    /// Whether it has ended.
    pub has_ended: bool,
    /// The results.
    pub ranges: RangeSet,
    /// The Drone that computed the first of them.
    pub drone: Option<DroneId>,
}

/// Hands every task that has not ended to `visit`, and then those that are called suspect. The file of one that
/// has not ended is looked at; what is wrong with one ends the visits.
pub(super) fn visit(
    connection: &Connection,
    bulk: &Bulk,
    mut visit: impl FnMut(Live) -> ControlFlow<()>,
) -> rusqlite::Result<Result<(), StoreError>> {
    for which in ["state = 0", "suspect = 1"] {
        let select = format!("SELECT {COLUMNS}, file, inputs FROM tasks WHERE {which} ORDER BY id");
        let mut select = connection.prepare(&select)?;
        let mut found = select.query([])?;
        let mut rows = Rows::default();
        while let Some(row) = found.next()? {
            let live = live(connection, &mut rows, row)?;
            if live.task.ending.is_none()
                && let Some((large, file)) = live.inputs.in_file()
                && let Err(damage) = check_file(bulk, large, file)
            {
                return Ok(Err(damage));
            }
            if visit(live).is_break() {
                return Ok(Ok(()));
            }
        }
    }
    Ok(Ok(()))
}

/// One task, whatever its state.
pub(super) fn revive(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<Live>> {
    let select = format!("SELECT {COLUMNS}, file, inputs FROM tasks WHERE id = ?");
    let mut select = connection.prepare_cached(&select)?;
    select.query_row([id.0], |row| live(connection, &mut Rows::default(), row)).optional()
}

/// What is to be computed again of the first `limit` tasks behind `after`.
pub(super) fn suspects(connection: &Connection, after: TaskId, limit: usize) -> rusqlite::Result<Vec<Suspects>> {
    let select = "SELECT task, state <> 0, first, past, drone FROM \
                  (SELECT task, first, past, drone FROM results INDEXED BY results_suspect WHERE checked = 2 \
                  UNION ALL \
                  SELECT task, first, past, drone FROM searched INDEXED BY searched_suspect WHERE verdict = 2) \
                  JOIN tasks ON id = task WHERE task > ? AND (state = 0 OR suspect = 1) ORDER BY task, first";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query([after.0])?;
    let mut found: Vec<Suspects> = Vec::new();
    while let Some(row) = rows.next()? {
        let (task, range) = (TaskId(row.get(0)?), row.get(2)?..row.get(3)?);
        let is_full = found.len() == limit;
        match found.last_mut() {
            Some(last) if last.task == task => last.ranges.insert(range),
            _ if is_full => break,
            _ => {
                let drone = row.get::<_, Option<u64>>(4)?.map(DroneId);
                found.push(Suspects { task, has_ended: row.get(1)?, ranges: range.into(), drone });
            }
        }
    }
    Ok(found)
}

/// The ranges of a task's results that are suspect and touch `range`, with their bytes where they are not in a
/// file; and the file, with its number.
pub(super) fn old_rows(connection: &Connection, id: TaskId, range: &Range<u64>) -> rusqlite::Result<OldRows> {
    let select = "SELECT file, extents FROM tasks LEFT JOIN segments ON task = id WHERE id = ?";
    let file = connection.prepare_cached(select)?.query_row([id.0], |row| {
        let Some(number) = row.get(0)? else { return Ok(None) };
        Ok(Some((number, large(number, row.get_ref(1)?.as_blob()?)?)))
    });
    let select = "SELECT first, past, bytes FROM results INDEXED BY results_suspect \
                  WHERE task = ? AND checked = 2 AND first < ? AND past > ? ORDER BY first";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map(params![id.0, range.end, range.start], |row| {
        Ok((row.get(0)?..row.get(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
    })?;
    Ok(OldRows { file: file.optional()?.flatten(), rows: rows.collect::<rusqlite::Result<_>>()? })
}

/// Rows of suspect results.
pub(super) struct OldRows {
    file: Option<(u64, Large)>,
    rows: Vec<(Range<u64>, Option<Vec<u8>>)>,
}

impl OldRows {
    /// What of them lies in `range`, of `width` bytes each.
    pub(super) fn within(self, bulk: &Bulk, range: &Range<u64>, width: usize) -> Result<Vec<Piece>, StoreError> {
        let mut pieces = Vec::new();
        for (row, bytes) in self.rows {
            let part = row.start.max(range.start)..row.end.min(range.end);
            pieces.push(match (bytes, &self.file) {
                (Some(bytes), _) => Piece { range: row, bytes: bytes.into() }.within(&part),
                (None, Some((number, large))) => bulk.results(*number, large, &part, width)?,
                (None, None) => continue,
            });
        }
        Ok(pieces)
    }
}

/// Every Drone that is known, by id.
pub(super) fn drones(connection: &Connection) -> rusqlite::Result<Vec<KnownDrone>> {
    let mut select = connection.prepare("SELECT id, instance, name, quarantine, visit FROM drones ORDER BY id")?;
    let rows = select.query_map([], |row| {
        let (id, instance) = (DroneId(row.get(0)?), Instance(row.get(1)?));
        // It is for people alone: one that cannot be read is none.
        let visit = row.get_ref(4)?.as_str_or_null()?.and_then(|visit| serde_json::from_str(visit).ok());
        Ok(KnownDrone { id, instance, name: row.get(2)?, quarantine: row.get(3)?, visit })
    })?;
    rows.collect()
}

/// The leases that are open, by number.
pub(super) fn leases(connection: &Connection) -> rusqlite::Result<Vec<Leased>> {
    let mut select = connection.prepare("SELECT lease, task, drone, first, past FROM leases ORDER BY lease")?;
    let rows = select.query_map([], |row| {
        let (lease, task, drone) = (LeaseId(row.get(0)?), TaskId(row.get(1)?), DroneId(row.get(2)?));
        Ok(Leased { lease, task, drone, range: row.get(3)?..row.get(4)? })
    })?;
    rows.collect()
}

/// The inputs of a task, which are in a file of this number, or small ones.
pub(super) fn inputs(
    connection: &Connection,
    task: &Stored,
    file: Option<u64>,
    small: Option<Vec<u8>>,
) -> rusqlite::Result<Inputs> {
    if let Some(implied) = task.terms.kind().implied() {
        return Ok(implied);
    }
    let Some(number) = file else { return Ok(Inputs::Small(small.unwrap_or_default().into())) };
    let mut select = connection.prepare_cached("SELECT extents FROM segments WHERE task = ?")?;
    let large = select.query_row([task.id.0], |row| large(number, row.get_ref(0)?.as_blob()?))?;
    Ok(Inputs::Large(Arc::new(large)))
}

/// A task whose row has `file` and `inputs` behind the columns of a task.
fn live(connection: &Connection, rows: &mut Rows, row: &Row<'_>) -> rusqlite::Result<Live> {
    let task = rows.read(row)?;
    let small = row.get_ref(COLUMN_COUNT + 1)?.as_blob_or_null()?.map(<[u8]>::to_vec);
    let inputs = inputs(connection, &task, row.get(COLUMN_COUNT)?, small)?;
    let id = task.id;
    // The one result of a single item comes together with its end.
    let has_results = task.total > 1 || task.ending.is_some() || task.terms.batch;
    let mut live = Live::new(task, inputs);
    if live.inputs.are_implied() {
        add_searched(connection, id, &mut live)?;
    } else if has_results {
        add_results(connection, id, &mut live)?;
    }
    if live.task.terms.batch {
        add_detached(connection, id, &mut live)?;
    }
    Ok(live)
}

fn add_results(connection: &Connection, id: TaskId, live: &mut Live) -> rusqlite::Result<()> {
    let select = "SELECT first, past, bytes, drone, checked FROM results WHERE task = ? ORDER BY first";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query([id.0])?;
    while let Some(row) = rows.next()? {
        let range: Range<u64> = row.get(0)?..row.get(1)?;
        let number = row.get(4)?;
        let trust = trust_of(number).ok_or(FromSqlError::OutOfRange(number))?;
        let (done, results) = match trust {
            Trust::Suspect => (&mut live.suspect, &mut live.suspect_results),
            Trust::Sampled | Trust::Checked => (&mut live.done, &mut live.results),
        };
        if let Some(bytes) = row.get::<_, Option<Vec<u8>>>(2)? {
            let drone = row.get::<_, Option<u64>>(3)?.map(DroneId);
            let piece = Piece { range: range.clone(), bytes: bytes.into() };
            results.push(Results { piece, drone, trust });
        }
        done.insert(range);
    }
    Ok(())
}

fn add_searched(connection: &Connection, id: TaskId, live: &mut Live) -> rusqlite::Result<()> {
    for span in search::searched(connection, id, 0, usize::MAX >> 1)? {
        match span.trust {
            Trust::Suspect => live.suspect.insert(span.range),
            Trust::Sampled | Trust::Checked => {
                live.marks += span.marks;
                live.done.insert(span.range);
            }
        }
    }
    live.findings = search::findings(connection, id, None, usize::MAX >> 1)?;
    Ok(())
}

fn add_detached(connection: &Connection, id: TaskId, live: &mut Live) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached("SELECT item, error FROM detached WHERE batch = ? ORDER BY item")?;
    let mut rows = select.query([id.0])?;
    while let Some(row) = rows.next()? {
        live.detach(row.get(0)?, row.get(1)?);
    }
    Ok(())
}

/// Whether the file of live inputs is there and long enough, which is cheap to know.
fn check_file(bulk: &Bulk, large: &Large, number: u64) -> Result<(), StoreError> {
    let path = bulk.path(number);
    match bulk.length(number) {
        Ok(length) if length >= large.bytes() => Ok(()),
        Ok(length) => Err(StoreError::Damaged {
            path,
            what: format!("it has {length} bytes, and the inputs in it have {}", large.bytes()),
        }),
        Err(error) => Err(StoreError::Damaged { path, what: format!("the inputs in it cannot be read: {error}") }),
    }
}
