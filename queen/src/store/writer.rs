//! The one writer: takes many changes, makes them durable together.
//!
//! The order is what everything hangs on: result bytes are written and synced first, then the
//! records that refer to them are committed, and files are removed only when no record names
//! them any more. If any of it fails, nothing was done, and the whole batch can be tried
//! again: it writes all its bytes anew, since after a failed sync the system may have dropped
//! what was written before.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use web::model::{TaskCounts, TaskState, Timestamp};
use wire::ids::{Epoch, TaskId};

use super::ballast::Ballast;
use super::bulk::{Bulk, result_offset};
use super::disk::DiskFile;
use super::error::StoreError;
use super::inputs::{Inputs, Large, Place};
use super::records::{Change, Ending, Extents, Submission, file_bytes, state_number, state_of};
use super::schema;
use crate::crash;
use crate::kinds::digest::DIGEST;

/// How long an idempotency key is known.
pub const KEY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Result files that are kept open.
const OPEN_FILES: usize = 64;

/// Free pages of the database that are given back to the file system at a time.
const VACUUM_PAGES: i64 = 256;

/// Keys that are forgotten at a time.
const EXPIRED_KEYS: i64 = 10_000;

/// See the module.
pub struct Writer {
    path: PathBuf,
    connection: Connection,
    bulk: Arc<Bulk>,
    files: HashMap<u64, Box<dyn DiskFile>>,
    ballast: Ballast,
    /// Something was committed.
    has_written: bool,
}

/// A task that is no longer on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Which one.
    pub task: TaskId,
    /// How it had ended.
    pub state: Option<TaskState>,
    /// Its file, which nobody needs any more.
    pub file: Option<u64>,
}

/// What a Queen takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inheritance {
    /// The new epoch.
    pub epoch: Epoch,
    /// The smallest id that no task ever had.
    pub next_task: u64,
    /// How many tasks have not ended.
    pub live: u64,
    /// Those that have.
    pub ended: TaskCounts,
    /// Bytes on disk.
    pub used: u64,
}

impl Writer {
    /// Writes into the database at `path` and the bulk files.
    pub(super) fn new(path: PathBuf, connection: Connection, bulk: Arc<Bulk>, ballast: Ballast) -> Self {
        Self { path, connection, bulk, files: HashMap::new(), ballast, has_written: false }
    }

    /// Commits changes; when it returns, they are durable. It returns what was removed. Files
    /// of that are left to be removed, which takes long for large ones.
    ///
    /// # Errors
    /// If they are not; then none of them is, and the same or others can be tried again.
    pub fn commit(&mut self, changes: &[&Change]) -> Result<Vec<Removed>, StoreError> {
        let removed = self.try_commit(changes);
        if removed.is_err() {
            // Among them may be files of tasks that are refused now, which would keep their room.
            self.files.clear();
        }
        removed
    }

    fn try_commit(&mut self, changes: &[&Change]) -> Result<Vec<Removed>, StoreError> {
        self.write_results(changes)?;
        let removed = self.commit_records(changes).map_err(StoreError::database(&self.path))?;
        self.has_written = true;
        crash::point("commit-after");
        if !removed.is_empty() {
            crash::point("remove-committed");
        }
        for file in removed.iter().filter_map(|removed| removed.file) {
            self.files.remove(&file);
        }
        Ok(removed)
    }

