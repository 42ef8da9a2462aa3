//! Room for removals on a full disk.
//!
//! Removing a task makes room, but has to be written first, which takes some. So a file is kept
//! that stands for nothing: when the disk is full it goes, and when it can be written again,
//! there is room again.

use std::path::PathBuf;
use std::sync::Arc;

use super::disk::Disk;
use super::error::StoreError;

/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    size: u64,
}

impl Reserve {
    /// A file at `path` of `size` bytes, which may be there or not.
    pub(super) fn new(path: PathBuf, disk: Arc<dyn Disk>, size: u64) -> Self {
        Self { path, disk, size }
    }

    /// Makes it whole.
    ///
    /// # Errors
    /// If there is no room for it.
    pub(super) fn fill(&self) -> Result<(), StoreError> {
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() == self.size) {
            return Ok(());
        }
        self.release()?;
        self.write().inspect_err(|_| drop(self.release()))
    }

    /// Gives its room back.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn release(&self) -> Result<(), StoreError> {
        match self.disk.remove(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(&self.path)(error)),
            _ => Ok(()),
        }
    }

    fn write(&self) -> Result<(), StoreError> {
        let file = self.disk.create(&self.path).map_err(StoreError::io(&self.path))?;
        // Zeros take no room where a file system compresses.
        let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
        let block: Vec<u8> = (0..BLOCK / 8)
            .flat_map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise.to_le_bytes()
            })
            .collect();
        for offset in (0..self.size).step_by(BLOCK) {
            let length = (self.size - offset).min(BLOCK as u64) as usize;
            file.write_all_at(&block[..length], offset).map_err(StoreError::io(&self.path))?;
        }
        file.sync_data().map_err(StoreError::io(&self.path))
    }
}
