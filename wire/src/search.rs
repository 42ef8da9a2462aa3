//! A search that outlives the message that brought it.

use bytes::Bytes;

use crate::blob::SharedBlob;
use crate::sieve::{Digest, DigestOrder, Sieve, Values, Word};
use crate::space::{Candidates, CounterFormat};
use crate::work::{Algorithm, SearchChunk};

/// An immutable search that owns its bytes; clones share them. It has one of the algorithms that need no key.
#[derive(Debug, Clone)]
pub struct SharedSearch {
    is_twice: bool,
    candidates: SharedCandidates,
    first: u64,
    items: u64,
    prefix: Bytes,
    suffix: Bytes,
    sieve: SharedSieve,
}

#[derive(Debug, Clone)]
enum SharedCandidates {
    Mask(SharedBlob),
    Counter { from: u64, format: CounterFormat },
}

#[derive(Debug, Clone)]
enum SharedSieve {
    Targets { word: Word, bits: u8, values: Bytes },
    Interval { order: DigestOrder, marks: (u64, u64), hits: (Digest, Digest) },
}

impl SharedSearch {
    /// Keeps a search that was decoded from `frame`, without copying its bytes; `None` if its algorithm is neither
    /// [`Sha256`](Algorithm::Sha256) nor [`Sha256d`](Algorithm::Sha256d).
    ///
    /// # Panics
    /// If `chunk` does not borrow from `frame`.
    pub fn within(frame: &Bytes, chunk: &SearchChunk<'_>) -> Option<Self> {
        let is_twice = match chunk.algorithm {
            Algorithm::Sha256 => false,
            Algorithm::Sha256d => true,
            Algorithm::HmacSha256 { .. } | Algorithm::Pbkdf2HmacSha256 { .. } => return None,
        };
        let candidates = match chunk.candidates {
            Candidates::Mask(sets) => SharedCandidates::Mask(SharedBlob::within(frame, sets)),
            Candidates::Counter { from, format } => SharedCandidates::Counter { from, format },
        };
        let sieve = match chunk.sieve {
            Sieve::Targets { word, bits, values } => {
                SharedSieve::Targets { word, bits, values: frame.slice_ref(values.bytes()) }
            }
            Sieve::Interval { order, marks, hits } => SharedSieve::Interval { order, marks, hits },
        };
        let (prefix, suffix) = (frame.slice_ref(chunk.prefix), frame.slice_ref(chunk.suffix));
        Some(Self { is_twice, candidates, first: chunk.first, items: chunk.items, prefix, suffix, sieve })
    }

    /// The search.
    pub fn as_chunk(&self) -> SearchChunk<'_> {
        SearchChunk {
            algorithm: if self.is_twice { Algorithm::Sha256d } else { Algorithm::Sha256 },
            candidates: match &self.candidates {
                SharedCandidates::Mask(sets) => Candidates::Mask(sets.as_blob()),
                SharedCandidates::Counter { from, format } => Candidates::Counter { from: *from, format: *format },
            },
            first: self.first,
            items: self.items,
            prefix: &self.prefix,
            suffix: &self.suffix,
            sieve: match &self.sieve {
                SharedSieve::Targets { word, bits, values } => {
                    Sieve::Targets { word: *word, bits: *bits, values: Values::known(values) }
                }
                SharedSieve::Interval { order, marks, hits } => {
                    Sieve::Interval { order: *order, marks: *marks, hits: *hits }
                }
            },
        }
    }
}
