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

/// Why a chunk is no search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Its algorithm is neither [`Sha256`](Algorithm::Sha256) nor [`Sha256d`](Algorithm::Sha256d).
    #[error("this Drone searches with SHA-256 and SHA-256d alone")]
    Algorithm,
    /// Its material is no values, or stands for none, or not for all of them.
    #[error("its material is not the values that it looks for")]
    Material,
}

impl SharedSearch {
    /// Keeps a search that was decoded from `frame`, without copying its bytes. Where it has `material`, that is the
    /// values that it looks for.
    ///
    /// # Errors
    /// If it is no search.
    ///
    /// # Panics
    /// If `chunk` does not borrow from `frame`.
    pub fn within(frame: &Bytes, chunk: &SearchChunk<'_>, material: Option<&Bytes>) -> Result<Self, SearchError> {
        let is_twice = match chunk.algorithm {
            Algorithm::Sha256 => false,
            Algorithm::Sha256d => true,
            Algorithm::HmacSha256 { .. } | Algorithm::Pbkdf2HmacSha256 { .. } => return Err(SearchError::Algorithm),
        };
        let candidates = match chunk.candidates {
            Candidates::Mask(sets) => SharedCandidates::Mask(SharedBlob::within(frame, sets)),
            Candidates::Counter { from, format } => SharedCandidates::Counter { from, format },
        };
        let sieve = match (chunk.sieve, material) {
            (Sieve::Targets { word, bits, values }, None) => {
                SharedSieve::Targets { word, bits, values: frame.slice_ref(values.bytes()) }
            }
            (Sieve::Targets { word, bits, values }, Some(material))
                if values.is_empty() && Values::parse(material).is_some() =>
            {
                SharedSieve::Targets { word, bits, values: material.clone() }
            }
            (Sieve::Interval { order, marks, hits }, None) => SharedSieve::Interval { order, marks, hits },
            (_, Some(_)) => return Err(SearchError::Material),
        };
        let (prefix, suffix) = (frame.slice_ref(chunk.prefix), frame.slice_ref(chunk.suffix));
        Ok(Self { is_twice, candidates, first: chunk.first, items: chunk.items, prefix, suffix, sieve })
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
