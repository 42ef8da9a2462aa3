//! One process at a time has a data directory open.
//!
//! The lock is on the directory itself: a file in it could be removed while it is held, and the
//! next one would lock another. The file `lock` says who holds it, and is nothing but that.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;

use super::names::LOCK;
use crate::store::disk::NO_FOLLOW;
use crate::store::error::StoreError;

/// How often it is tried to lock a directory that is in use, and the pause between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Locks the directory at `path` as long as what is returned is open.
///
/// # Errors
/// If another process has it, or the file system refuses.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let directory = File::open(path).map_err(StoreError::io(path))?;
    let mut locked = directory.try_lock();
    // A Queen who stops, or a program that she is starting, may hold it for a moment longer.
    for _ in 0..ATTEMPTS {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(PAUSE);
        locked = directory.try_lock();
    }
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = fs::read_to_string(path.join(LOCK)).unwrap_or_default();
            let owner = if owner.trim().is_empty() { "it does not say which" } else { owner.trim() };
            return Err(StoreError::Locked { path: path.to_owned(), owner: owner.to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(StoreError::io(path)(error)),
    }
    // What the superuser, who looks at another user's, would leave there could not be used any more.
    let is_ours = directory.metadata().map_err(StoreError::io(path))?.uid() == geteuid().as_raw();
    // Where nothing can be written, a directory can still be looked at.
    if is_ours && let Err(error) = sign(path) {
        tracing::debug!(%error, "cannot say who has the directory open");
    }
    Ok(directory)
}

/// Says which process has it open.
fn sign(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(NO_FOLLOW);
    writeln!(options.open(path.join(LOCK))?, "process {}", std::process::id())
}
