//! `queen check`: looks through a data directory that no Queen has open, and tells all that is
//! wrong in it.
//!
//! Nothing in it changes but the lock. What is held in memory does not grow with what is
//! looked at, but for the numbers of the bulk files: tasks and done ranges are read row by
//! row, inputs segment by segment, results in pieces.

mod report;
mod sample;
mod search;
mod task;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use drone::console::count;
use rusqlite::{Connection, params};

use self::report::Report;
use self::sample::Sampler;
use super::access;
use super::bulk::Bulk;
use super::directory::{self, Directory};
use super::disk::System;
use super::error::StoreError;
use super::migrations::{self, HAS_ACCESS, HAS_BATCHES, HAS_DRONES, HAS_KEYS, HAS_SEARCHES, HAS_SECRETS, VERSION};
use super::rows::{COLUMN_COUNT, Rows, columns_of};
use super::schema;
use crate::work::job::TASKS_END;
use crate::work::terms::hash_of;

/// What tasks are called by the number of their state.
const STATES: [&str; 4] = ["unfinished", "done", "failed", "cancelled"];

/// Messages of SQLite's own check that are told.
const INTEGRITY: i64 = 100;

/// Looks through the data directory at `path`; writes what it finds, and at last one line that
/// says `OK` or `DAMAGED`. Returns whether all is well.
///
/// # Errors
/// If it cannot be looked at: it is in use, is something else, is newer, or cannot be read; or
/// if `out` cannot be written.
pub fn run(path: &Path, out: &mut dyn io::Write) -> anyhow::Result<bool> {
    let mut report = Report::new(out);
    let (mut tasks, mut results, mut rehashed) = (0, 0, 0);
    match open(path) {
        Ok((directory, connection, version)) => {
            let bulk = Bulk::new(directory.bulk(), Arc::new(System), 0);
            let mut check = Check::new(&connection, version, &bulk, &directory.database(), &mut report)?;
            check.all();
            check.history(&directory);
            (tasks, results, rehashed) = (check.tasks, check.results, check.sampler.rehashed);
        }
        Err(StoreError::Damaged { path, what }) => report.finding(format_args!("{}: {what}", path.display())),
        Err(error) => return Err(error.into()),
    }
    Ok(report.end(format_args!("{tasks} tasks, {results} results, {rehashed} re-hashed"))?)
}

/// The lock comes first, so that nobody writes from here on.
fn open(path: &Path) -> Result<(Directory, Connection, i64), StoreError> {
    let directory = Directory::open_existing(path)?;
    let database = directory.database();
    let connection = schema::open_unchanged(&database)?;
    let version = migrations::version(&connection).map_err(StoreError::database(&database))?;
    migrations::check_version(&database, version)?;
    Ok((directory, connection, version))
}

/// A check under way.
struct Check<'a, 'out> {
    connection: &'a Connection,
    /// Of the database's tables.
    version: i64,
    bulk: &'a Bulk,
    /// What the database is called in findings.
    database: String,
    report: &'a mut Report<'out>,
    sampler: Sampler,
    rows: Rows,
    /// Bulk files that are there and that no task looked at so far has named.
    unnamed: BTreeSet<u64>,
    /// The smallest id that no Drone had.
    next_drone: i64,
    tasks: u64,
    /// All there are, and the bytes of their files; for who watches.
    all_tasks: u64,
    all_bytes: u64,
    /// Bytes of files that were looked at.
    bytes: u64,
    results: u64,
}

