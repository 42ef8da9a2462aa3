//! Room for removals on a full disk.
//!
//! Removing a task makes room, but has to be written first, and so has its cancellation if it has not
//! ended. That takes some room. So a file is kept that stands for nothing: when the disk is full it
//! goes, and when it can be written again, there is room again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::error::StoreError;

/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

/// A file that takes the room which removals need on a full disk.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    size: u64,
}

impl Ballast {
    /// A file at `path` of `size` bytes, which may be there or not.
    pub(super) fn new(path: PathBuf, disk: Arc<dyn Disk>, size: u64) -> Self {
        Self { path, disk, size }
    }

    /// How long it is when it is whole, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether it has its size.
    pub(super) fn is_whole(&self) -> bool {
        self.disk.length(&self.path).is_ok_and(|length| length == self.size)
    }

    /// Makes it whole, and sees that there is as much room again: with less, the disk would be
    /// full at the next task.
    ///
    /// # Errors
    /// If there is not.
    pub(super) fn fill(&self) -> Result<(), StoreError> {
        if !self.is_whole() {
            self.release()?;
            self.write(&self.path).inspect_err(|_| drop(self.release()))?;
        }
        let spare = self.path.with_extension("spare");
        self.remove(&spare)?;
        let written = self.write(&spare);
        self.remove(&spare).and(written)
    }

    /// Gives its room back.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn release(&self) -> Result<(), StoreError> {
        self.remove(&self.path)
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(path)(error)),
            _ => Ok(()),
        }
    }

    fn write(&self, path: &Path) -> Result<(), StoreError> {
        let file = self.disk.create(path).map_err(StoreError::io(path))?;
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
            file.write_all_at(&block[..length], offset).map_err(StoreError::io(path))?;
        }
        file.sync_data().map_err(StoreError::io(path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::System;
    use super::*;

    #[test]
    fn it_is_filled_and_released() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballast");
        let ballast = Ballast::new(path.clone(), Arc::new(System), 100_000);
        ballast.release().unwrap();
        std::fs::write(&path, "half").unwrap();
        for _ in 0..2 {
            ballast.fill().unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        }
        ballast.release().unwrap();
        assert!(!path.exists());
    }
}
