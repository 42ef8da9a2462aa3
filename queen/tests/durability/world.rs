//! A world whose disk can be watched, made to fail, and cut from its power.
//!
//! SQLite (through `register_vfs`) and the store's plain files (through [`World::disk`]) really write below a root,
//! and every change goes into one log, in the order in which it happened. Nothing is really synced: a sync is an
//! entry in the log, and the log alone decides what a loss of power leaves.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use queen::store::disk::{Disk, DiskFile};

use super::power::Medium;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A file from its creation on, whatever its name stands for later; they count up in order of creation.
pub(super) type FileId = usize;

/// One entry of the log. Paths are relative to the root.
pub(super) enum Op {
    Create {
        path: PathBuf,
    },
    Write {
        file: FileId,
        offset: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        file: FileId,
        len: u64,
    },
    /// With a path, the file's directory entry becomes durable along with it.
    Sync {
        file: FileId,
        path: Option<PathBuf>,
    },
    /// As on Linux, what was dirty is clean now, though it never got there.
    SyncFailed {
        file: FileId,
    },
    Remove {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
    Mark {
        label: u64,
    },
}

/// What to let go wrong. Operations are counted from the call of [`World::fail`], the next one being the first.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// From this write on the disk is full: no write succeeds, and no file is created, until [`World::heal`].
    NoSpace {
        /// The first write that finds no room.
        at_write: u64,
    },
    /// Only the first half of this write gets to the file, and then it fails.
    Torn {
        /// The write.
        at_write: u64,
    },
    /// This sync fails. The writes it was for can still be read, but are lost unless they are written again.
    SyncError {
        /// The sync, of a file or a directory.
        at_sync: u64,
    },
}

/// How often each fault struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// Writes and creations that found the disk full.
    pub no_space: u64,
    /// Writes that were cut short.
    pub torn: u64,
    /// Syncs that failed.
    pub sync_error: u64,
}

#[derive(Default)]
struct Log {
    ops: Vec<Op>,
    /// The files as they are seen.
    names: HashMap<PathBuf, FileId>,
    files: usize,
    writes: u64,
    syncs: u64,
    /// With their operations counted from the beginning.
    faults: Vec<Fault>,
    fired: Fired,
}

impl Log {
    fn check_space(&mut self) -> io::Result<()> {
        if self.faults.iter().any(|fault| matches!(fault, Fault::NoSpace { at_write } if *at_write <= self.writes)) {
            self.fired.no_space += 1;
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        Ok(())
    }

    fn tears(&mut self) -> bool {
        let tears =
            self.faults.iter().any(|fault| matches!(fault, Fault::Torn { at_write } if *at_write == self.writes));
        self.fired.torn += u64::from(tears);
        tears
    }

    /// Counts a sync, and fails it if it is to.
    fn check_sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        if self.faults.iter().any(|fault| matches!(fault, Fault::SyncError { at_sync } if *at_sync == self.syncs)) {
            self.fired.sync_error += 1;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(())
    }
}

/// The disk under test. See the module.
pub struct World {
    root: PathBuf,
    /// The medium before the first entry of the log.
    start: Medium,
    log: Mutex<Log>,
    /// The medium where power was last lost, for the next loss is mostly a little later.
    replay: Mutex<Medium>,
}

impl World {
    /// A world in a directory, which is made if need be. What is already there counts as durable, so a test can go on
    /// in what a loss of power has left.
    pub fn new(root: &Path) -> io::Result<Arc<World>> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        let start = Medium::found(&root)?;
        let names: HashMap<_, _> = start.files().map(|(path, file)| (path.clone(), file)).collect();
        let log = Log { files: names.len(), names, ..Log::default() };
        Ok(Arc::new(World { root, replay: Mutex::new(start.clone()), start, log: Mutex::new(log) }))
    }

    /// Plain files that are recorded and fail like SQLite's.
    pub fn disk(self: &Arc<World>) -> Arc<dyn Disk> {
        Arc::new(PlainDisk(Arc::clone(self)))
    }

    /// Puts a marker into the log: what a test was told is durable, it can then demand of every later position.
    pub fn mark(&self, label: u64) {
        self.log().ops.push(Op::Mark { label });
    }

    /// How many entries the log has; power can be lost after any number of them.
    pub fn position(&self) -> usize {
        self.log().ops.len()
    }

    /// The markers among the first `position` entries, in order.
    pub fn marks_before(&self, position: usize) -> Vec<u64> {
        let log = self.log();
        let mark = |op: &Op| {
            if let Op::Mark { label } = op { Some(*label) } else { None }
        };
        log.ops.iter().take(position).filter_map(mark).collect()
    }