impl<'a, 'out> Check<'a, 'out> {
    fn new(
        connection: &'a Connection,
        version: i64,
        bulk: &'a Bulk,
        database: &Path,
        report: &'a mut Report<'out>,
    ) -> Result<Self, StoreError> {
        let unnamed = match bulk.numbers() {
            // Where there is no folder there are no files; who needs one will miss it.
            Err(StoreError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            numbers => numbers?,
        };
        let (database, rows) = (database.display().to_string(), Rows::default());
        Ok(Self {
            connection,
            version,
            bulk,
            database,
            report,
            sampler: Sampler::default(),
            rows,
            unnamed,
            next_drone: 1,
            tasks: 0,
            all_tasks: 0,
            all_bytes: 0,
            bytes: 0,
            results: 0,
        })
    }

    fn all(&mut self) {
        let version = self.version;
        self.attempt("its pages", Self::integrity);
        if version == 0 {
            self.report.note(format_args!("{} is empty: no Queen has come so far as to use it", self.database));
            return;
        }
        if version < VERSION {
            let known = VERSION;
            self.report.note(format_args!(
                "{} has the older schema {version}: it becomes {known} at the next start",
                self.database
            ));
        }
        self.attempt("its epoch", Self::epoch);
        self.attempt("its counts", Self::counts);
        self.attempt("what belongs to no task", Self::strays);
        if version >= HAS_KEYS {
            self.attempt("its keys", Self::keys);
        }
        if version >= HAS_DRONES {
            self.attempt("its Drones", Self::drones);
            self.attempt("its leases", Self::leases);
        }
        if version >= HAS_BATCHES {
            self.attempt("its batches", Self::batches);
        }
        if version >= HAS_SECRETS {
            self.attempt("its keys and salts", Self::secrets);
        }
        if version >= HAS_ACCESS {
            self.attempt("its tokens and secrets", Self::access);
        }
        self.attempt("its tasks", Self::each_task);
        for number in std::mem::take(&mut self.unnamed) {
            let path = self.bulk.path(number);
            self.report.note(format_args!("{} belongs to no task: it goes at the next start", path.display()));
        }
    }

    /// What was measured over time is no reason not to start: a file that cannot be read is left out.
    fn history(&mut self, directory: &Directory) {
        for fault in directory::history(directory.path(), Arc::new(System)).read().faults {
            self.report.note(format_args!("{fault}: what was measured over time is left out, and written anew"));
        }
    }

    /// What SQLite cannot read is a finding, and no reason to stop.
    fn attempt(&mut self, what: &str, step: impl FnOnce(&mut Self) -> rusqlite::Result<()>) {
        if let Err(error) = step(self) {
            self.report.finding(format_args!("{}: {what} cannot be read: {error}", self.database));
        }
    }

    /// Says how far it is.
    fn progress(&mut self) {
        let Self { tasks, all_tasks, bytes, all_bytes, .. } = *self;
        self.report.progress(|| {
            let (tasks, all_tasks) = (count(tasks), count(all_tasks));
            let percent = (bytes.min(all_bytes) * 100).checked_div(all_bytes).unwrap_or(100);
            format!("{tasks} of {all_tasks} tasks, {percent} % of {} bytes in files", count(all_bytes))
        });
    }

    fn integrity(&mut self) -> rusqlite::Result<()> {
        let _going_on = self.report.waiting(format!("looking through {}", self.database));
        let mut select = self.connection.prepare(&format!("PRAGMA integrity_check({INTEGRITY})"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let said = row.get_ref(0)?.as_str()?;
            if said != "ok" {
                self.report.finding(format_args!("{}: {said}", self.database));
            }
        }
        Ok(())
    }

    /// Which results are re-hashed differs from epoch to epoch.
    fn epoch(&mut self) -> rusqlite::Result<()> {
        let epoch: i64 = self.connection.query_row("SELECT epoch FROM hive", [], |row| row.get(0))?;
        self.sampler = Sampler::new(epoch as u64);
        if epoch < 0 {
            self.report.finding(format_args!("{}: its epoch is {epoch}", self.database));
        }
        Ok(())
    }

    fn counts(&mut self) -> rusqlite::Result<()> {
        let select = "SELECT next_task, bulk_bytes FROM hive";
        let (next_task, said): (i64, i64) =
            self.connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let select = "SELECT coalesce(min(id), 1), coalesce(max(id), 0), coalesce(sum(bytes), 0) FROM tasks";
        let (first, last, bytes): (i64, i64, i64) =
            self.connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if first < 1 || last >= next_task {
            self.report.finding(format_args!(
                "{}: it has tasks {first} to {last}, though the next is to be {next_task}",
                self.database
            ));
        }
        if bytes != said {
            self.report.finding(format_args!(
                "{}: it says that bulk files take {said} bytes, and those of its tasks take {bytes}",
                self.database
            ));
        }
        for (state, name) in STATES.iter().enumerate() {
            let count = |select| self.connection.query_row(select, [state], |row| row.get::<_, i64>(0));
            let said = count("SELECT tasks FROM counts WHERE state = ?")?;
            let there = count("SELECT count(*) FROM tasks WHERE state = ?")?;
            if said != there {
                self.report
                    .finding(format_args!("{}: it says that {said} tasks are {name}, and {there} are", self.database));
            }
        }
        Ok(())
    }

    fn strays(&mut self) -> rusqlite::Result<()> {
        let searches: &[&str] = if self.version >= HAS_SEARCHES { &["searched", "findings"] } else { &[] };
        for table in ["segments", "results"].iter().chain(searches) {
            let select =
                format!("SELECT task, count(*) FROM {table} WHERE task NOT IN (SELECT id FROM tasks) GROUP BY task");
            let mut select = self.connection.prepare(&select)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (task, count): (i64, i64) = (row.get(0)?, row.get(1)?);
                let database = &self.database;
                self.report.finding(format_args!("{database}: task {task} is not there, but {count} of its {table}"));
            }
        }
        Ok(())
    }

    /// A key may outlive its task, but not come before it.
    fn keys(&mut self) -> rusqlite::Result<()> {
        let select = "SELECT hex(substr(key, 1, 4)), task FROM keys WHERE task < 1 OR task >= (SELECT next_task FROM hive) \
                      OR length(key) <> 32 OR length(fingerprint) <> 32";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (key, task): (String, i64) = (row.get(0)?, row.get(1)?);
            let database = &self.database;
            self.report.finding(format_args!("{database}: the key {key}… for task {task} cannot be one"));
        }
        Ok(())
    }