    /// Makes room on a full disk, for what makes more room.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn release_ballast(&mut self) -> Result<(), StoreError> {
        self.ballast.release()
    }

    /// Whether anything can be committed, with the ballast whole.
    ///
    /// # Errors
    /// If not.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.ballast.fill()?;
        let touch = "UPDATE hive SET bulk_bytes = bulk_bytes";
        self.connection.execute(touch, []).map(drop).map_err(StoreError::database(&self.path))
    }

    /// Forgets expired keys and gives free pages back; returns the bytes of all that is left.
    ///
    /// # Errors
    /// If the database cannot be written or read.
    pub fn tidy(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let tidy = || {
            let expired = "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE expires_at < ? LIMIT ?)";
            self.connection.execute(expired, params![now.0, EXPIRED_KEYS])?;
            let free: i64 = self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
            if free > 0 {
                // A row for each page: the statement has to be run to its end.
                let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
                let mut pages = vacuum.query([])?;
                while pages.next()?.is_some() {}
            }
            used(&self.connection)
        };
        tidy().map_err(StoreError::database(&self.path))
    }

    /// Moves the log into the database, so that the next start finds nothing to recover. Whoever
    /// has written nothing leaves everything as it was.
    pub fn close(self) {
        if self.has_written
            && let Err(error) = schema::checkpoint(&self.connection)
        {
            // Nothing is lost: it is in the log.
            tracing::warn!(%error, "the log stays as it is, and the next start reads it");
        }
    }

    fn write_results(&mut self, changes: &[&Change]) -> Result<(), StoreError> {
        let mut dirty = BTreeSet::new();
        for change in changes {
            if let Change::Results { first, bytes, large: Some(large), .. } = change
                && let Place::File(number) = large.place
            {
                self.write(number, large, *first, bytes)?;
                dirty.insert(number);
            }
        }
        if dirty.is_empty() {
            return Ok(());
        }
        crash::point("result-written");
        for number in &dirty {
            if let Some(file) = self.files.get(number) {
                file.sync_data().map_err(StoreError::io(&self.bulk.path(*number)))?;
            }
        }
        crash::point("result-synced");
        if self.files.len() > OPEN_FILES {
            self.files.clear();
        }
        Ok(())
    }

    fn write(&mut self, number: u64, large: &Large, first: u64, bytes: &Bytes) -> Result<(), StoreError> {
        if !self.files.contains_key(&number) {
            self.files.insert(number, self.bulk.open(number)?);
        }
        let Some(file) = self.files.get(&number) else { return Ok(()) };
        let offset = result_offset(large, first, DIGEST);
        file.write_all_at(bytes, offset).map_err(StoreError::io(&self.bulk.path(number)))
    }

    fn commit_records(&mut self, changes: &[&Change]) -> rusqlite::Result<Vec<Removed>> {
        let mut step =
            Step { transaction: self.connection.transaction()?, counts: [0; 4], bulk: 0, removed: Vec::new() };
        for change in changes {
            match change {
                Change::Epoch(epoch) => step.begin(*epoch)?,
                Change::Submit(submission) => step.submit(submission)?,
                Change::Results { task, first, bytes, large } => step.results(*task, *first, bytes, large.is_some())?,
                Change::End(task, ending) => step.end(*task, ending)?,
                Change::Remove(task) => step.remove(*task)?,
            }
        }
        step.count()?;
        crash::point("commit-before");
        step.transaction.commit()?;
        Ok(step.removed)
    }
}

/// What the records and the bulk files take, in bytes, apart from the log, whose size is bounded.
/// Free pages are about to be given back.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let bulk: u64 = connection.query_row("SELECT bulk_bytes FROM hive", [], |row| row.get(0))?;
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")? + bulk)
}

/// What there is, for an epoch that is yet to begin ([`Change::Epoch`]).
pub(super) fn inherit(connection: &Connection) -> rusqlite::Result<Inheritance> {
    let select = "SELECT epoch + 1, next_task FROM hive";
    let (epoch, next_task) = connection.query_row(select, [], |row| Ok((Epoch(row.get(0)?), row.get(1)?)))?;
    let count = |state| {
        let select = "SELECT tasks FROM counts WHERE state = ?";
        connection.query_row(select, [state_number(state)], |row| row.get::<_, u64>(0))
    };
    let ended = TaskCounts {
        done: count(TaskState::Done)?,
        failed: count(TaskState::Failed)?,
        cancelled: count(TaskState::Cancelled)?,
        ..TaskCounts::default()
    };
    Ok(Inheritance { epoch, next_task, live: count(TaskState::Pending)?, ended, used: used(connection)? })
}

/// A transaction in the making.
struct Step<'a> {
    transaction: Transaction<'a>,
    /// By how much the number of tasks changes, by [`state_number`].
    counts: [i64; 4],
    bulk: i64,
    removed: Vec<Removed>,
}

