//! Writing a join file, which holds a secret.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::process::geteuid;

/// A new file for its owner alone, which is locked; it goes again if nothing is written into it.
pub(super) struct NewJoinFile {
    path: PathBuf,
    folder: PathBuf,
    file: File,
    is_written: bool,
}

impl NewJoinFile {
    /// Makes it, outside the data directory.
    ///
    /// # Errors
    /// If it lies in the data directory or exists with something in it, or the file system refuses.
    pub(super) fn create(path: &Path, directory: &Path) -> anyhow::Result<Self> {
        let unwritten = || format!("{} cannot be written", path.display());
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let folder = folder.canonicalize().with_context(unwritten)?;
        if directory.canonicalize().is_ok_and(|directory| folder.starts_with(directory)) {
            bail!("{} lies in the data directory itself: choose another place with --join-file", path.display());
        }
        let made = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => file.try_lock().is_ok().then_some(file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => left_empty(path).with_context(unwritten)?,
            Err(error) => return Err(error).with_context(unwritten),
        };
        match made {
            Some(file) => Ok(Self { path: path.to_owned(), folder, file, is_written: false }),
            None => bail!("{} exists, and is not replaced: choose another name with --join-file", path.display()),
        }
    }

    /// Writes all of it, and to the disk.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn write(mut self, text: &str) -> anyhow::Result<()> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        let written = written.and_then(|()| File::open(&self.folder)?.sync_all());
        written.with_context(|| format!("{} cannot be written: make another secret", self.path.display()))?;
        self.is_written = true;
        Ok(())
    }
}

/// A file of ours in which there is nothing, as somebody leaves it who is killed before it is written; locked, since
/// it may as well be somebody's who is about to.
fn left_empty(path: &Path) -> io::Result<Option<File>> {
    let is_empty = |there: &Metadata| {
        there.is_file() && there.len() == 0 && there.mode() & 0o777 == 0o600 && there.uid() == geteuid().as_raw()
    };
    if !is_empty(&fs::symlink_metadata(path)?) {
        return Ok(None);
    }
    let file = OpenOptions::new().write(true).open(path)?;
    if file.try_lock().is_err() {
        return Ok(None);
    }
    // What is opened may be another one by now.
    let (opened, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    let is_same = (opened.dev(), opened.ino()) == (there.dev(), there.ino());
    Ok((is_same && is_empty(&opened)).then_some(file))
}

impl Drop for NewJoinFile {
    fn drop(&mut self) {
        if !self.is_written {
            // It is empty.
            let _ = fs::remove_file(&self.path);
        }
    }
}
