//! A resumable computation, and what comes out of it.

use std::ops::Range;

use bytes::Bytes;
use wire::work::{ChunkOutput, Digests};

use super::kernels::Kernels;

/// The work of one lease. Items are numbered from 0, whatever the lease's first index is.
pub trait Job: Send {
    /// Items wanted.
    fn total(&self) -> u64;

    /// SHA-256 compressions that all of it takes, estimated at once and from above; 0 if there are
    /// no items.
    fn cost(&self) -> u64;

    /// Items computed.
    fn done(&self) -> u64;

    /// Bytes of results that wait for [`collect`](Self::collect).
    fn uncollected(&self) -> usize;

    /// Takes away all items from `total` on, computed or not; a larger total changes nothing.
    fn shrink(&mut self, total: u64);

    /// Computes for about `compressions` SHA-256 compressions, at most a few more for each lane.
    /// Returns how many it took. Each step may be given other kernels.
    fn step(&mut self, kernels: &Kernels, compressions: u64) -> u64;

    /// Gives away the results of the items that were computed since the last time.
    fn collect(&mut self) -> Output;

    /// Whether no item is left to compute.
    fn is_finished(&self) -> bool {
        self.done() >= self.total()
    }
}

/// The results of consecutive items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// [`Kind::DIGEST`](wire::work::Kind::DIGEST): digests of 32 bytes, one after the other.
    Digests(Bytes),
}

impl Output {
    /// How many items' results these are.
    pub fn items(&self) -> u64 {
        match self {
            Self::Digests(bytes) => (bytes.len() / Digests::SIZE) as u64,
        }
    }

    /// How many bytes these are.
    pub fn size(&self) -> usize {
        match self {
            Self::Digests(bytes) => bytes.len(),
        }
    }

    /// The results of the items numbered `range` of these, sharing the bytes.
    ///
    /// # Panics
    /// If `range` is not within `0..self.items()`.
    pub fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Digests(bytes) => {
                let at = |item: u64| item as usize * Digests::SIZE;
                Self::Digests(bytes.slice(at(range.start)..at(range.end)))
            }
        }
    }

    /// As it goes onto the wire; `None` if the last digest is cut off, which no job does.
    pub fn as_wire(&self) -> Option<ChunkOutput<'_>> {
        match self {
            Self::Digests(bytes) => Digests::new(bytes).map(ChunkOutput::Digests),
        }
    }
}
