//! A disk that has room for so much in plain files.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use queen::store::disk::{Disk, DiskFile, System};

/// All files together have at most so many bytes.
#[derive(Debug, Clone)]
pub struct Quota {
    limit: u64,
    sizes: Arc<Mutex<HashMap<PathBuf, u64>>>,
}

impl Quota {
    pub fn of(limit: u64) -> Self {
        Self { limit, sizes: Arc::default() }
    }

    fn file(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(Counted(self.clone(), path.to_owned(), file))
    }
}

impl Disk for Quota {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        System.create(path).map(|file| self.file(path, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        System.open(path).map(|file| self.file(path, file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.sizes.lock().unwrap().remove(path);
        System.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        System.sync_dir(path)
    }
}

struct Counted(Quota, PathBuf, Box<dyn DiskFile>);

impl DiskFile for Counted {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut sizes = self.0.sizes.lock().unwrap();
        let before = sizes.get(&self.1).copied().unwrap_or(0);
        let after = before.max(offset + bytes.len() as u64);
        if sizes.values().sum::<u64>() - before + after > self.0.limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        sizes.insert(self.1.clone(), after);
        self.2.write_all_at(bytes, offset)
    }

    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.2.read_bytes(offset, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.2.sync_data()
    }
}
