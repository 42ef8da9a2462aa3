//! Resumable computations: one [`Job`] per lease, advanced in short steps.
//!
//! A job knows its inputs, how far it is and what it has found out but not yet given away.
//! It never blocks and never looks at a clock: whoever steps it decides when to stop, so
//! that cancellation and more urgent work wait for one step at most, in the middle of a
//! long input or of PBKDF2's iterations too.

mod digest;
mod portable;
pub(crate) mod selftest;
mod sha256;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use wire::work::{Chunk, ChunkOutput, Digests, Kind};

/// The work of one lease. Items are numbered from 0, whatever the lease's first index is.
pub(crate) trait Job: Send {
    /// The kind of work.
    fn kind(&self) -> Kind;

    /// Items wanted.
    fn total(&self) -> u64;

    /// Items computed.
    fn done(&self) -> u64;

    /// Bytes of results that wait for [`collect`](Self::collect).
    fn uncollected(&self) -> usize;

    /// Takes away all items from `total` on, computed or not; a larger total changes nothing.
    fn shrink(&mut self, total: u64);

    /// Computes for about `compressions` SHA-256 compressions, a few more at most. Returns how
    /// many it took.
    fn step(&mut self, compressions: u64) -> u64;

    /// Gives away the results of the items that were computed since the last time.
    fn collect(&mut self) -> Output;

    /// Whether no item is left to compute.
    fn is_finished(&self) -> bool {
        self.done() >= self.total()
    }
}

/// The results of consecutive items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// [`Kind::DIGEST`]: digests of 32 bytes, one after the other.
    Digests(Vec<u8>),
}

impl Output {
    /// How many items' results these are.
    pub(crate) fn items(&self) -> u64 {
        match self {
            Self::Digests(bytes) => (bytes.len() / Digests::SIZE) as u64,
        }
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Digests(bytes) => bytes.len(),
        }
    }

    /// Forgets all but the first `items` items' results.
    pub(crate) fn truncate(&mut self, items: u64) {
        match self {
            Self::Digests(bytes) => {
                bytes.truncate(usize::try_from(items).unwrap_or(usize::MAX).saturating_mul(Digests::SIZE));
            }
        }
    }

    /// As it goes onto the wire.
    pub(crate) fn as_wire(&self) -> Option<ChunkOutput<'_>> {
        match self {
            Self::Digests(bytes) => Digests::new(bytes).map(ChunkOutput::Digests),
        }
    }
}

/// Makes the job of a chunk that was decoded from `frame`; keeps `frame`'s bytes, not a copy.
///
/// # Errors
/// If the chunk cannot be computed, with the reason for people.
pub(crate) fn job(frame: &Bytes, chunk: &Chunk<'_>) -> Result<Box<dyn Job>, String> {
    match chunk {
        Chunk::Digest(chunk) => Ok(Box::new(digest::DigestJob::new(frame, chunk)?)),
    }
}
