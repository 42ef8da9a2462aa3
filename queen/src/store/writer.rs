//! The one writer: takes many changes, makes their records durable together.
//!
//! The order is what everything hangs on: result bytes are [written](super::bulk::Bulk::write_results)
//! and synced first, then the records that refer to them are committed, and files are removed only
//! when no record names them any more. If a commit fails, nothing was done, and it can be tried again.

mod brief;
mod leases;
mod search;
mod step;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_WRITE};
use rusqlite::{Connection, params};
use web::access::LogKind;
use web::model::{TaskCounts, TaskState, Timestamp};
use wire::ids::Epoch;

use self::step::Step;
use super::ballast::Ballast;
use super::change::{Change, Removed};
use super::directory::OpenFiles;
use super::error::StoreError;
use super::rows::{log_kind_number, state_number, state_of};
use super::schema;
use crate::clock::{HiveTime, Moment};
use crate::crash;
use crate::work::ending::Tally;

/// Free pages of the database that are given back to the file system at a time.
const VACUUM_PAGES: i64 = 256;

/// The clock is written down with each commit, and else after so long, in milliseconds.
const CLOCK_WRITE_INTERVAL: i64 = 60_000;

/// Lines of the log of each kind that are kept: so guessing tokens pushes out nothing but guesses.
const LOGGED: [(LogKind, u64); LogKind::ALL.len()] = [
    (LogKind::Control, 100_000),
    (LogKind::Administration, 10_000),
    (LogKind::Session, 10_000),
    (LogKind::Refusal, 10_000),
    (LogKind::Guess, 10_000),
    (LogKind::Drone, 10_000),
    (LogKind::Task, 10_000),
    (LogKind::Queen, 1_000),
];

/// Lines that are forgotten at a time.
const LOG_CUT: u64 = 10_000;

/// Keys that are forgotten at a time.
const EXPIRED_KEYS: i64 = 10_000;

/// Writes the records; there is one in a process.
pub struct Writer {
    path: PathBuf,
    connection: Connection,
    ballast: Ballast,
    /// How long a file may become at most, in bytes.
    largest_file: u64,
    files: OpenFiles,
    /// Something was committed.
    has_written: bool,
    /// When the clock was last written down.
    clock_written_at: Option<HiveTime>,
    /// The audit trail may have grown beyond its bounds.
    has_logged: bool,
}

/// What a Queen takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inheritance {
    /// The new epoch.
    pub epoch: Epoch,
    /// The smallest id that no task ever had.
    pub next_task: u64,
    /// The smallest id that no known Drone ever had.
    pub next_drone: u64,
    /// How many tasks have not ended.
    pub live: u64,
    /// How many have ended, and have results that are to be computed again.
    pub suspect: u64,
    /// How many tasks have ended, by how they did.
    pub ended: TaskCounts,
    /// Bytes on disk.
    pub used: u64,
    /// When something was last written.
    pub written: Moment,
    /// Idempotency keys.
    pub keys: u64,
}

/// What is left when everything was tidied up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tidied {
    /// Bytes on disk.
    pub used: u64,
    /// Idempotency keys that were forgotten.
    pub expired: u64,
}

