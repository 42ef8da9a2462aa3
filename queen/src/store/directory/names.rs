//! What may be in a data directory, by name.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::store::error::StoreError;

/// The records.
pub(super) const DATABASE: &str = "hive.db";
/// The folder of bulk files.
pub(super) const BULK: &str = "bulk";
/// Says which process has the directory open.
pub(super) const LOCK: &str = "lock";
/// Room for removals.
pub(super) const BALLAST: &str = "ballast";

/// What was measured over time: two files, of which one is whole.
pub(super) const HISTORY: [&str; 2] = ["history.a", "history.b"];

/// Where a running Queen is asked, and the certificate by which browsers and others know her.
pub(super) const SOCKET: &str = "control.sock";
pub(super) const AUTHORITY: &str = "authority.pem";

/// SQLite's write-ahead log, and what the processes that have the database open share.
pub(super) const LOG: &str = "hive.db-wal";
pub(super) const SHARED_MEMORY: &str = "hive.db-shm";

/// SQLite's rollback journal: there only while the database is being created.
pub(super) const JOURNAL: &str = "hive.db-journal";

/// Names of all that may be in it.
pub(super) const OURS: [&str; 10] =
    [DATABASE, LOG, SHARED_MEMORY, JOURNAL, BULK, LOCK, BALLAST, "ballast.spare", HISTORY[0], HISTORY[1]];

/// And of what is there for others to find: nothing of it is believed.
pub(super) const FOR_OTHERS: [&str; 2] = [SOCKET, AUTHORITY];

/// What is in a directory, apart from what a file system has in its root.
pub(super) fn names(path: &Path) -> Result<Vec<OsString>, StoreError> {
    let entries = fs::read_dir(path).map_err(StoreError::io(path))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>();
    let mut names = names.map_err(StoreError::io(path))?;
    names.retain(|name| name != "lost+found");
    Ok(names)
}

/// Refuses a directory in which there is something else.
pub(super) fn require_ours(path: &Path, names: &[OsString]) -> Result<(), StoreError> {
    match names.iter().find(|name| !OURS.iter().chain(&FOR_OTHERS).any(|ours| *name == ours)) {
        Some(name) => {
            let why = format!("it contains {}", name.display());
            Err(StoreError::Foreign { path: path.to_owned(), why })
        }
        None => Ok(()),
    }
}
