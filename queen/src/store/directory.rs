//! The data directory: who may open it, and whether it is one.
//!
//! Nothing in it is touched before it is clear that it is ours to touch.

mod lock;
mod names;
mod open_files;
mod owner;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::names::{AUTHORITY, BALLAST, BULK, DATABASE, HISTORY, JOURNAL, SOCKET, names, require_ours};
pub use self::open_files::OpenFiles;
use self::owner::User;
use super::disk::{Disk, NO_FOLLOW};
use super::error::StoreError;
use super::migrations;
use super::whole_file::WholeFile;

/// SQLite's file format: the header, and where the numbers that we set are in it.
const HEADER: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// 0 as long as no table was ever created.
const SCHEMA_COOKIE: usize = 40;
const USER_VERSION: usize = 60;
const APPLICATION_ID: usize = 68;

/// A data directory that is open here and nowhere else, until it is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// The directory, locked as long as this is open.
    lock: File,
}

impl Directory {
    /// Opens a data directory; creates it, for its owner alone, if there is none.
    ///
    /// # Errors
    /// If it is in use, is something else, is damaged or newer, others could have changed what is
    /// in it, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if path.exists() && !path.is_dir() {
            return Err(StoreError::Foreign { path: path.to_owned(), why: "it is not a directory".into() });
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io(path))?;
        let user = User::current();
        let home = owner::home(path, &user, true)?;
        owner::check(&home, &user)?;
        inspect(&home)?;
        let directory = Self::lock(home)?;
        let path = directory.path();
        owner::tighten(path, &user)?;
        let bulk = directory.bulk();
        DirBuilder::new().recursive(true).mode(0o700).create(&bulk).map_err(StoreError::io(&bulk))?;
        let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
        sync(path).map_err(StoreError::io(path))?;
        // The directory's own entry; where its parent may not be read, there is nothing to be done.
        let _ = path.canonicalize().map(|path| path.parent().map(sync));
        Ok(directory)
    }

    /// Opens a data directory that a Queen has used, and leaves it as it is.
    ///
    /// # Errors
    /// As for [`open`](Self::open), or if it is none.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        Self::lock(find_used(path)?)
    }

    fn lock(path: PathBuf) -> Result<Self, StoreError> {
        let lock = lock::lock(&path)?;
        Ok(Self { path, lock })
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that are open, once the database is.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn open_files(&self) -> Result<OpenFiles, StoreError> {
        OpenFiles::of(&self.path, &self.lock)
    }

    /// The records.
    pub fn database(&self) -> PathBuf {
        database(&self.path)
    }

    /// The folder of bulk files.
    pub fn bulk(&self) -> PathBuf {
        bulk(&self.path)
    }
}

/// What was measured over time, in a directory of this file system.
pub(super) fn history(directory: &Path, disk: Arc<dyn Disk>) -> WholeFile {
    WholeFile::new(directory, HISTORY, disk)
}

/// What one of its files is called, of which one is enough.
pub(super) fn history_name() -> &'static str {
    HISTORY[0]
}

/// Where a running Queen is asked.
pub fn socket(directory: &Path) -> PathBuf {
    directory.join(SOCKET)
}

/// Where the authority's certificate is for others to find.
pub fn authority(directory: &Path) -> PathBuf {
    directory.join(AUTHORITY)
}

/// Leaves the authority's certificate where others find it, if it is not there already.
///
/// # Errors
/// If it cannot be written.
pub fn publish_authority(directory: &Path, pem: &str) -> Result<(), StoreError> {
    let path = authority(directory);
    if fs::read(&path).is_ok_and(|there| there == pem.as_bytes()) {
        return Ok(());
    }
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o644).custom_flags(NO_FOLLOW);
    options.open(&path).and_then(|mut file| file.write_all(pem.as_bytes())).map_err(StoreError::io(&path))
}

/// Where a directory's records are.
pub fn database(directory: &Path) -> PathBuf {
    directory.join(DATABASE)
}

/// Where a directory's bulk files are.
pub fn bulk(directory: &Path) -> PathBuf {
    directory.join(BULK)
}

/// Where a directory's ballast is, which is given up to make room on a full disk.
pub fn ballast(directory: &Path) -> PathBuf {
    directory.join(BALLAST)
}