    /// Lets something go wrong, besides what was asked for already.
    pub fn fail(&self, fault: Fault) {
        let mut log = self.log();
        let fault = match fault {
            Fault::NoSpace { at_write } => Fault::NoSpace { at_write: log.writes + at_write.max(1) },
            Fault::Torn { at_write } => Fault::Torn { at_write: log.writes + at_write.max(1) },
            Fault::SyncError { at_sync } => Fault::SyncError { at_sync: log.syncs + at_sync.max(1) },
        };
        log.faults.push(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.log().faults.clear();
    }

    /// How often each fault struck so far.
    pub fn fired(&self) -> Fired {
        self.log().fired
    }

    /// Writes so far, failed ones too.
    pub fn writes(&self) -> u64 {
        self.log().writes
    }

    /// Syncs of files and directories so far, failed ones too.
    pub fn syncs(&self) -> u64 {
        self.log().syncs
    }

    /// Puts what is left if power is lost after `position` entries into the directory `into`, which is created. Of what
    /// was not synced the seed decides. Quickest when positions ascend.
    pub fn lose_power(&self, position: usize, seed: u64, into: &Path) -> io::Result<()> {
        let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        let log = self.log();
        let position = position.min(log.ops.len());
        if position < replay.position() {
            *replay = self.start.clone();
        }
        replay.advance(&log.ops, position);
        replay.lose_power(&log.ops, seed, into)
    }

    /// The last entries before a position, in words, for the message of a test that fails there.
    pub fn story(&self, position: usize, entries: usize) -> String {
        let log = self.log();
        let end = position.min(log.ops.len());
        let tell = |op: &Op| match op {
            Op::Create { path } => format!("create {}", path.display()),
            Op::Write { file, offset, bytes } => format!("write file {file}: {} bytes at {offset}", bytes.len()),
            Op::Truncate { file, len } => format!("truncate file {file} to {len}"),
            Op::Sync { file, .. } => format!("sync file {file}"),
            Op::SyncFailed { file } => format!("sync file {file}: failed"),
            Op::Remove { path } => format!("remove {}", path.display()),
            Op::SyncDir { path } => format!("sync directory \"{}\"", path.display()),
            Op::Mark { label } => format!("mark {label}"),
        };
        log.ops[end.saturating_sub(entries)..end].iter().map(tell).collect::<Vec<_>>().join("\n")
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file's path as the log has it.
    pub(super) fn path(&self, path: &Path) -> io::Result<PathBuf> {
        match (path.parent(), path.file_name()) {
            (Some(dir), Some(name)) => Ok(self.dir(dir)?.join(name)),
            _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        }
    }

    fn dir(&self, path: &Path) -> io::Result<PathBuf> {
        let path = path.canonicalize()?;
        path.strip_prefix(&self.root)
            .map(Path::to_path_buf)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "outside of this world"))
    }

    // What follows records one operation each. The log stays locked while the operation is really done, so that the
    // order of its entries is the order on the disk.

    /// Creates a file; one that is there but was not created through this world is an error.
    pub(super) fn create<T>(&self, path: &Path, real: impl FnOnce() -> io::Result<T>) -> io::Result<(FileId, T)> {
        let mut log = self.log();
        if self.root.join(path).exists() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        log.check_space()?;
        let opened = real()?;
        log.ops.push(Op::Create { path: path.to_path_buf() });
        let file = log.files;
        log.files += 1;
        log.names.insert(path.to_path_buf(), file);
        Ok((file, opened))
    }

    /// The file that a name stands for now.
    pub(super) fn file(&self, path: &Path) -> io::Result<FileId> {
        self.log().names.get(path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Writes the part of the bytes that the faults leave.
    pub(super) fn write(
        &self,
        file: FileId,
        offset: u64,
        bytes: &[u8],
        real: impl FnOnce(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut log = self.log();
        log.writes += 1;
        log.check_space()?;
        let torn = log.tears();
        let part = if torn { &bytes[..bytes.len() / 2] } else { bytes };
        real(part)?;
        log.ops.push(Op::Write { file, offset, bytes: part.to_vec() });
        if torn { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(()) }
    }

    pub(super) fn truncate<E>(&self, file: FileId, len: u64, real: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut log = self.log();
        real()?;
        log.ops.push(Op::Truncate { file, len });
        Ok(())
    }

    /// Syncs a file, with a path also its directory entry.
    pub(super) fn sync(&self, file: FileId, path: Option<&Path>) -> io::Result<()> {
        let mut log = self.log();
        let result = log.check_sync();
        log.ops.push(match result {
            Ok(()) => Op::Sync { file, path: path.map(Path::to_path_buf) },
            Err(_) => Op::SyncFailed { file },
        });
        result
    }

    pub(super) fn remove<E>(&self, path: &Path, real: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut log = self.log();
        real()?;
        if log.names.remove(path).is_some() {
            log.ops.push(Op::Remove { path: path.to_path_buf() });
        }
        Ok(())
    }

    /// Records that the directory of a file was synced, as the unix VFS does unasked.
    pub(super) fn sync_parent(&self, path: &Path) {
        let path = path.parent().unwrap_or(Path::new("")).to_path_buf();
        self.log().ops.push(Op::SyncDir { path });
    }
}

struct PlainDisk(Arc<World>);

impl fmt::Debug for PlainDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainDisk")
    }
}

struct PlainFile {
    world: Arc<World>,
    file: FileId,
    real: fs::File,
}

impl Disk for PlainDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let name = self.0.path(path)?;
        let real = || fs::File::options().read(true).write(true).create_new(true).open(path);
        let (file, real) = self.0.create(&name, real)?;
        Ok(Box::new(PlainFile { world: Arc::clone(&self.0), file, real }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.0.file(&self.0.path(path)?)?;
        let real = fs::File::options().read(true).write(true).open(path)?;
        Ok(Box::new(PlainFile { world: Arc::clone(&self.0), file, real }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(&self.0.path(path)?, || fs::remove_file(path))
    }

    /// After an error it stays open which of the directory's changes are durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = self.0.dir(path)?;
        let mut log = self.0.log();
        log.check_sync()?;
        log.ops.push(Op::SyncDir { path });
        Ok(())
    }
}

impl DiskFile for PlainFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.world.write(self.file, offset, bytes, |part| FileExt::write_all_at(&self.real, part, offset))
    }

    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.real.read_bytes(offset, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.world.sync(self.file, None)
    }
}