impl Step<'_> {
    fn begin(&mut self, epoch: Epoch) -> rusqlite::Result<()> {
        self.transaction.execute("UPDATE hive SET epoch = ?", [epoch.0]).map(drop)
    }

    fn submit(&mut self, submission: &Submission) -> rusqlite::Result<()> {
        let Submission { id, terms, inputs, created_at, identity } = submission;
        let (small, large) = match inputs {
            Inputs::Small(layout) => (Some(&**layout), None),
            Inputs::Large(large) => (None, Some(large)),
        };
        let file = large.and_then(|large| match large.place {
            Place::File(number) => Some(number),
            Place::Memory(_) => None,
        });
        let bytes = large.map_or(0, |large| file_bytes(large));
        let specification = serde_json::to_string(&terms.specification)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let insert = "INSERT INTO tasks (id, state, priority, total, done, created_at, file, bytes, instance, name, \
                      specification, inputs) VALUES (?, 0, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)";
        self.transaction.prepare_cached(insert)?.execute(params![
            id.0,
            terms.priority,
            inputs.total(),
            created_at.0,
            file,
            bytes,
            terms.instance(*id).0,
            terms.name,
            specification,
            small,
        ])?;
        if let Some(large) = large {
            let insert = "INSERT INTO segments (task, extents) VALUES (?, ?)";
            self.transaction.prepare_cached(insert)?.execute(params![id.0, Extents(&large.segments)])?;
        }
        if let Some(identity) = identity {
            let expires_at = created_at.0 + KEY_LIFE.as_millis() as i64;
            let insert = "INSERT OR REPLACE INTO keys (key, fingerprint, task, expires_at) VALUES (?, ?, ?, ?)";
            let values = params![identity.key, identity.fingerprint, id.0, expires_at];
            self.transaction.prepare_cached(insert)?.execute(values)?;
        }
        let advance = "UPDATE hive SET next_task = max(next_task, ?)";
        self.transaction.prepare_cached(advance)?.execute([id.0 + 1])?;
        self.counts[0] += 1;
        self.bulk += bytes as i64;
        Ok(())
    }

    fn results(&mut self, task: TaskId, first: u64, bytes: &Bytes, in_file: bool) -> rusqlite::Result<()> {
        let past = first + (bytes.len() / DIGEST) as u64;
        let crc = crc32fast::hash(bytes);
        let insert = "INSERT INTO results (task, first, past, crc, bytes) VALUES (?, ?, ?, ?, ?)";
        let bytes = (!in_file).then_some(&bytes[..]);
        self.transaction.prepare_cached(insert)?.execute(params![task.0, first, past, crc, bytes])?;
        Ok(())
    }

    fn end(&mut self, task: TaskId, ending: &Ending) -> rusqlite::Result<()> {
        let Ending { state, started_at, finished_at, done, error } = ending;
        let update = "UPDATE tasks SET state = ?, started_at = ?, finished_at = ?, done = ?, error = ? WHERE id = ?";
        let started_at = started_at.map(|time| time.0);
        let values = params![state_number(*state), started_at, finished_at.0, done, error, task.0];
        self.transaction.prepare_cached(update)?.execute(values)?;
        self.counts[0] -= 1;
        self.counts[state_number(*state) as usize] += 1;
        Ok(())
    }

    fn remove(&mut self, task: TaskId) -> rusqlite::Result<()> {
        let delete = "DELETE FROM tasks WHERE id = ? RETURNING state, file, bytes";
        let removed = self.transaction.prepare_cached(delete)?.query_row([task.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<u64>>(1)?, row.get::<_, i64>(2)?))
        });
        let Some((state, file, bytes)) = removed.optional()? else { return Ok(()) };
        for table in ["segments", "results"] {
            self.transaction.prepare_cached(&format!("DELETE FROM {table} WHERE task = ?"))?.execute([task.0])?;
        }
        if let Some(count) = self.counts.get_mut(state as usize) {
            *count -= 1;
        }
        self.bulk -= bytes;
        self.removed.push(Removed { task, state: state_of(state), file });
        Ok(())
    }

    fn count(&self) -> rusqlite::Result<()> {
        for (state, change) in self.counts.iter().enumerate().filter(|(_, change)| **change != 0) {
            let update = "UPDATE counts SET tasks = tasks + ? WHERE state = ?";
            self.transaction.prepare_cached(update)?.execute(params![change, state])?;
        }
        if self.bulk != 0 {
            let update = "UPDATE hive SET bulk_bytes = bulk_bytes + ?";
            self.transaction.prepare_cached(update)?.execute([self.bulk])?;
        }
        Ok(())
    }
}