impl Writer {
    /// Writes into the database at `path`.
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        ballast: Ballast,
        largest_file: u64,
        files: OpenFiles,
    ) -> Self {
        Self {
            path,
            connection,
            ballast,
            largest_file,
            files,
            has_written: false,
            clock_written_at: None,
            has_logged: true,
        }
    }

    /// Looks whether what is committed would be found again by the next Queen.
    ///
    /// # Errors
    /// If one of the files is not at its path any more.
    pub fn check_files(&self) -> Result<(), StoreError> {
        self.files.check()
    }

    /// Commits changes at this moment, of which results that belong into files are there already; when it returns,
    /// they are durable. It returns what was removed. Files of that are left to be removed, which
    /// takes long for large ones.
    ///
    /// # Errors
    /// If they are not; then none of them is, and the same or others can be tried again.
    pub fn commit(&mut self, changes: &[&Change], now: Moment) -> Result<Vec<Removed>, StoreError> {
        let removed = self.commit_records(changes, now).map_err(|error| self.refused(error))?;
        self.has_written = true;
        self.clock_written_at = Some(now.on);
        self.has_logged |= changes.iter().any(|change| matches!(change, Change::Log(_)));
        crash::point("commit-after");
        if !removed.is_empty() {
            crash::point("remove-committed");
        }
        Ok(removed)
    }

    /// Makes the room of the log on a full disk free again, as far as nobody reads it.
    pub fn empty_log(&mut self) {
        if let Err(error) = schema::try_checkpoint(&mut self.connection) {
            tracing::debug!(%error, "the log stays as it is");
        }
    }

    /// Makes room on a full disk, for what makes more room.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn release_ballast(&mut self) -> Result<(), StoreError> {
        self.ballast.release()
    }

    /// Whether the ballast is whole.
    pub fn has_ballast(&self) -> bool {
        self.ballast.is_whole()
    }

    /// Whether anything can be committed, with the ballast whole.
    ///
    /// # Errors
    /// If not.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.ballast.fill()?;
        if !self.has_room().map_err(StoreError::database(&self.path))? {
            return Err(StoreError::io(&self.path)(io::ErrorKind::FileTooLarge.into()));
        }
        let touch = "UPDATE hive SET bulk_bytes = bulk_bytes";
        self.connection.execute(touch, []).map(drop).map_err(|error| self.refused(error))
    }

    /// Forgets expired keys, gives free pages back, and writes the clock down if that was not done
    /// lately.
    ///
    /// # Errors
    /// If the database cannot be written or read.
    pub fn tidy(&mut self, now: Moment) -> Result<Tidied, StoreError> {
        let written_at = *self.clock_written_at.get_or_insert(now.on);
        let is_late = now.on.0 - written_at.0 >= CLOCK_WRITE_INTERVAL;
        let has_logged = std::mem::take(&mut self.has_logged);
        let tidy = || {
            if is_late {
                write_clock(&self.connection, now)?;
            }
            let expired = "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE expires_at < ? LIMIT ?)";
            let expired = self.connection.execute(expired, params![now.on.0, EXPIRED_KEYS])? as u64;
            if has_logged {
                cut_log(&self.connection)?;
            }
            let free: i64 = self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
            if free > 0 {
                // A row for each page: the statement has to be run to its end.
                let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
                let mut pages = vacuum.query([])?;
                while pages.next()?.is_some() {}
            }
            Ok(Tidied { used: used(&self.connection)?, expired })
        };
        let tidied = tidy().map_err(StoreError::database(&self.path))?;
        if is_late {
            self.has_written = true;
            self.clock_written_at = Some(now.on);
        }
        Ok(tidied)
    }

    /// Writes the clocks down, and moves the log into the database, so that the next start finds nothing
    /// to recover. Whoever has written nothing leaves everything as it was.
    pub fn close(self, now: Moment) {
        if !self.has_written {
            return;
        }
        let written = write_clock(&self.connection, now);
        if let Err(error) = written.and_then(|()| schema::checkpoint(&self.connection)) {
            // Nothing is lost: it is in the log.
            tracing::warn!(%error, "the log stays as it is, and the next start reads it");
        }
    }

    /// Whether the database may grow by as much as the ballast has: with less, the next task would be refused.
    fn has_room(&self) -> rusqlite::Result<bool> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let taken = pragma("page_count")? - pragma("freelist_count")?;
        Ok(pragma("max_page_count")?.saturating_sub(taken) * pragma("page_size")? >= self.ballast.size())
    }

    /// SQLite does not say when it is the limit on file sizes that has been reached: of a log it
    /// says that writing failed, of the database that the disk is full.
    fn refused(&self, error: rusqlite::Error) -> StoreError {
        let log = schema::log(&self.path);
        let code = error.sqlite_error().map(|error| error.extended_code);
        let is_long = |path| std::fs::metadata(path).is_ok_and(|file| file.len() >= self.largest_file);
        let limited = match code {
            Some(SQLITE_IOERR_WRITE) if is_long(&log) => log,
            Some(SQLITE_FULL) if !self.has_room().unwrap_or(true) => self.path.clone(),
            _ => return StoreError::database(&self.path)(error),
        };
        StoreError::io(&limited)(io::ErrorKind::FileTooLarge.into())
    }

    fn commit_records(&mut self, changes: &[&Change], now: Moment) -> rusqlite::Result<Vec<Removed>> {
        let transaction = self.connection.transaction()?;
        let mut step = Step::new(&transaction, changes);
        for change in changes {
            step.apply(change)?;
        }
        let removed = step.finish(now)?;
        crash::point("commit-before");
        transaction.commit()?;
        Ok(removed)
    }
}

