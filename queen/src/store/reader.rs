//! Reading what is on disk, beside the writer.
//!
//! SQLite shows each reader the last commit before its query and holds up nobody. Every
//! query here ends at once: an open one would keep the log from being emptied.

mod list;
mod live;
mod log;
mod search;
mod span;

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use web::access::{LogEntry, LogFilter};
use web::hive::{Counted, Identity, LineCounts, Position, TaskFilter, TaskQuery};
use web::model::{TaskCounts, TaskState, Timestamp};
use wire::ids::TaskId;

pub use self::list::StoredPage;

/// Of so many failed tasks at most it is told why they failed.
const FAILURES_MAX: i64 = 200_000;

/// So many different reasons are told at most.
const REASONS_MAX: i64 = 10_000;

/// Tasks that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// The reason, for people.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The last one.
    pub last: TaskId,
}
pub use self::live::{Live, Suspects};
pub use self::span::Span;
use super::bulk::Bulk;
use super::error::StoreError;
use super::rows::{COLUMN_COUNT, COLUMNS, KnownDrone, Leased, Rows, Stored, StoredMember, state_number};
use super::schema;
use crate::clock::HiveTime;
use crate::work::job::Job;
use crate::work::results::Piece;
use crate::work::search::{Finding, Searched};
use crate::work::terms::{SecretHash, hash_of};

/// Connections that are kept for the next query.
const IDLE: usize = 8;

/// Tasks that have left a batch: their indices there, and why they failed there.
pub type Detached = Vec<(u64, Option<Box<str>>)>;