    fn drones(&mut self) -> rusqlite::Result<()> {
        self.next_drone = self.connection.query_row("SELECT next_drone FROM hive", [], |row| row.get(0))?;
        let select = "SELECT id FROM drones WHERE id < 1 OR id >= ? OR length(instance) <> 16";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([self.next_drone])?;
        while let Some(row) = rows.next()? {
            let (drone, next, database): (i64, _, _) = (row.get(0)?, self.next_drone, &self.database);
            self.report.finding(format_args!("{database}: the Drone {drone} cannot be one; the next is to be {next}"));
        }
        Ok(())
    }

    /// A lease may outlive its task. Queens before remembered leases of audits as well.
    fn leases(&mut self) -> rusqlite::Result<()> {
        let select = "SELECT lease, task FROM leases LEFT JOIN tasks ON id = task WHERE first < 0 OR past <= first \
                      OR past > total OR drone < 1 OR drone >= ?1 OR task >= (SELECT next_task FROM hive) AND task < ?2";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query(params![self.next_drone, TASKS_END])?;
        while let Some(row) = rows.next()? {
            let (lease, task, database): (i64, i64, _) = (row.get(0)?, row.get(1)?, &self.database);
            self.report.finding(format_args!("{database}: the lease {lease} of task {task} cannot be one"));
        }
        Ok(())
    }

    /// Ids of a batch's tasks are nobody else's, but for those that have left it.
    fn batches(&mut self) -> rusqlite::Result<()> {
        let select = "SELECT id FROM tasks WHERE batch = 1 AND (id + total >= (SELECT next_task FROM hive) OR EXISTS \
                      (SELECT 1 FROM tasks other WHERE other.id > tasks.id AND other.id <= tasks.id + tasks.total \
                      AND (batch = 1 OR NOT EXISTS \
                      (SELECT 1 FROM detached WHERE detached.batch = tasks.id AND item = other.id - tasks.id - 1))))";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (batch, database): (i64, _) = (row.get(0)?, &self.database);
            self.report.finding(format_args!("{database}: the tasks of batch {batch} have ids that cannot be theirs"));
        }
        let select = "SELECT detached.batch, item FROM detached LEFT JOIN tasks ON id = detached.batch \
                      WHERE tasks.batch IS NOT 1 OR item < 0 OR item >= total";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (batch, item, database): (i64, i64, _) = (row.get(0)?, row.get(1)?, &self.database);
            self.report.finding(format_args!("{database}: {item} cannot have left batch {batch}"));
        }
        Ok(())
    }

    /// What proves who somebody is can be used for that.
    fn access(&mut self) -> rusqlite::Result<()> {
        for finding in access::check(self.connection)? {
            self.report.finding(format_args!("{}: {finding}", self.database));
        }
        Ok(())
    }

    /// Long keys and salts are called by their hash, and each is some task's.
    fn secrets(&mut self) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare("SELECT hash, bytes FROM secrets")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if row.get_ref(0)?.as_blob()? != hash_of(row.get_ref(1)?.as_blob()?) {
                self.report.finding(format_args!("{}: a key or salt is not what it was", self.database));
            }
        }
        let select =
            "SELECT id FROM tasks WHERE secret_hash IS NOT NULL AND secret_hash NOT IN (SELECT hash FROM secrets)";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            self.report.finding(format_args!("task {id}: its key or salt is missing in {}", self.database));
        }
        Ok(())
    }

    fn each_task(&mut self) -> rusqlite::Result<()> {
        let select = "SELECT count(*), coalesce(sum(max(bytes, 0)), 0) FROM tasks";
        (self.all_tasks, self.all_bytes) =
            self.connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let columns = columns_of(self.version);
        let mut select =
            self.connection.prepare(&format!("SELECT {columns}, file, bytes, inputs FROM tasks ORDER BY id"))?;
        debug_assert_eq!(select.column_count(), COLUMN_COUNT + 3);
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            self.progress();
            if let Err(error) = self.task(row) {
                self.report.finding(format_args!("task {id}: what {} says of it is wrong: {error}", self.database));
            }
            self.tasks += 1;
        }
        Ok(())
    }
}
