//! The database: its tables, how it is opened, how an older one becomes a new one.
//!
//! Rows are the state itself and not a log of what happened, so that opening it takes no
//! replay beyond SQLite's own.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::disk::NO_FOLLOW;
use super::error::StoreError;
use super::rows;
use crate::work::terms::{hash_of, is_long};

/// In the file's header: "HIVE" in ASCII.
pub const APPLICATION_ID: i32 = 0x4849_5645;

/// What each version of the schema adds to the one before. Never changed, only added to.
const MIGRATIONS: [&str; 9] = [
    "
    -- One row: what must not be derived from tasks, since tasks go.
    CREATE TABLE hive (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch INTEGER NOT NULL,
        next_task INTEGER NOT NULL,
        bulk_bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO hive VALUES (1, 0, 1, 0);

    -- How many tasks there are in each state.
    CREATE TABLE counts (
        state INTEGER PRIMARY KEY,
        tasks INTEGER NOT NULL
    ) STRICT;
    INSERT INTO counts VALUES (0, 0), (1, 0), (2, 0), (3, 0);

    -- state: 0 has not ended, 1 done, 2 failed, 3 cancelled. Times are milliseconds since 1970.
    -- Inputs lie here if they are small, else in the bulk file of that number, which takes so
    -- many bytes when all results are there, and whose segments are listed in `segments`.
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY,
        state INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        total INTEGER NOT NULL,
        done INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        started_at INTEGER,
        finished_at INTEGER,
        file INTEGER,
        bytes INTEGER NOT NULL,
        instance BLOB NOT NULL,
        name TEXT,
        error TEXT,
        specification TEXT NOT NULL,
        inputs BLOB
    ) STRICT;
    CREATE INDEX tasks_by_state ON tasks (state, id);
    CREATE INDEX tasks_by_end ON tasks (finished_at) WHERE finished_at IS NOT NULL;

    CREATE TABLE segments (
        task INTEGER PRIMARY KEY,
        extents BLOB NOT NULL
    ) STRICT;

    -- Ranges of indices that are done. Results lie here if the inputs do, else in the file.
    CREATE TABLE results (
        task INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        bytes BLOB,
        PRIMARY KEY (task, first)
    ) STRICT, WITHOUT ROWID;
    ",
    "
    -- Idempotency keys: SHA-256 of the key, SHA-256 of what was asked for, and what came of it.
    CREATE TABLE keys (
        key BLOB PRIMARY KEY,
        fingerprint BLOB NOT NULL,
        task INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX keys_by_expiry ON keys (expires_at);
    ",
    "
    -- The deadline is in seconds behind created_at. Where suspect is 1, a task that has ended has
    -- results that are to be computed again; corrected is how many of such were wrong.
    ALTER TABLE tasks ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN deadline INTEGER;
    ALTER TABLE tasks ADD COLUMN suspect INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN corrected INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX tasks_suspect ON tasks (id) WHERE suspect = 1;

    -- drone computed them; null is unknown. checked: 0 at most a sample of them, 1 all of them were
    -- computed a second time and agreed, 2 suspect: their Drone gave a wrong one elsewhere. The
    -- checksum of suspect ones means nothing, since those that replace them may be in the file.
    ALTER TABLE results ADD COLUMN drone INTEGER;
    ALTER TABLE results ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX results_suspect ON results (task, first, past) WHERE checked = 2;

    -- Drone processes. quarantine: why this one is given no work.
    ALTER TABLE hive ADD COLUMN next_drone INTEGER NOT NULL DEFAULT 1;
    CREATE TABLE drones (
        id INTEGER PRIMARY KEY,
        instance BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        quarantine TEXT
    ) STRICT;

    -- The epoch's open leases; those of tasks that have ended mean nothing.
    CREATE TABLE leases (
        lease INTEGER PRIMARY KEY,
        task INTEGER NOT NULL,
        drone INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL
    ) STRICT;
    ",
    "
    -- Where batch is 1, each input is a task of its own: that of index n has the id behind the
    -- batch's by 1 + n, which no other task has, and a row only when it has left the batch.
    ALTER TABLE tasks ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX tasks_batch ON tasks (id) WHERE batch = 1;

    -- Those that have left their batch, where they count as done: error is why they failed there;
    -- null if they have rows of their own, or had, or are forgotten.
    CREATE TABLE detached (
        batch INTEGER NOT NULL,
        item INTEGER NOT NULL,
        error TEXT,
        PRIMARY KEY (batch, item)
    ) STRICT, WITHOUT ROWID;
    ",
    "
    -- What people are shown of a Drone that is gone, in JSON; null if it was never here since.
    ALTER TABLE drones ADD COLUMN visit TEXT;
    ",
    "
    -- The Hive's own clock, in milliseconds, as it stood at the last commit, and what the wall clock
    -- showed then. Columns with names in _on are by that clock, and expires_at of keys is.
    ALTER TABLE hive ADD COLUMN clock INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE hive ADD COLUMN wall INTEGER NOT NULL DEFAULT 0;
    UPDATE hive SET wall = CAST(unixepoch('subsec') * 1000 AS INTEGER);
    UPDATE hive SET clock = wall;
    ALTER TABLE tasks ADD COLUMN created_on INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN finished_on INTEGER;
    UPDATE tasks SET created_on = created_at, finished_on = finished_at;
    DROP INDEX tasks_by_end;
    CREATE INDEX tasks_by_finish ON tasks (finished_on) WHERE finished_on IS NOT NULL;
    ",
    "
    -- Keys and salts were hexadecimal in specifications. Short ones stand in their rows, long ones
    -- once for all tasks that have them, by their SHA-256; null is none.
    ALTER TABLE tasks ADD COLUMN secret BLOB;
    ALTER TABLE tasks ADD COLUMN secret_hash BLOB;
    CREATE INDEX tasks_by_secret ON tasks (secret_hash) WHERE secret_hash IS NOT NULL;
    CREATE TABLE secrets (
        hash BLOB PRIMARY KEY,
        bytes BLOB NOT NULL
    ) STRICT;
    ",
    "
    -- The token that a task was submitted with, what that is called, and from which address.
    ALTER TABLE tasks ADD COLUMN owner INTEGER;
    ALTER TABLE tasks ADD COLUMN owner_name TEXT;
    ALTER TABLE tasks ADD COLUMN address TEXT;
    CREATE INDEX tasks_by_owner ON tasks (owner, state, id) WHERE owner IS NOT NULL;

    -- The audit trail. kind: 0 control, 1 administration, 2 refusals, 3 sessions, 4 guesses. A row may stand for
    -- many that were alike.
    CREATE TABLE log (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        who TEXT,
        address TEXT,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        outcome TEXT NOT NULL,
        count INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX log_by_kind ON log (kind, id);
    CREATE INDEX log_by_who ON log (who, id) WHERE who IS NOT NULL;
    CREATE INDEX log_by_target ON log (target, id);
    CREATE INDEX log_by_time ON log (at, id);

    -- Tokens, by the SHA-256 of their texts; scopes is a sum of bits. Times are milliseconds since 1970.
    -- Rows of what was revoked go, and numbers are never used again.
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hash BLOB NOT NULL,
        name TEXT NOT NULL,
        scopes INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        last_used_at INTEGER
    ) STRICT;

    -- What Drones prove to know: 32 random bytes each.
    CREATE TABLE join_secrets (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        key BLOB NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;

    -- What signs the Queen's certificates: its own certificate in DER, and its key in PKCS #8.
    CREATE TABLE authority (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        certificate BLOB NOT NULL,
        key BLOB NOT NULL
    ) STRICT;

    -- The Queen's names, besides those that she always has.
    CREATE TABLE hosts (
        name TEXT PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
    ",
    "
    -- How the request was called that a line of the audit trail is about.
    ALTER TABLE log ADD COLUMN request TEXT;
    ",
];

/// From this version on there are idempotency keys.
pub(super) const HAS_KEYS: i64 = 2;

/// From this version on it is known who computed what, and what of it is suspect.
pub(super) const HAS_DRONES: i64 = 3;

/// From this version on tasks come in batches.
pub(super) const HAS_BATCHES: i64 = 4;

/// From this version on the Hive has a clock of its own.
pub(super) const HAS_CLOCK: i64 = 6;

/// From this version on keys and salts stand apart from specifications.
pub(super) const HAS_SECRETS: i64 = 7;

/// From this version on tasks have owners, and there are an audit trail, tokens and the Drones' secrets.
pub(super) const HAS_ACCESS: i64 = 8;

/// The version that this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// Pages that the log may have before they are moved into the database: fewer moves, since
/// most pages change many times.
const CHECKPOINT_PAGES: i64 = 8192;

/// The part of the limit on file sizes from which on the log is moved.
const LOG_PART: i64 = 4;

/// What the log's file may keep of its size behind a checkpoint, in bytes.
const LOG_KEPT: i64 = 64 << 20;

/// A reader's cache in KiB, as SQLite wants it; the system caches the file anyway.
const READER_CACHE: i64 = -256;

/// How often a connection tries again that has to wait for another one. On disk it has to for
/// checkpoints and recovery alone; in memory a commit and a reader wait for each other each time
/// that they meet.
const ATTEMPTS: i32 = 10_000;

/// How long it waits before it tries again, and at most, when it has tried so often already.
const BUSY: Duration = Duration::from_micros(50);
const BUSY_MAX: Duration = Duration::from_millis(1);

/// Refuses what is newer than this program.
pub fn check_version(database: &Path, found: i64) -> Result<(), StoreError> {
    match found > VERSION {
        true => Err(StoreError::Newer { path: database.to_owned(), found, known: VERSION }),
        false => Ok(()),
    }
}

/// Opens the database for the one writer, creates it if there is none, and brings it to this
/// program's version. It becomes no longer than `largest` bytes, so that its log can always be
/// moved into it.
pub fn open_writer(path: &Path, vfs: Option<&str>, largest: u64) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if vfs.is_none() {
        // Keys and salts are in it. The log is made as the database is.
        let mut options = fs::OpenOptions::new();
        let created = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW).open(path);
        created.map_err(StoreError::io(path))?;
    }
    let mut connection = connect(path, flags, vfs).map_err(StoreError::database(path))?;
    let found = version(&connection).map_err(StoreError::database(path))?;
    check_version(path, found)?;
    prepare(&mut connection, VERSION).and_then(|()| bound(&connection, largest)).map_err(StoreError::database(path))?;
    // Who finds damage after this leaves everything as it was; who ends well moves the log itself.
    let keep = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    keep.map_err(StoreError::database(path))?;
    Ok(connection)
}

/// Opens the database for reading.
pub fn open_reader(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = connect(path, flags, vfs)?;
        connection.pragma_update(None, "cache_size", READER_CACHE)?;
        Ok(connection)
    };
    open().map_err(StoreError::database(path))
}

