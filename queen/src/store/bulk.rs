//! Bulk bytes: one file for each large task, its input segments first, its results behind them.
//!
//! A file belongs to the one task whose record names its number. Inputs are appended and
//! synced before that record is committed, and never change. The result of index `i` lies at
//! a place of its own, `i` widths behind the inputs; it is synced before the record that says
//! that it is there. So whatever a record refers to is on disk, and a file without a record
//! is left over from an upload or a removal that was cut off: it is removed at the next start.
//!
//! Results that replace suspect ones are written over them. They may be as soon as the records on
//! disk call those suspect: a loss of power may leave anything in their place.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use wire::blob::SharedBlob;

use super::disk::{Disk, DiskFile};
use super::error::StoreError;
use crate::crash;
use crate::work::inputs::{Extent, Large};
use crate::work::results::Piece;

/// An upload is synced each time that it has grown by so many bytes, so that its end does
/// not wait for all of it.
const SYNC_EVERY: u64 = 8 << 20;

/// The folder of all bulk files.
#[derive(Debug)]
pub struct Bulk {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    /// The number of the next file; numbers of different starts differ.
    next: AtomicU64,
}

/// Results that belong into a file.
#[derive(Debug, Clone)]
pub struct FileResults {
    /// Its number.
    pub file: u64,
    /// What is in front of them there.
    pub large: Arc<Large>,
    /// The results.
    pub piece: Piece,
}

/// A file that no record names yet; dropped, it is removed.
pub struct NewFile {
    bulk: Arc<Bulk>,
    number: u64,
    file: Box<dyn DiskFile>,
    written: u64,
    synced: u64,
    is_kept: bool,
}

impl Bulk {
    /// The files in `folder`, new ones numbered from `next` on.
    pub fn new(folder: PathBuf, disk: Arc<dyn Disk>, next: u64) -> Arc<Self> {
        Arc::new(Self { folder, disk, next: AtomicU64::new(next) })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a file is.
    pub fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016x}"))
    }

    /// How long a file may become at most, in bytes.
    pub fn largest_file(&self) -> u64 {
        self.disk.largest_file()
    }

    /// How long a file is, in bytes.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn length(&self, number: u64) -> std::io::Result<u64> {
        self.disk.length(&self.path(number))
    }

    /// Begins a file.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn begin(self: &Arc<Self>) -> Result<NewFile, StoreError> {
        let number = self.next.fetch_add(1, Relaxed);
        let path = self.path(number);
        let file = self.disk.create(&path).map_err(StoreError::io(&path))?;
        Ok(NewFile { bulk: Arc::clone(self), number, file, written: 0, synced: 0, is_kept: false })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn open(&self, number: u64) -> Result<Box<dyn DiskFile>, StoreError> {
        let path = self.path(number);
        self.disk.open(&path).map_err(StoreError::io(&path))
    }

    /// Reads a segment of inputs.
    ///
    /// # Errors
    /// If the file system refuses, or if it is not what was written.
    pub fn segment(&self, number: u64, extent: &Extent) -> Result<SharedBlob, StoreError> {
        let layout = Bytes::from(self.read(number, extent.offset, extent.bytes as usize)?);
        let damaged = |what: String| StoreError::Damaged {
            path: self.path(number),
            what: format!("the inputs at byte {}: {what}", extent.offset),
        };
        if crc32fast::hash(&layout) != extent.crc {
            return Err(damaged("their checksum is wrong".into()));
        }
        SharedBlob::parse(&layout).map_err(|error| damaged(error.to_string()))
    }

    /// Reads results of `width` bytes that are there.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn results(&self, number: u64, large: &Large, range: &Range<u64>, width: usize) -> Result<Piece, StoreError> {
        let length = (range.end - range.start) as usize * width;
        let bytes = self.read(number, result_offset(large, range.start, width), length)?.into();
        Ok(Piece { range: range.clone(), bytes })
    }

    /// Makes results durable. The records that say that they are there may be committed then.
    ///
    /// # Errors
    /// If not all of them are. All have to be written anew then: after a failed sync the system may
    /// have dropped what was written before it.
    pub fn write_results(&self, results: &[FileResults]) -> Result<(), StoreError> {
        let mut files = BTreeMap::new();
        for FileResults { file: number, large, piece } in results {
            let file = match files.entry(*number) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(closed) => closed.insert(self.open(*number)?),
            };
            let offset = result_offset(large, piece.range.start, piece.width());
            file.write_all_at(&piece.bytes, offset).map_err(StoreError::io(&self.path(*number)))?;
        }
        if !files.is_empty() {
            crash::point("result-written");
        }
        for (number, file) in &files {
            file.sync_data().map_err(StoreError::io(&self.path(*number)))?;
        }
        if !files.is_empty() {
            crash::point("result-synced");
        }
        Ok(())
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn remove(&self, number: u64) -> Result<(), StoreError> {
        let path = self.path(number);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(&path)(error)),
            _ => Ok(()),
        }
    }

    /// The numbers of all files that are there.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn numbers(&self) -> Result<BTreeSet<u64>, StoreError> {
        let names = self.disk.list(&self.folder).map_err(StoreError::io(&self.folder))?;
        let numbers = names.iter().filter_map(|name| u64::from_str_radix(name.to_str()?, 16).ok());
        Ok(numbers.collect())
    }

    fn read(&self, number: u64, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.open(number)?.read_bytes(offset, length).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => StoreError::Damaged {
                path: self.path(number),
                what: format!("it ends before byte {}", offset + length as u64),
            },
            _ => StoreError::io(&self.path(number))(error),
        })
    }
}

