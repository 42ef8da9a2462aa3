//! Bulk files that stand still, or cannot be opened, while a test wants it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};

use queen::store::disk::{Disk, DiskFile, System};

/// What a gate holds up while it is closed; what is opened then is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Held {
    #[default]
    Nothing,
    Reads,
    Writes,
    Opens,
}

/// Bulk files whose reads or writes stand still for a while.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<Held>, Condvar)>, Arc<AtomicUsize>);

impl Gate {
    pub fn set(&self, held: Held) {
        *self.0.0.lock().unwrap() = held;
        self.0.1.notify_all();
    }

    /// How often a file was not opened.
    pub fn refused(&self) -> usize {
        self.1.load(Relaxed)
    }

    fn pass(&self, held: Held) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |now| *now == held).unwrap());
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(GatedFile(self.clone(), file))
    }
}

impl Disk for Gate {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        System.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if *self.0.0.lock().unwrap() == Held::Opens {
            self.1.fetch_add(1, Relaxed);
            return Err(io::Error::other("too many open files"));
        }
        System.open(path).map(|file| self.file(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        System.sync_dir(path)
    }
}

struct GatedFile(Gate, Box<dyn DiskFile>);

impl DiskFile for GatedFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.pass(Held::Writes);
        self.1.write_all_at(bytes, offset)
    }

    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.0.pass(Held::Reads);
        self.1.read_bytes(offset, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.sync_data()
    }
}
