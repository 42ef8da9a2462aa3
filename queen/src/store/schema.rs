//! The database: how it is opened, and how an older one becomes a new one.
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
use super::migrations::{APPLICATION_ID, HAS_SECRETS, MIGRATIONS, VERSION, check_version, version};
use super::rows;
use crate::work::terms::{hash_of, is_long};

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
        let reference = terms(2).secret.unwrap();
        assert_eq!((reference.bytes, store.reader.secret(&reference.hash).unwrap()), (60_000, vec![0xab; 60_000]));
        assert_eq!((terms(3).secret, terms(3).specification.secret()), (None, &[][..]));
        drop(store);
        assert!(check());
    }

    #[test]
    fn tasks_results_and_keys_of_version_2_stay_readable() {
        use std::ops::ControlFlow;

        use super::super::testing::{layout, moment, piece, right, terms};
        use super::super::{Location, check};
        use crate::work::{Inputs, Trust};
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
