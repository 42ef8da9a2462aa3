//! Bytes that are replaced as a whole, and are there as they were or as they are to be, whatever happens in between.
//!
//! They lie in two files, of which the older one is written. Each begins with a head:
//!
//! ```text
//! magic "HIVEFILE" | number u64 | length u64 | CRC-32 of number, length and bytes u32 | bytes
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::error::StoreError;

const MAGIC: &[u8; 8] = b"HIVEFILE";
const HEAD: usize = 28;

/// The most bytes that are read.
const MOST: u64 = 64 << 20;

/// Two files of which the newer one that is whole counts.
#[derive(Debug)]
pub struct WholeFile {
    folder: PathBuf,
    paths: [PathBuf; 2],
    disk: Arc<dyn Disk>,
    /// The number of what was written last.
    number: u64,
    /// Which of the files is written next.
    next: usize,
}

/// What was found of it.
pub struct Found {
    /// The newest bytes.
    pub bytes: Option<Vec<u8>>,
    /// What is wrong with files that are left out.
    pub faults: Vec<StoreError>,
}

impl WholeFile {
    /// In these two files of a folder, which may be there or not.
    pub(super) fn new(folder: &Path, names: [&str; 2], disk: Arc<dyn Disk>) -> Self {
        Self { folder: folder.to_owned(), paths: names.map(|name| folder.join(name)), disk, number: 0, next: 0 }
    }

    /// Reads the newest; what is damaged is left out, and written over next.
    pub fn read(&mut self) -> Found {
        let mut found = Found { bytes: None, faults: Vec::new() };
        for (at, path) in self.paths.iter().enumerate() {
            match read(&*self.disk, path) {
                Ok(Some((number, bytes))) if number > self.number => {
                    (self.number, self.next) = (number, 1 - at);
                    found.bytes = Some(bytes);
                }
                Ok(_) => {}
                Err(fault) => found.faults.push(fault),
            }
        }
        found
    }

    /// Replaces it; it is durable then. Blocks.
    ///
    /// # Errors
    /// If the file system refuses. What was there before is still there.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let path = &self.paths[self.next];
        let number = self.number.saturating_add(1);
        let whole = whole(number, bytes);
        remove(&*self.disk, path)?;
        let written = self.disk.create(path).and_then(|file| {
            file.write_all_at(&whole, 0)?;
            file.sync_data()
        });
        written.map_err(StoreError::io(path))?;
        self.disk.sync_dir(&self.folder).map_err(StoreError::io(&self.folder))?;
        (self.number, self.next) = (number, 1 - self.next);
        Ok(())
    }
}

/// A file with these bytes.
pub(super) fn whole(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(HEAD + bytes.len());
    whole.extend(MAGIC);
    whole.extend(number.to_le_bytes());
    whole.extend((bytes.len() as u64).to_le_bytes());
    whole.extend(checksum(&whole[MAGIC.len()..], bytes).to_le_bytes());
    whole.extend(bytes);
    whole
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(path)(error)),
        _ => Ok(()),
    }
}

/// The number and the bytes of one file; `None` if it is not there.
fn read(disk: &dyn Disk, path: &Path) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let damaged = |what: &str| StoreError::Damaged { path: path.to_owned(), what: what.into() };
    let length = match disk.length(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        length => length.map_err(StoreError::io(path))?,
    };
    if length > MOST {
        return Err(damaged("it is too long"));
    }
    let file = disk.open(path).map_err(StoreError::io(path))?;
    let mut bytes = file.read_bytes(0, length as usize).map_err(StoreError::io(path))?;
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Err(damaged("it ends early")) };
    let number = |at: usize| head[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let said = head[HEAD - 4..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let numbers = &head[MAGIC.len()..HEAD - 4];
    if !head.starts_with(MAGIC) || number(16) != rest.len() as u64 || checksum(numbers, rest) != said {
        return Err(damaged("its checksum is wrong, or it is something else"));
    }
    let number = number(8);
    bytes.drain(..HEAD);
    Ok(Some((number, bytes)))
}

fn checksum(numbers: &[u8], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(numbers);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::disk::System;
    use super::super::memory_disk::MemoryDisk;
    use super::*;

    fn open(folder: &Path) -> WholeFile {
        WholeFile::new(folder, ["a", "b"], Arc::new(System))
    }

    #[test]
    fn the_newest_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path()).read().bytes.is_none());
        for count in 0..5_u8 {
            let mut file = open(folder.path());
            let found = file.read();
            assert_eq!((found.bytes, found.faults.len()), (count.checked_sub(1).map(|last| vec![last; 9]), 0));
            file.write(&[count; 9]).unwrap();
        }
        let disk = Arc::new(MemoryDisk::default());
        let in_memory = || WholeFile::new(Path::new("/memory"), ["a", "b"], disk.clone());
        in_memory().write(b"honey").unwrap();
        assert_eq!(in_memory().read().bytes.unwrap(), b"honey");
    }

    #[test]
    fn what_is_damaged_is_left_out_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        (1..=4_u8).for_each(|count| file.write(&[count; 9]).unwrap());
        let newest = folder.path().join("b");
        let whole = fs::read(&newest).unwrap();
        for at in 0..=whole.len() {
            let damaged = match whole.get(at) {
                Some(byte) => [&whole[..at], &[!byte], &whole[at + 1..]].concat(),
                None => whole[..at - 1].to_vec(),
            };
            fs::write(&newest, damaged).unwrap();
            let mut file = open(folder.path());
            let found = file.read();
            assert_eq!((found.bytes.as_deref(), found.faults.len()), (Some(&[3; 9][..]), 1), "{at}");
            file.write(&[4; 9]).unwrap();
            assert_eq!(open(folder.path()).read().bytes.unwrap(), [4; 9]);
        }
    }
}