/// Reads the data directory, on several threads at once. Everything here blocks; none of it is called on an
/// async thread.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    vfs: Option<String>,
    bulk: Arc<Bulk>,
    /// Connections that nobody uses: a pool, not a lock over state.
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    /// Reads the database at `path`, and the bulk files.
    pub(super) fn new(path: PathBuf, vfs: Option<String>, bulk: Arc<Bulk>) -> Self {
        Self { path, vfs, bulk, idle: Mutex::new(Vec::new()) }
    }

    /// One task.
    ///
    /// # Errors
    /// If the database cannot be read, as with all that follow.
    pub fn task(&self, id: TaskId) -> Result<Option<Stored>, StoreError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tasks WHERE id = ?"))?;
            select.query_row([id.0], |row| Rows::default().read(row)).optional()
        })
    }

    /// A task of a batch, if it has no row.
    pub fn member(&self, id: TaskId) -> Result<Option<StoredMember>, StoreError> {
        self.query(|connection| {
            let select = format!("SELECT {COLUMNS} FROM tasks WHERE batch = 1 AND id < ? ORDER BY id DESC LIMIT 1");
            let found = connection.prepare_cached(&select)?.query_row([id.0], |row| Rows::default().read(row));
            let covers = |batch: &Stored| id.0 <= batch.id.0 + batch.total;
            let Some(batch) = found.optional()?.filter(covers) else { return Ok(None) };
            let index = id.0 - batch.id.0 - 1;
            let select = "SELECT error FROM detached WHERE batch = ? AND item = ?";
            let detached = connection.prepare_cached(select)?.query_row([batch.id.0, index], |row| row.get(0));
            let select = "SELECT EXISTS (SELECT 1 FROM (SELECT past FROM results WHERE task = ?1 AND first <= ?2 \
                          ORDER BY first DESC LIMIT 1) WHERE past > ?2)";
            let has_result = connection.prepare_cached(select)?.query_row([batch.id.0, index], |row| row.get(0))?;
            Ok(Some(StoredMember { batch, index, has_result, detached: detached.optional()? }))
        })
    }

    /// Tasks in `range` that have left a batch, with why they failed there, at most `limit`.
    pub fn detached(&self, batch: TaskId, range: &Range<u64>, limit: usize) -> Result<Detached, StoreError> {
        self.query(|connection| {
            let select = "SELECT item, error FROM detached WHERE batch = ? AND item >= ? AND item < ? \
                          ORDER BY item LIMIT ?";
            let mut select = connection.prepare_cached(select)?;
            let past = i64::try_from(range.end).unwrap_or(i64::MAX);
            let rows =
                select.query_map(params![batch.0, range.start, past, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// A part of the list of tasks that have ended.
    pub fn list(&self, query: &TaskQuery) -> Result<StoredPage, StoreError> {
        self.query(|connection| list::read(connection, query))
    }

    /// Counts tasks that have ended, by their states, behind this place of the list by id; and behind which place it
    /// is to go on, if that were not all.
    pub fn count(
        &self,
        filter: &TaskFilter,
        after: Option<Position>,
    ) -> Result<(TaskCounts, Option<Position>), StoreError> {
        self.query(|connection| list::count(connection, filter, after))
    }

    /// How many lines the list of tasks that have ended has.
    pub fn lines(&self, filter: &TaskFilter) -> Result<LineCounts, StoreError> {
        self.query(|connection| list::lines(connection, filter))
    }

    /// How many tasks failed at this moment or later.
    pub fn failed_since(&self, since: Timestamp) -> Result<Counted, StoreError> {
        self.query(|connection| {
            let failed = state_number(TaskState::Failed);
            list::count_up_to_max(connection, "tasks_by_ending", "state = ? AND finished_at >= ?", &[failed, since.0])
        })
    }

    /// Why tasks failed, each reason with how many there are of it, as far as [`FAILURES_MAX`] tasks and
    /// [`REASONS_MAX`] reasons go.
    pub fn failures(&self) -> Result<Vec<Failures>, StoreError> {
        self.query(|connection| {
            let select = "SELECT error, count(*), max(id) FROM \
                          (SELECT error, id FROM tasks INDEXED BY tasks_by_reason \
                          WHERE error IS NOT NULL AND state = ? LIMIT ?) \
                          GROUP BY error LIMIT ?";
            let mut select = connection.prepare_cached(select)?;
            let found = select
                .query_map(params![state_number(TaskState::Failed), FAILURES_MAX, REASONS_MAX], |row| {
                    Ok(Failures { reason: row.get(0)?, count: row.get(1)?, last: TaskId(row.get(2)?) })
                })?;
            found.collect()
        })
    }

    /// Lines of the audit trail, newest first, each with its number.
    pub fn log(&self, filter: &LogFilter) -> Result<Vec<(u64, LogEntry)>, StoreError> {
        self.query(|connection| log::read(connection, filter))
    }

    /// What a task has to compute and where its inputs are.
    pub fn job(&self, id: TaskId) -> Result<Option<Job>, StoreError> {
        self.query(|connection| {
            let select = format!("SELECT {COLUMNS}, file, inputs FROM tasks WHERE id = ?");
            let found = connection.prepare_cached(&select)?.query_row([id.0], |row| {
                let stored = Rows::default().read(row)?;
                let file: Option<u64> = row.get(COLUMN_COUNT)?;
                let small: Option<Vec<u8>> = row.get(COLUMN_COUNT + 1)?;
                Ok((stored, file, small))
            });
            let Some((stored, file, small)) = found.optional()? else { return Ok(None) };
            let inputs = live::inputs(connection, &stored, file, small)?;
            Ok(Some(Job { task: id, terms: stored.terms, inputs }))
        })
    }

    /// Where the unbroken run of results from index 0 on ends. What was suspect already when
    /// the task ended is none of it.
    pub fn prefix(&self, id: TaskId) -> Result<u64, StoreError> {
        self.query(|connection| {
            let select = "SELECT first, past FROM results WHERE task = ?1 AND \
                          (checked <> 2 OR (SELECT suspect FROM tasks WHERE id = ?1)) \
                          UNION ALL SELECT item, item + 1 FROM detached WHERE batch = ?1 ORDER BY first";
            let mut select = connection.prepare_cached(select)?;
            let mut rows = select.query([id.0])?;
            let mut prefix = 0;
            while let Some(row) = rows.next()? {
                if row.get::<_, u64>(0)? > prefix {
                    break;
                }
                prefix = prefix.max(row.get(1)?);
            }
            Ok(prefix)
        })
    }

    /// Results of a small task that touch `range`, suspect ones too.
    pub fn results(&self, id: TaskId, range: &Range<u64>) -> Result<Vec<Piece>, StoreError> {
        self.query(|connection| {
            let select =
                "SELECT first, past, bytes FROM results WHERE task = ? AND first < ? AND past > ? ORDER BY first";
            let mut select = connection.prepare_cached(select)?;
            let rows = select.query_map(params![id.0, range.end, range.start], |row| {
                Ok(Piece { range: row.get(0)?..row.get(1)?, bytes: row.get::<_, Vec<u8>>(2)?.into() })
            })?;
            rows.collect()
        })
    }

    /// What a search has found behind candidate `after`, in the order of their indices, at most `limit`.
    pub fn findings(&self, id: TaskId, after: Option<u64>, limit: usize) -> Result<Vec<Finding>, StoreError> {
        self.query(|connection| search::findings(connection, id, after, limit))
    }

    /// How many marks of a search are known of what is not in doubt.
    pub fn trusted_marks(&self, id: TaskId) -> Result<u64, StoreError> {
        self.query(|connection| {
            let select = "SELECT coalesce(sum(marks), 0) FROM searched WHERE task = ? AND verdict <> 2";
            connection.prepare_cached(select)?.query_row([id.0], |row| row.get(0))
        })
    }

    /// What has been searched from candidate `from` on, in order, at most `limit` spans.
    pub fn searched(&self, id: TaskId, from: u64, limit: usize) -> Result<Vec<Span>, StoreError> {
        self.query(|connection| search::searched(connection, id, from, limit))
    }

    /// Which results there are from index `from` on, in order, at most `limit` spans.
    pub fn computed(&self, id: TaskId, from: u64, limit: usize) -> Result<Vec<Span>, StoreError> {
        self.query(|connection| span::computed(connection, id, from, limit))
    }

    /// What has been searched of a range, with the marks; what lies beyond the range is with it.
    pub fn marks(&self, id: TaskId, range: &Range<u64>) -> Result<Vec<Searched>, StoreError> {
        self.query(|connection| search::marks(connection, id, range))
    }

    /// A long key or salt.
    ///
    /// # Errors
    /// If it is not there, or is another one; or the database cannot be read.
    pub fn secret(&self, hash: &SecretHash) -> Result<Vec<u8>, StoreError> {
        let found = self.query(|connection| {
            let mut select = connection.prepare_cached("SELECT bytes FROM secrets WHERE hash = ?")?;
            select.query_row([hash], |row| row.get::<_, Vec<u8>>(0)).optional()
        })?;
        found.filter(|secret| hash_of(secret) == *hash).ok_or_else(|| StoreError::Damaged {
            path: self.path.clone(),
            what: "the key or salt of a task is not what it was".into(),
        })
    }

    /// What an idempotency key was used for.
    pub fn key(&self, key: &[u8; 32], now: HiveTime) -> Result<Option<(Identity, TaskId)>, StoreError> {
        self.query(|connection| {
            let select = "SELECT fingerprint, task FROM keys WHERE key = ? AND expires_at > ?";
            let found = connection.prepare_cached(select)?.query_row(params![key, now.0], |row| {
                Ok((Identity { key: *key, fingerprint: row.get(0)? }, TaskId(row.get(1)?)))
            });
            found.optional()
        })
    }

    /// Tasks that ended before `before`, the longest ago first, and about how many bytes each takes.
    pub fn oldest(&self, before: HiveTime, limit: usize) -> Result<Vec<(TaskId, u64)>, StoreError> {
        self.query(|connection| {
            let select = "SELECT id, bytes + ifnull(length(inputs), 0) + \
                          ifnull((SELECT sum(length(bytes)) FROM results WHERE task = id), 0) + \
                          ifnull((SELECT sum(length(bytes)) FROM searched WHERE task = id), 0) FROM tasks \
                          WHERE finished_on < ? ORDER BY finished_on LIMIT ?";
            let mut select = connection.prepare_cached(select)?;
            let rows = select.query_map(params![before.0, limit], |row| Ok((TaskId(row.get(0)?), row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Hands every task that has not ended to `visit`, by id; and then those that have, but are
    /// called suspect; until it breaks off.
    ///
    /// # Errors
    /// If the file of one that has not ended is not what it must be; or the database cannot be read, as with all
    /// that follow.
    pub fn live(&self, visit: impl FnMut(Live) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.query(|connection| live::visit(connection, &self.bulk, visit))?
    }

    /// One task as [`live`](Self::live) gives it, whatever its state.
    pub fn revive(&self, id: TaskId) -> Result<Option<Live>, StoreError> {
        self.query(|connection| live::revive(connection, id))
    }

    /// What is to be computed again of the first `limit` tasks behind `after`, by id, of which
    /// there is something.
    pub fn suspects(&self, after: TaskId, limit: usize) -> Result<Vec<Suspects>, StoreError> {
        self.query(|connection| live::suspects(connection, after, limit))
    }

    /// The suspect results in `range`, of `width` bytes each. In a file there may be those already
    /// that are to replace them, or a part of that.
    pub fn suspect_results(&self, id: TaskId, range: &Range<u64>, width: usize) -> Result<Vec<Piece>, StoreError> {
        self.query(|connection| live::old_rows(connection, id, range))?.within(&self.bulk, range, width)
    }

    /// Every Drone that is known, by id.
    pub fn drones(&self) -> Result<Vec<KnownDrone>, StoreError> {
        self.query(live::drones)
    }

    /// The leases of the Queen before, by number, until the next one's first change.
    pub fn leases(&self) -> Result<Vec<Leased>, StoreError> {
        self.query(live::leases)
    }

    /// The numbers of the bulk files that records name.
    pub fn files(&self, mut visit: impl FnMut(u64)) -> Result<(), StoreError> {
        self.query(|connection| {
            let mut select = connection.prepare("SELECT file FROM segments JOIN tasks ON tasks.id = segments.task")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                visit(row.get(0)?);
            }
            Ok(())
        })
    }

    /// The bulk files.
    pub fn bulk(&self) -> &Arc<Bulk> {
        &self.bulk
    }

    fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path, self.vfs.as_deref())?,
        };
        let result = query(&connection).map_err(StoreError::database(&self.path))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(result)
    }
}