/// Opens the database to look at it while nobody else has it open, and leaves it as it is: its
/// log is read, but not moved into it.
pub fn open_unchanged(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match has_log(path) {
            true => connect(path, flags, None)?,
            // Else SQLite would create a log, only to find nothing in it.
            false => connect(Path::new(&immutable(path)), flags | OpenFlags::SQLITE_OPEN_URI, None)?,
        };
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(StoreError::database(path))
}

/// The file of a database's log.
pub(super) fn log(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn has_log(database: &Path) -> bool {
    match fs::metadata(log(database)) {
        Ok(log) => log.len() > 0,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// SQLite's name of a file that nobody changes while it is open.
fn immutable(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    format!("file:{escaped}?immutable=1")
}

fn connect(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    let mut connection = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_handler(Some(try_again))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Waits for another connection; whether it is worth another attempt.
fn try_again(attempts: i32) -> bool {
    std::thread::sleep((BUSY * (1 << attempts.clamp(0, 8))).min(BUSY_MAX));
    attempts < ATTEMPTS
}

/// Creates what is missing up to `target`, and sets how the writer works.
fn prepare(connection: &mut Connection, target: i64) -> rusqlite::Result<()> {
    if version(connection)? == 0 {
        // Only an empty database takes these; they go into its header before anything else,
        // and outside the log, so that whoever looks at the file alone can tell whose it is.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    let found = version(connection)?;
    for (at, migration) in (1..=target).zip(MIGRATIONS) {
        if at > found {
            let step = connection.transaction()?;
            step.execute_batch(migration)?;
            if at == HAS_SECRETS {
                move_secrets(&step)?;
            }
            step.pragma_update(None, "user_version", at)?;
            step.commit()?;
        }
    }
    if found < target {
        // Into the header, which `directory::inspect` reads.
        checkpoint(connection)?;
    }
    Ok(())
}

/// Takes keys and salts out of the specifications of older versions.
fn move_secrets(step: &Transaction<'_>) -> rusqlite::Result<()> {
    let select = "SELECT id, specification FROM tasks WHERE id > ? \
                  AND (specification LIKE '%\"key\":%' OR specification LIKE '%\"salt\":%') ORDER BY id LIMIT 1";
    let mut select = step.prepare(select)?;
    let mut update = step.prepare("UPDATE tasks SET specification = ?, secret = ?, secret_hash = ? WHERE id = ?")?;
    let mut insert = step.prepare("INSERT OR IGNORE INTO secrets (hash, bytes) VALUES (?, ?)")?;
    let mut last = 0;
    while let Some((id, text)) = {
        let row = select.query_row([last], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
        row.optional()?
    } {
        let mut asked = rows::asked(&text)?;
        let secret = asked.specification.take_secret();
        let hash = is_long(&secret).then(|| hash_of(&secret));
        if let Some(hash) = hash {
            insert.execute(params![hash, secret])?;
        }
        let short = hash.is_none().then_some(secret);
        update.execute(params![rows::in_row(&asked)?, short, hash, id])?;
        last = id;
    }
    Ok(())
}

/// Keeps the database, and its log as far as one transaction allows, below `largest` bytes each.
fn bound(connection: &Connection, largest: u64) -> rusqlite::Result<()> {
    let page_size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(largest).unwrap_or(i64::MAX) / page_size;
    // More than SQLite can count means as many as it can.
    let most = pages.clamp(1, i64::from(u32::MAX) - 1);
    connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES.min(pages / LOG_PART).max(1))
}

/// The version of the tables that are there.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Moves the log into the database and empties it, as far as nobody reads, without waiting for who does.
pub(super) fn try_checkpoint(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let moved = checkpoint(connection);
    connection.busy_handler(Some(try_again))?;
    moved
}

/// Moves the whole log into the database and empties it.
pub fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::directory::inspect;
    use super::*;

    #[test]
    fn it_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = super::super::directory::database(folder.path());
        let _open = open_writer(&path, None, u64::MAX).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", entry.path().display());
        }
    }

    #[test]
    fn an_older_database_is_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = super::super::directory::database(folder.path());
        let mut old = Connection::open(&path).unwrap();
        prepare(&mut old, 1).unwrap();
        old.execute("UPDATE hive SET epoch = 41, next_task = 7", []).unwrap();
        assert!(old.prepare("SELECT * FROM keys").is_err());
        drop(old);
        inspect(folder.path()).unwrap();
        let new = open_writer(&path, None, u64::MAX).unwrap();
        new.prepare("SELECT key, fingerprint, task, expires_at FROM keys").unwrap();
        let kept = new.query_row("SELECT epoch, next_task FROM hive", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(kept, Ok((41, 7)));
        assert_eq!(version(&new), Ok(VERSION));
    }

    #[test]
    fn keys_and_salts_of_version_5_are_taken_out_of_specifications() {
        use super::super::testing::layout;
        use super::super::{Location, check};
        use wire::ids::TaskId;

        let folder = tempfile::tempdir().unwrap();
        drop(Location::new(folder.path().into()).open().unwrap());
        let path = super::super::directory::database(folder.path());
        std::fs::remove_file(&path).unwrap();
        let mut old = Connection::open(&path).unwrap();
        prepare(&mut old, 5).unwrap();
        let task = "INSERT INTO tasks (id, state, priority, total, done, created_at, bytes, instance, specification, \
                    inputs) VALUES (?, 0, 0, 1, 0, 10, 0, zeroblob(16), ?, ?)";
        let long = "ab".repeat(60_000);
        let specifications = [
            r#"{"kind":"digest","algorithm":"hmac-sha256","key":"00ff","encoding":"utf8"}"#.to_owned(),
            format!(
                r#"{{"kind":"digest","algorithm":"pbkdf2-hmac-sha256","salt":"{long}","iterations":7,"encoding":"utf8"}}"#
            ),
            r#"{"kind":"digest","algorithm":"sha256","encoding":"utf8"}"#.to_owned(),
        ];
        for (id, specification) in (1..).zip(&specifications) {
            old.execute(task, params![id, specification, layout(1)]).unwrap();
        }
        old.execute_batch("UPDATE hive SET epoch = 1, next_task = 4; UPDATE counts SET tasks = 3 WHERE state = 0")
            .unwrap();
        drop(old);
        let check = || check::run(folder.path(), &mut Vec::new()).unwrap();
        assert!(check());
        let store = Location::new(folder.path().into()).open().unwrap();
        let terms = |id| store.reader.task(TaskId(id)).unwrap().unwrap().terms;
        assert_eq!((terms(1).secret, terms(1).specification.secret()), (None, &[0, 255][..]));
        let apart = terms(2).secret.unwrap();
        assert_eq!((apart.bytes, store.reader.secret(&apart.hash).unwrap()), (60_000, vec![0xab; 60_000]));
        assert_eq!((terms(3).secret, terms(3).specification.secret()), (None, &[][..]));
        drop(store);
        assert!(check());
    }

    #[test]
    fn tasks_results_and_keys_of_version_2_stay_readable() {
        use std::ops::ControlFlow;

        use super::super::testing::{layout, moment, piece, right, terms};
        use super::super::{Inputs, Location, Trust, check};
        use wire::ids::TaskId;

        let folder = tempfile::tempdir().unwrap();
        drop(Location::new(folder.path().into()).open().unwrap());
        let path = super::super::directory::database(folder.path());
        std::fs::remove_file(&path).unwrap();
        let mut old = Connection::open(&path).unwrap();
        prepare(&mut old, 2).unwrap();
        let specification = serde_json::to_string(&terms().specification).unwrap();
        let task = "INSERT INTO tasks (id, state, priority, total, done, created_at, finished_at, bytes, instance, \
                    specification, inputs) VALUES (?, ?, 3, 5, ?, 10, ?, 0, zeroblob(16), ?, ?)";
        let result = "INSERT INTO results VALUES (?, ?, ?, ?, ?)";
        for (id, state, done, finished_at) in [(1, 1, 5, Some(20)), (2, 0, 0, None)] {
            old.execute(task, params![id, state, done, finished_at, specification, layout(5)]).unwrap();
            for (first, past) in [(0, 2), (2, if id == 1 { 5 } else { 3 })] {
                let bytes = right(first, past);
                old.execute(result, params![id, first, past, crc32fast::hash(&bytes), &bytes[..]]).unwrap();
            }
        }
        old.execute("INSERT INTO keys VALUES (zeroblob(32), zeroblob(32), 1, 1000)", []).unwrap();
        old.execute_batch(
            "UPDATE hive SET epoch = 41, next_task = 3; UPDATE counts SET tasks = 1 WHERE state IN (0, 1)",
        )
        .unwrap();
        drop(old);
        let check = || {
            let mut said = Vec::new();
            let is_sound = check::run(folder.path(), &mut said).unwrap();
            let said = String::from_utf8(said).unwrap();
            assert!(is_sound && said.contains("OK: 2 tasks, 8 results"), "{said}");
            said
        };
        assert!(check().contains("older schema 2"));

        let store = Location::new(folder.path().into()).open().unwrap();
        let (found, reader) = (store.inheritance, &store.reader);
        assert_eq!((found.epoch.0, found.next_task, found.next_drone), (42, 3, 1));
        assert_eq!((found.live, found.suspect, found.ended.done), (1, 0, 1));
        let done = reader.task(TaskId(1)).unwrap().unwrap();
        let ending = done.ending.unwrap();
        assert_eq!((done.created, ending.finished, ending.done), (moment(10), moment(20), 5));
        assert_eq!((done.terms.deadline, done.paused, done.suspect, done.corrected), (None, false, false, 0));
        assert_eq!(reader.prefix(TaskId(1)).unwrap(), 5);
        assert_eq!(reader.results(TaskId(1), &(1..3)).unwrap(), [piece(0, right(0, 2)), piece(2, right(2, 5))]);
        assert_eq!(reader.key(&[0; 32], crate::clock::HiveTime(999)).unwrap().unwrap().1, TaskId(1));
        let mut live = Vec::new();
        let push = |task| {
            live.push(task);
            ControlFlow::Continue(())
        };
        reader.live(push).unwrap();
        assert_eq!(live.len(), 1);
        assert_eq!((live[0].task.id, &live[0].done, live[0].suspect.is_empty()), (TaskId(2), &(0..3).into(), true));
        assert!(live[0].results.iter().all(|results| results.drone.is_none() && results.trust == Trust::Sampled));
        assert!(matches!(&live[0].inputs, Inputs::Small(inputs) if **inputs == *layout(5)));
        assert!(reader.drones().unwrap().is_empty() && reader.leases().unwrap().is_empty());
        drop(store);
        assert!(!check().contains("older"));
    }

    #[test]
    fn a_newer_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = super::super::directory::database(folder.path());
        let newer = open_writer(&path, None, u64::MAX).unwrap();
        newer.pragma_update(None, "user_version", VERSION + 1).unwrap();
        checkpoint(&newer).unwrap();
        drop(newer);
        let before = std::fs::read(&path).unwrap();
        let error = inspect(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found, .. } if found == VERSION + 1), "{error}");
        assert!(matches!(open_writer(&path, None, u64::MAX).unwrap_err(), StoreError::Newer { .. }));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn sqlite_is_new_enough() {
        // From this version on the log is reset right (the WAL-reset bug).
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }

    #[test]
    fn the_header_says_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = super::super::directory::database(folder.path());
        let connection = open_writer(&path, None, u64::MAX).unwrap();
        let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((pragma("auto_vacuum"), pragma("synchronous"), pragma("page_size")), (2, 2, 4096));
        inspect(folder.path()).unwrap();
    }
}