/// Where the result of `index` lies.
pub(super) fn result_offset(large: &Large, index: u64, width: usize) -> u64 {
    large.bytes() + index * width as u64
}

impl NewFile {
    /// Appends bytes; says where they begin.
    ///
    /// # Errors
    /// If the file system refuses; the file is of no use then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, StoreError> {
        let path = self.bulk.path(self.number);
        let offset = self.written;
        self.file.write_all_at(bytes, offset).map_err(StoreError::io(&path))?;
        self.written += bytes.len() as u64;
        crash::point("upload-written");
        if self.written - self.synced >= SYNC_EVERY {
            self.file.sync_data().map_err(StoreError::io(&path))?;
            self.synced = self.written;
        }
        Ok(offset)
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    /// If the file system refuses; the file is of no use then.
    pub fn seal(&mut self) -> Result<(), StoreError> {
        let path = self.bulk.path(self.number);
        self.file.sync_data().map_err(StoreError::io(&path))?;
        match self.bulk.length(self.number) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Gone { path }),
            Err(error) => return Err(StoreError::io(&path)(error)),
        }
        let folder = &self.bulk.folder;
        self.bulk.disk.sync_dir(folder).map_err(StoreError::io(folder))?;
        crash::point("upload-synced");
        Ok(())
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// A record will name it: it stays.
    pub fn persist(mut self) {
        self.is_kept = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = self.bulk.remove(self.number)
        {
            tracing::warn!(%error, "what is left of an upload will be removed at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::blob::BlobBuf;

    use super::super::disk::System;
    use super::*;

    #[test]
    fn inputs_and_results_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let bulk = Bulk::new(folder.path().into(), Arc::new(System), 7);
        let mut new = bulk.begin().unwrap();
        let blob: BlobBuf = ["honey", "wax"].iter().collect();
        let mut layout = Vec::new();
        blob.as_blob().write(&mut layout);
        let offset = new.append(&layout).unwrap();
        let bytes = layout.len() as u32;
        let extent = Extent { end: 2, offset, bytes, crc: crc32fast::hash(&layout), cost: 2 };
        new.seal().unwrap();
        let number = new.number();
        new.persist();
        let large = Large { segments: [extent].into(), file: Some(number) };
        let file = bulk.open(number).unwrap();
        file.write_all_at(b"bb", result_offset(&large, 1, 2)).unwrap();
        assert_eq!(bulk.results(number, &large, &(1..2), 2).unwrap().bytes, "bb");
        assert!(bulk.segment(number, &extent).unwrap().as_blob().iter().eq([&b"honey"[..], b"wax"]));
        let short = bulk.results(number, &large, &(1..3), 2).unwrap_err();
        assert!(short.to_string().contains("ends before"), "{short}");
        file.write_all_at(b"x", 14).unwrap();
        let damaged = bulk.segment(number, &extent).unwrap_err();
        assert!(damaged.to_string().contains("checksum"), "{damaged}");
    }

    #[test]
    fn an_upload_that_ends_early_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let bulk = Bulk::new(folder.path().into(), Arc::new(System), 1);
        let mut new = bulk.begin().unwrap();
        new.append(b"half").unwrap();
        assert_eq!(bulk.numbers().unwrap().len(), 1);
        drop(new);
        assert!(bulk.numbers().unwrap().is_empty());
        bulk.remove(1).unwrap();
    }
}
