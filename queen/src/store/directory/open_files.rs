//! Whether the files of an open data directory are still those at their paths.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::names::{BULK, DATABASE, LOG, SHARED_MEMORY};
use crate::store::error::StoreError;

/// The files that were opened. What is written into one that was deleted, moved or replaced since
/// is lost with the process.
#[derive(Debug, Default)]
pub struct OpenFiles {
    files: Vec<(PathBuf, Identity)>,
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}

impl OpenFiles {
    /// Of the directory at `path`, which is open as `directory`, and its database, too.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn of(path: &Path, directory: &File) -> Result<Self, StoreError> {
        let opened = directory.metadata().map_err(StoreError::io(path))?;
        let mut files = vec![(path.to_owned(), identity(&opened))];
        let others = [DATABASE, LOG, SHARED_MEMORY, BULK].map(|name| path.join(name));
        for path in others {
            match fs::metadata(&path) {
                Ok(found) => files.push((path, identity(&found))),
                // SQLite may do without a log.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io(&path)(error)),
            }
        }
        Ok(Self { files })
    }

    /// Looks whether they are where they were.
    ///
    /// # Errors
    /// If one is not, or the file system refuses.
    pub fn check(&self) -> Result<(), StoreError> {
        for (path, opened) in &self.files {
            match fs::metadata(path) {
                Ok(found) if identity(&found) == *opened => {}
                Ok(_) => return Err(StoreError::Gone { path: path.clone() }),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Err(StoreError::Gone { path: path.clone() });
                }
                Err(error) => return Err(StoreError::io(path)(error)),
            }
        }
        Ok(())
    }
}
