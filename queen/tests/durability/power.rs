//! What is left after a loss of power: the log of a [`World`](super::world::World) replayed up to a position.
//!
//! A sector on the medium always holds what the page cache held for it at some moment since the last sync; which
//! moment is drawn. So neither the order of unsynced writes nor their wholeness can be relied on, but two writes to
//! one sector never come apart in a way no kernel would produce.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::world::{FileId, Op};

const SECTOR: usize = 512;

/// A small seeded generator (SplitMix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// How the unsynced changes of one file fare. Chances are in quarters, so that 4 is certain and 0 never.
struct Luck {
    rng: Rng,
    /// That a change reaches the medium.
    keep: usize,
    /// That a write which does is torn.
    tear: usize,
}

impl Luck {
    /// Every change arrives (`keep` 4), or none does (0).
    fn fixed(keep: usize) -> Luck {
        Luck { rng: Rng(0), keep, tear: 0 }
    }

    /// The chances are drawn as well, so that "all gone" and "all there" are as likely as anything between.
    fn drawn(rng: &mut Rng) -> Luck {
        Luck { keep: rng.below(5), tear: rng.below(4), rng: Rng(rng.next()) }
    }

    fn keeps(&mut self) -> bool {
        self.rng.below(4) < self.keep
    }

    fn tears(&mut self) -> bool {
        self.rng.below(4) < self.tear
    }
}

#[derive(Clone, Default)]
struct File {
    /// What the medium holds for certain.
    medium: Vec<u8>,
    /// What a read saw at the last sync. Where that sync failed it is ahead of the medium, and no longer dirty.
    cache: Vec<u8>,
    /// The writes and truncations since, as positions in the log.
    dirty: Vec<usize>,
}

impl File {
    /// Plays the dirty changes into the cache, and as many of them as luck will have onto the medium.
    fn settle(&mut self, log: &[Op], mut luck: Luck) {
        for at in std::mem::take(&mut self.dirty) {
            match &log[at] {
                Op::Write { offset, bytes, .. } => self.write(*offset as usize, bytes, &mut luck),
                Op::Truncate { len, .. } => {
                    self.cache.resize(*len as usize, 0);
                    if luck.keeps() {
                        self.medium.resize(*len as usize, 0);
                    }
                }
                _ => {}
            }
        }
    }

    fn write(&mut self, start: usize, bytes: &[u8], luck: &mut Luck) {
        let end = start + bytes.len();
        grow(&mut self.cache, end);
        self.cache[start..end].copy_from_slice(bytes);
        // The new length may become durable without the bytes, which then read as zeros.
        if luck.keeps() {
            grow(&mut self.medium, end);
        }
        if !luck.keeps() {
            return;
        }
        let torn = luck.tears();
        for sector in (start / SECTOR * SECTOR..end).step_by(SECTOR) {
            if torn && luck.rng.below(2) == 0 {
                continue;
            }
            let sector_end = self.cache.len().min(sector + SECTOR);
            grow(&mut self.medium, sector_end);
            self.medium[sector..sector_end].copy_from_slice(&self.cache[sector..sector_end]);
        }
    }
}

fn grow(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
}

/// The medium at one position of the log, with all that is still in the air there.
#[derive(Clone, Default)]
pub(super) struct Medium {
    position: usize,
    /// By [`FileId`]; a removed file stays, for its removal may not be durable.
    files: Vec<File>,
    /// What each name stood for since its directory was last synced: first what is durable, last what is seen.
    names: BTreeMap<PathBuf, Vec<Option<FileId>>>,
    /// Directories are taken to be durable.
    dirs: BTreeSet<PathBuf>,
}

impl Medium {
    /// Takes everything below a directory as durable.
    pub(super) fn found(root: &Path) -> io::Result<Medium> {
        let mut medium = Medium::default();
        medium.find(root, Path::new(""))?;
        Ok(medium)
    }

    fn find(&mut self, root: &Path, dir: &Path) -> io::Result<()> {
        self.dirs.insert(dir.to_path_buf());
        for entry in fs::read_dir(root.join(dir))? {
            let entry = entry?;
            let path = dir.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.find(root, &path)?;
            } else if !path.to_string_lossy().ends_with("-shm") {
                let bytes = fs::read(entry.path())?;
                self.names.insert(path, vec![Some(self.files.len())]);
                self.files.push(File { cache: bytes.clone(), medium: bytes, dirty: Vec::new() });
            }
        }
        Ok(())
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The files as they are seen.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, FileId)> {
        self.names.iter().filter_map(|(path, states)| Some((path, states.last().copied()??)))
    }

    /// Replays the log up to a position, which must not be behind.
    pub(super) fn advance(&mut self, log: &[Op], position: usize) {
        for (at, op) in log.iter().enumerate().take(position).skip(self.position) {
            match op {
                Op::Create { path } => {
                    self.name(path, Some(self.files.len()));
                    self.files.push(File::default());
                }
                Op::Write { file, .. } | Op::Truncate { file, .. } => self.files[*file].dirty.push(at),
                Op::Sync { file, path } => {
                    let synced = &mut self.files[*file];
                    synced.settle(log, Luck::fixed(4));
                    synced.medium.resize(synced.cache.len(), 0);
                    if let Some(states) = path.as_ref().and_then(|path| self.names.get_mut(path))
                        && states.last() == Some(&Some(*file))
                    {
                        *states = vec![Some(*file)];
                    }
                }
                Op::SyncFailed { file } => self.files[*file].settle(log, Luck::fixed(0)),
                Op::Remove { path } => self.name(path, None),
                Op::SyncDir { path } => {
                    for (_, states) in self.names.iter_mut().filter(|(name, _)| name.parent() == Some(path)) {
                        states.drain(..states.len() - 1);
                    }
                    self.names.retain(|_, states| *states != [None]);
                }
                Op::Mark { .. } => {}
            }
        }
        self.position = position;
    }

    fn name(&mut self, path: &Path, file: Option<FileId>) {
        self.dirs.extend(path.parent().map(Path::to_path_buf));
        self.names.entry(path.to_path_buf()).or_insert_with(|| vec![None]).push(file);
    }

    /// Loses power here, and puts what is left into a new directory.
    pub(super) fn lose_power(&self, log: &[Op], seed: u64, into: &Path) -> io::Result<()> {
        fs::create_dir(into)?;
        for dir in &self.dirs {
            // Others may not write there, whatever they may by default.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(into.join(dir))?;
        }
        let mut rng = Rng(Rng(seed).next() ^ self.position as u64);
        for (path, states) in &self.names {
            let Some(file) = states[rng.below(states.len())] else {
                continue;
            };
            let file = &self.files[file];
            let luck = Luck::drawn(&mut rng);
            if file.dirty.is_empty() {
                fs::write(into.join(path), &file.medium)?;
            } else {
                let mut file = file.clone();
                file.settle(log, luck);
                fs::write(into.join(path), &file.medium)?;
            }
        }
        Ok(())
    }
}
