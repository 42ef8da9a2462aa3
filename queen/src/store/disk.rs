//! The seam below bulk files: the few file operations that they need.
//!
//! Everything about durability hangs on the order of these calls, so that a test can put
//! itself in between: fail any of them, or lose power behind any of them.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::{pread, retry_on_intr};
use rustix::process::{Resource, getrlimit};

/// Opening a symbolic link fails: there is none in a data directory.
pub const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Creates a file that must not exist yet, for reading and writing.
    ///
    /// # Errors
    /// As the file system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists, for reading and writing.
    ///
    /// # Errors
    /// As the file system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes what was created and removed in a directory durable.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names of what is in a folder, in no order.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    /// How long a file is, in bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn length(&self, path: &Path) -> io::Result<u64> {
        fs::symlink_metadata(path).map(|file| file.len())
    }

    /// How long a file may become at most, in bytes.
    fn largest_file(&self) -> u64 {
        u64::MAX
    }

    /// Bytes that are free where `path` is; more than there can be if nobody knows.
    fn free(&self, path: &Path) -> u64 {
        rustix::fs::statvfs(path).map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the file system says; a part of them may be written then.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads `length` bytes from `offset` on.
    ///
    /// # Errors
    /// If the file ends before, or as the file system says.
    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Makes what was written durable. After an error, nothing that was written since the
    /// last success can be relied upon, even if a later call succeeds.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_data(&self) -> io::Result<()>;
}

/// The system's own file system. Files are readable by their owner alone.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Disk for System {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).custom_flags(NO_FOLLOW).open(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).custom_flags(NO_FOLLOW).open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// `RLIMIT_FSIZE`.
    fn largest_file(&self) -> u64 {
        getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
    }
}

impl DiskFile for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        // Into memory that need not be zeroed first.
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = offset + bytes.len() as u64;
            if retry_on_intr(|| pread(self, spare_capacity(&mut bytes), at))? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}