/// Writes down what the clocks show.
fn write_clock(connection: &Connection, now: Moment) -> rusqlite::Result<()> {
    connection.execute("UPDATE hive SET clock = ?, wall = ?", params![now.on.0, now.at.0]).map(drop)
}

/// Forgets the oldest lines of the log, of each kind beyond its bound.
fn cut_log(connection: &Connection) -> rusqlite::Result<()> {
    let delete = "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE kind = ? ORDER BY id DESC LIMIT ? OFFSET ?)";
    let mut delete = connection.prepare_cached(delete)?;
    for (kind, kept) in LOGGED {
        delete.execute(params![log_kind_number(kind), LOG_CUT, kept])?;
    }
    Ok(())
}

/// What the records and the bulk files take, in bytes, apart from the log, whose size is bounded.
/// Free pages are about to be given back.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let bulk: u64 = connection.query_row("SELECT bulk_bytes FROM hive", [], |row| row.get(0))?;
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")? + bulk)
}

/// Counts the tasks of batches that have ended instead of these.
fn count_batches(connection: &Connection, ended: &mut TaskCounts) -> rusqlite::Result<()> {
    let select = "SELECT state, total, done, (SELECT count(*) FROM detached WHERE batch = id), \
                  (SELECT count(error) FROM detached WHERE batch = id) FROM tasks WHERE batch = 1 AND state <> 0";
    let mut select = connection.prepare(select)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let Some(state) = state_of(row.get(0)?) else { continue };
        let (total, done, detached): (u64, u64, u64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        ended.add(state, -1);
        let tally = Tally { state, open: total - done, done: done - detached, failed: row.get(4)? };
        tally.counts().into_iter().for_each(|(state, count)| ended.add(state, count));
    }
    Ok(())
}

/// What there is, for an epoch that is yet to begin ([`Change::Epoch`]).
pub(super) fn inherit(connection: &Connection) -> rusqlite::Result<Inheritance> {
    let select = "SELECT epoch + 1, next_task, next_drone, wall, clock FROM hive";
    let (epoch, next_task, next_drone, written) = connection.query_row(select, [], |row| {
        let written = Moment { at: Timestamp(row.get(3)?), on: HiveTime(row.get(4)?) };
        Ok((Epoch(row.get(0)?), row.get(1)?, row.get(2)?, written))
    })?;
    let count = |state| {
        let select = "SELECT tasks FROM counts WHERE state = ?";
        connection.query_row(select, [state_number(state)], |row| row.get::<_, u64>(0))
    };
    let mut ended = TaskCounts {
        done: count(TaskState::Done)?,
        failed: count(TaskState::Failed)?,
        cancelled: count(TaskState::Cancelled)?,
        ..TaskCounts::default()
    };
    count_batches(connection, &mut ended)?;
    let live = count(TaskState::Pending)?;
    let suspect = connection.query_row("SELECT count(*) FROM tasks WHERE suspect = 1", [], |row| row.get(0))?;
    let keys = connection.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
    Ok(Inheritance { epoch, next_task, next_drone, live, suspect, ended, used: used(connection)?, keys, written })
}
