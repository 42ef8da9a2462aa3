//! What outlives the Queen: the data directory.
//!
//! ```text
//! hive-data/
//!   lock        says which process has the directory open; the lock is on the directory itself
//!   hive.db     records: tasks, done ranges, small inputs and results, keys, Drones, leases, the epoch; tokens,
//!               the Drones' secrets, the authority (SQLite)
//!   bulk/       a file for each large task: its inputs, then its results
//!   ballast     room for removals when the disk is full
//!   control.sock      where `queen token` and `queen secret` ask a running Queen
//!   authority.pem     the authority's certificate, for browsers and other clients
//! ```
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
mod migrations;
mod reader;
mod rows;
mod schema;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use crate::work::results::join;
pub use crate::work::{
    Ending, Extent, Inputs, Large, Piece, Place, ResultMap, Results, SMALL, TASKS_END, Tally, Trust,
};
pub use access::{AccessChange, StoredAccess};
use ballast::Ballast;
pub use bulk::{Bulk, FileResults, NewFile};
pub use change::{Change, Fate, KEY_LIFE, Removed, Submission, Visit};
use directory::OpenFiles;
pub use directory::{Directory, authority, find_used, publish_authority, socket};
use disk::{Disk, System};
pub use error::StoreError;
pub use journal::{Ack, Closed, Consumer, Follower, Journal, Receipt, Slot, Writing};
pub use reader::{Detached, Live, Reader, Suspects};
pub use rows::{KNOWN_DRONES, KnownDrone, Leased, Stored, StoredMember};
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

/// An open data directory.
pub struct Store {
    /// What was found in it.
    pub inheritance: Inheritance,
    /// Who may do what.
    pub access: StoredAccess,
    /// The one writer.
    pub writer: Writer,
    /// For everybody else.
    pub reader: Arc<Reader>,
    /// Locked.
    pub directory: Directory,
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

    /// Opens it, and creates it if need be. What is in it stays as it is, apart from a migration
    /// if it is older, until the writer is given something to commit.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(&self) -> Result<Store, StoreError> {
        let directory = Directory::open(&self.directory)?;
        let path = directory.database();
        let largest = self.disk.largest_file();
        let connection = schema::open_writer(&path, self.vfs.as_deref(), largest)?;
        let inheritance = writer::inherit(&connection).map_err(StoreError::database(&path))?;
        let access = access::read(&connection).map_err(StoreError::database(&path))?;
        let bulk = Bulk::new(directory.bulk(), Arc::clone(&self.disk), inheritance.epoch.0 << EPOCH_SHIFT);
        let ballast =
            Ballast::new(directory.ballast(), Arc::clone(&self.disk), self.ballast.min(largest / BALLAST_PART));
        let files = OpenFiles::of(&directory)?;
        let writer = Writer::new(path.clone(), connection, ballast, largest, files);
        let reader = Arc::new(Reader::new(path, self.vfs.clone(), bulk));
        let free = self.disk.free(directory.path());
        Ok(Store { inheritance, access, writer, reader, directory, free })
    }
}
