//! A disk in memory, which ends with the process.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::disk::{Disk, DiskFile};

/// Bytes that are allocated at a time: few, since each file has on average half a block that is not used.
const BLOCK: usize = 16 << 10;

/// Files by their paths. Folders exist as soon as something is in them.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    files: Mutex<HashMap<PathBuf, Arc<MemoryFile>>>,
}

/// A file, which stays readable for whoever has it open when it is removed.
#[derive(Debug, Default)]
struct MemoryFile {
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
struct Content {
    length: u64,
    /// Those in which nothing was written are zeros, as in a sparse file.
    blocks: Vec<Option<Box<[u8]>>>,
}

impl MemoryDisk {
    fn files(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<MemoryFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, path: &Path) -> io::Result<Arc<MemoryFile>> {
        self.files().get(path).map(Arc::clone).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for MemoryDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut files = self.files();
        if files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        files.insert(path.to_owned(), Arc::clone(&file));
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.find(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        // The bytes of a large file are freed behind the lock.
        let removed = self.files().remove(path);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let files = self.files();
        let inside = files.keys().filter(|file| file.parent() == Some(path));
        Ok(inside.filter_map(|file| Some(file.file_name()?.to_owned())).collect())
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let file = self.find(path)?;
        let content = file.content.read().unwrap_or_else(PoisonError::into_inner);
        Ok(content.length)
    }

    fn free(&self, _path: &Path) -> u64 {
        u64::MAX
    }
}

impl DiskFile for Arc<MemoryFile> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.content.write().unwrap_or_else(PoisonError::into_inner).write(bytes, offset);
        Ok(())
    }

    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.content.read().unwrap_or_else(PoisonError::into_inner).read(offset, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Content {
    fn write(&mut self, mut bytes: &[u8], mut offset: u64) {
        let end = offset + bytes.len() as u64;
        self.length = self.length.max(end);
        let blocks = end.div_ceil(BLOCK as u64) as usize;
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks, None);
        }
        while !bytes.is_empty() {
            let (number, at) = place(offset);
            let (here, rest) = bytes.split_at(bytes.len().min(BLOCK - at));
            let block = self.blocks[number].get_or_insert_with(|| vec![0; BLOCK].into());
            block[at..at + here.len()].copy_from_slice(here);
            offset += here.len() as u64;
            bytes = rest;
        }
    }

    fn read(&self, mut offset: u64, length: usize) -> io::Result<Vec<u8>> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let (number, at) = place(offset);
            let here = (length - bytes.len()).min(BLOCK - at);
            match &self.blocks[number] {
                Some(block) => bytes.extend_from_slice(&block[at..at + here]),
                None => bytes.resize(bytes.len() + here, 0),
            }
            offset += here as u64;
        }
        Ok(bytes)
    }
}

/// The block in which a byte is, and where it is there.
fn place(offset: u64) -> (usize, usize) {
    ((offset / BLOCK as u64) as usize, (offset % BLOCK as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sparse_and_outlive_their_names() {
        let disk = MemoryDisk::default();
        let [path, other] = ["/memory/bulk/1", "/memory/ballast"].map(Path::new);
        assert_eq!(disk.open(path).err().unwrap().kind(), io::ErrorKind::NotFound);
        let file = disk.create(path).unwrap();
        assert_eq!(disk.create(path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        disk.create(other).unwrap();
        assert_eq!(disk.list(Path::new("/memory/bulk")).unwrap(), ["1"]);
        let long: Vec<u8> = (0..3 * BLOCK).map(|index| index as u8).collect();
        file.write_all_at(&long, 5 * BLOCK as u64 - 7).unwrap();
        file.write_all_at(b"honey", 3).unwrap();
        assert_eq!(disk.length(path).unwrap(), 8 * BLOCK as u64 - 7);
        let again = disk.open(path).unwrap();
        assert_eq!(again.read_bytes(5 * BLOCK as u64 - 7, long.len()).unwrap(), long);
        assert_eq!(again.read_bytes(1, 9).unwrap(), b"\0\0honey\0\0");
        assert_eq!(again.read_bytes(2 * BLOCK as u64 - 1, BLOCK).unwrap(), vec![0; BLOCK]);
        let past = again.read_bytes(8 * BLOCK as u64 - 8, 2).unwrap_err();
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
        disk.remove(path).unwrap();
        assert_eq!(disk.remove(path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(again.read_bytes(3, 5).unwrap(), b"honey");
    }
}