/// Looks whether it is a data directory that can be opened, without touching it.
///
/// # Errors
/// If it is not.
pub fn inspect(path: &Path) -> Result<(), StoreError> {
    require_ours(path, &names(path)?)?;
    let database = database(path);
    let mut header = Vec::new();
    match File::open(&database) {
        Ok(file) => file.take(HEADER as u64).read_to_end(&mut header).map_err(StoreError::io(&database))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(StoreError::io(&database)(error)),
    };
    // Its Queen was killed as she created it: not written yet, or SQLite will undo what was.
    // There was no task then; where there are files of tasks, their records are lost.
    if header.is_empty() || path.join(JOURNAL).exists() {
        let files = fs::read_dir(bulk(path)).map_or(0, Iterator::count);
        return match files {
            0 => Ok(()),
            _ => {
                let what = format!("the records of the tasks that have {files} files in {BULK}/ are not in it");
                Err(StoreError::Damaged { path: database, what })
            }
        };
    }
    if header.len() < HEADER || !header.starts_with(MAGIC) {
        return Err(StoreError::Damaged { path: database, what: "it is not an SQLite database".into() });
    }
    let number = |at: usize| header[at..].first_chunk().map_or(0, |bytes| i64::from(i32::from_be_bytes(*bytes)));
    let is_empty = number(SCHEMA_COOKIE) == 0 && number(APPLICATION_ID) == 0;
    if number(APPLICATION_ID) != i64::from(migrations::APPLICATION_ID) && !is_empty {
        let why = format!("its {DATABASE} belongs to another program");
        return Err(StoreError::Foreign { path: path.to_owned(), why });
    }
    migrations::check_version(&database, number(USER_VERSION))
}

/// Where everything lies of a data directory that a Queen has used, which is not touched.
///
/// # Errors
/// If it is none.
pub fn find_used(path: &Path) -> Result<PathBuf, StoreError> {
    let missing = |why| StoreError::Missing { path: path.to_owned(), why };
    match path.try_exists().map_err(StoreError::io(path))? {
        false => return Err(missing("does not exist")),
        true if !path.is_dir() => return Err(missing("is not a directory")),
        true => {}
    }
    let user = User::looking_at(path);
    let home = owner::home(path, &user, false)?;
    owner::check(&home, &user)?;
    inspect(&home)?;
    match database(&home).try_exists().map_err(StoreError::io(&home))? {
        false => Err(missing("has no hive.db in it, so no Queen has ever used it")),
        true => Ok(home),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::names::LOCK;
    use super::*;

    #[test]
    fn it_is_private_and_opened_once() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/hive-data");
        let first = Directory::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let second = Directory::open(&path).unwrap_err();
        assert!(matches!(&second, StoreError::Locked { owner, .. } if owner.contains("process")), "{second}");
        fs::remove_file(path.join(LOCK)).unwrap();
        let third = Directory::open(&path).unwrap_err();
        assert!(matches!(&third, StoreError::Locked { .. }), "{third}");
        drop(first);
        Directory::open(&path).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        let error = Directory::open(folder.path()).unwrap_err();
        assert!(matches!(&error, StoreError::Foreign { why, .. } if why.contains("thesis.txt")), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let folder = tempfile::tempdir().unwrap();
        fs::write(database(folder.path()), "not a database, though it has its name".repeat(5)).unwrap();
        let error = Directory::open(folder.path()).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { .. }) && error.to_string().contains(DATABASE), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(bulk(folder.path())).unwrap();
        fs::write(bulk(folder.path()).join("0000000100000000"), "inputs").unwrap();
        for is_empty in [false, true] {
            if is_empty {
                fs::write(database(folder.path()), "").unwrap();
            }
            let error = Directory::open(folder.path()).unwrap_err();
            assert!(matches!(&error, StoreError::Damaged { .. }), "{error}");
        }
        assert_eq!(fs::read_dir(bulk(folder.path())).unwrap().count(), 1);

        let folder = tempfile::tempdir().unwrap();
        let other = rusqlite::Connection::open(database(folder.path())).unwrap();
        other.execute_batch("PRAGMA application_id = 77; CREATE TABLE t (x);").unwrap();
        let error = Directory::open(folder.path()).unwrap_err();
        assert!(matches!(&error, StoreError::Foreign { .. }), "{error}");
    }
}
