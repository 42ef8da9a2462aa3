//! What outlives the Queen: the data directory.
//!
//! ```text
//! hive-data/
//!   lock        says which process has the directory open; the lock is on the directory itself
//!   hive.db     records: tasks, done ranges, small inputs and results, keys, Drones, leases, the epoch; tokens,
//!               the Drones' secrets, the authority (SQLite)
//!   bulk/       a file for each large task: its inputs, then its results
//!   ballast     room for removals when the disk is full
//!   history.a, history.b    what was measured over time
//!   control.sock      where `queen token` and `queen secret` ask a running Queen
//!   authority.pem     the authority's certificate, for browsers and other clients
//! ```
//!
//! A Queen who keeps nothing has the same store in memory ([`Store::in_memory`]): the records in SQLite's own
//! file system in memory, the bulk files on a [`MemoryDisk`].
//!
//! Two seams with one promise: what [`Writer::commit`] was given is durable when it returns,
//! and what a record refers to was durable before. [`Reader`] reads beside it.

mod access;
pub mod backup;
mod ballast;
mod bulk;
mod change;
pub mod check;
mod directory;
pub mod disk;
mod error;
pub(crate) mod journal;
mod memory_disk;
mod migrations;
mod reader;
mod rows;
mod schema;
#[cfg(test)]
pub(crate) mod testing;
mod whole_file;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use access::{AccessChange, StoredAccess};
use ballast::Ballast;
pub use bulk::{Bulk, FileResults, NewFile};
pub use change::{Change, KEY_LIFE, MemberOutcome, Removed, Submission, Visit};
pub use directory::{Directory, authority, find_used, publish_authority, socket};
use disk::{Disk, System};
pub use error::StoreError;
pub use journal::{Ack, Closed, Consumer, Follower, Journal, Receipt, Slot, Writing};
use memory_disk::MemoryDisk;
pub use reader::{Detached, Failures, Live, Reader, Span, StoredPage, Suspects};
pub use rows::{KNOWN_DRONES, KnownDrone, Leased, Stored, StoredMember};
pub use whole_file::WholeFile;
pub use writer::{Inheritance, Tidied, Writer};

/// Where a Queen keeps what has to outlive her.
#[derive(Debug, Clone)]
pub struct Location {
    /// The data directory.
    pub directory: PathBuf,
    /// The file system under bulk files.
    pub disk: Arc<dyn Disk>,
    /// SQLite's name of the file system under the database; its default if `None`.
    pub vfs: Option<String>,
    /// Bytes that are held back for removals on a full disk.
    pub ballast: u64,
}

/// Enough to write the removal of hundreds of tasks.
const BALLAST: u64 = 4 << 20;

/// The ballast is no larger than this part of what a file may have.
const BALLAST_PART: u64 = 4;

/// SQLite's name of its file system in memory, whose files several connections of one process share. Temporary
/// files of a connection are in it, too, and it has no log.
const MEMORY_VFS: &str = "memdb";

/// What is open: a data directory, or the same in memory.
pub struct Store {
    /// What was found in it.
    pub inheritance: Inheritance,
    /// Who may do what.
    pub access: StoredAccess,
    /// The one writer.
    pub writer: Writer,
    /// For everybody else.
    pub reader: Arc<Reader>,
    /// What was measured over time.
    pub history: WholeFile,
    /// Locked; `None` in memory.
    pub directory: Option<Directory>,
    /// Bytes that were free where it is.
    pub free: u64,
}

/// Bits of a bulk file's number that count within an epoch.
const EPOCH_SHIFT: u32 = 32;

impl Location {
    /// A directory of the system's own file system.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, disk: Arc::new(System), vfs: None, ballast: BALLAST }
    }

    /// A place in memory, where a store lasts for as long as it is open.
    fn in_memory() -> Self {
        // Each in this process has a name of its own.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let directory = format!("/in-memory/{}", COUNT.fetch_add(1, Relaxed)).into();
        let disk = Arc::new(MemoryDisk::default());
        Self { directory, disk, vfs: Some(MEMORY_VFS.into()), ballast: 0 }
    }

    /// Opens it, and creates it if need be. What is in it stays as it is, apart from a migration
    /// if it is older, until the writer is given something to commit.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(&self) -> Result<Store, StoreError> {
        self.open_in(Some(Directory::open(&self.directory)?))
    }

    fn open_in(&self, directory: Option<Directory>) -> Result<Store, StoreError> {
        let home = directory.as_ref().map_or(&*self.directory, Directory::path);
        let path = directory::database(home);
        let largest = self.disk.largest_file();
        let connection = schema::open_writer(&path, self.vfs.as_deref(), largest)?;
        let inheritance = writer::inherit(&connection).map_err(StoreError::database(&path))?;
        let access = access::read(&connection).map_err(StoreError::database(&path))?;
        let bulk = Bulk::new(directory::bulk(home), Arc::clone(&self.disk), inheritance.epoch.0 << EPOCH_SHIFT);
        let ballast = self.ballast.min(largest / BALLAST_PART);
        let ballast = Ballast::new(directory::ballast(home), Arc::clone(&self.disk), ballast);
        let files = directory.as_ref().map(Directory::open_files).transpose()?.unwrap_or_default();
        let writer = Writer::new(path.clone(), connection, ballast, largest, files);
        let reader = Arc::new(Reader::new(path, self.vfs.clone(), bulk));
        let free = self.disk.free(home);
        let history = directory::history(home, Arc::clone(&self.disk));
        Ok(Store { inheritance, access, writer, reader, history, directory, free })
    }
}

impl Store {
    /// Where it lies; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.directory.as_ref().map(Directory::path)
    }

    /// An empty store in memory, which ends with its writer and reader.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        Location::in_memory().open_in(None)
    }
}
