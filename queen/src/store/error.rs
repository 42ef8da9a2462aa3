//! What can go wrong with the data directory.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// SQLite refused.
    #[error("{}: {error}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        error: rusqlite::Error,
    },
    /// Something is not as it was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is no data directory.
    #[error("{} {why}: say with --data-dir where the data directory is", path.display())]
    Missing {
        /// Where one was looked for.
        path: PathBuf,
        /// What is there instead.
        why: &'static str,
    },
    /// What was opened is not at its path any more.
    #[error(
        "{} is not the one that was opened: it was deleted, moved or replaced while the Queen was running. \
         Move it back, or stop her and restore a backup",
        path.display()
    )]
    Gone {
        /// Which file or directory.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{} is in use by another Queen ({owner}): stop her, or choose another with --data-dir", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// What she wrote into her lock.
        owner: String,
    },
    /// Others could have changed what is there.
    #[error("{} {why}, so it is not used: {advice}", path.display())]
    Untrusted {
        /// The directory, or what is in it.
        path: PathBuf,
        /// How that was noticed.
        why: String,
        /// What to do.
        advice: String,
    },
    /// The directory holds something else.
    #[error(
        "{} is not a Hive's data directory ({why}), so it is left alone: choose an empty or a new one with --data-dir",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// How that was noticed.
        why: String,
    },
    /// It was written by a newer program.
    #[error(
        "{} was written by a newer Queen (schema {found}, this one knows up to {known}): use that version, \
         or restore a backup from before",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
}

impl StoreError {
    /// Of a file operation.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    /// Of the database. What it says of damage is told as such.
    pub(crate) fn database(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged { path, what: error.to_string() }
            }
            _ => Self::Database { path, error },
        }
    }

    /// What an operator can do about a directory that cannot be opened.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => {
                "; `queen check` lists everything that is wrong: restore a backup, or move the whole \
                 data directory away to begin anew"
            }
            Self::Io { error, .. } if is_refusal(error.kind()) => {
                "; --data-dir (HIVE_DATA_DIR) says where everything is kept: choose a place where this user \
                 can create files"
            }
            _ => "",
        }
    }

    /// What a user is told of a disk that does not take writes.
    pub fn refusal(&self) -> String {
        match self.is_full() {
            true if self.is_file_too_large() => format!(
                "a file is as long as the limit on file sizes lets it be, so nothing new can be kept: raise the limit \
                 (ulimit -f, or LimitFSIZE= of systemd), or delete finished tasks ({self})"
            ),
            true => format!(
                "the disk is full, so nothing new can be kept: make room on it, or delete finished tasks ({self})"
            ),
            false if matches!(self, Self::Gone { .. }) => format!("nothing new can be kept: {self}"),
            false => format!("the disk does not take writes, so nothing new can be kept: {self}"),
        }
    }

    /// Whether what was written is not there any more, or the device does not give it back. All else
    /// may pass.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Io { error, .. } => {
                error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::IO.raw_os_error())
            }
            _ => false,
        }
    }

    /// Whether a file has become as long as the system lets it.
    pub fn is_file_too_large(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::FileTooLarge)
    }

    /// Whether there is no room left: on the disk, in a quota, or below the limit on file sizes.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { error, .. } => matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ),
            Self::Database { error, .. } => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            _ => false,
        }
    }
}

/// Whether a place is refused, rather than the disk at fault.
fn is_refusal(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(kind, NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem)
}
