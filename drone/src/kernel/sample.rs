//! Work that no Queen sent: for tests, and for measuring.

use std::collections::BTreeSet;

use bytes::Bytes;
use wire::blob::BlobBuf;
use wire::sieve::{Sieve, Values, Word, low_bits};
use wire::space::Candidates;
use wire::work::{Algorithm, Chunk, Class, DigestChunk, SearchChunk};

use super::chunk;
use super::job::Job;

/// What is to be computed, as it would come in a frame.
#[derive(Debug, Clone)]
pub struct Sample(pub(super) Bytes);

impl Sample {
    /// Puts strings into a frame, and what to do to them.
    ///
    /// # Errors
    /// If they do not fit into one, with the reason for people.
    pub fn new(algorithm: Algorithm<'_>, inputs: &BlobBuf) -> Result<Self, String> {
        Self::of(&Chunk::Digest(DigestChunk { algorithm, inputs: inputs.as_blob() }))
    }

    /// Puts a search into a frame.
    ///
    /// # Errors
    /// If it does not fit into one, with the reason for people.
    pub fn of_search(search: SearchChunk<'_>) -> Result<Self, String> {
        Self::of(&Chunk::Search(search))
    }

    /// A search of `items` candidates, from the first one on, for so many digests. As where a Queen leases it, about
    /// one candidate in two million is a mark.
    ///
    /// # Errors
    /// As [`of_search`](Self::of_search).
    pub fn search(
        algorithm: Algorithm<'_>,
        candidates: Candidates<'_>,
        items: u64,
        [prefix, suffix]: [usize; 2],
        targets: u64,
    ) -> Result<Self, String> {
        let bits = (21 + targets.max(1).ilog2()) as u8;
        // Multiples of an odd number are as far from each other as any.
        let values = (1..=targets).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & low_bits(bits));
        let values: Vec<_> = values.collect::<BTreeSet<_>>().into_iter().map(u64::to_le_bytes).collect();
        let (prefix, suffix) = (vec![b'p'; prefix], vec![b's'; suffix]);
        let values = Values::new(&values).ok_or("values ascend")?;
        let mut search = SearchChunk {
            algorithm,
            candidates,
            first: 0,
            items,
            prefix: &prefix,
            suffix: &suffix,
            sieve: Sieve::Targets { word: Word::Inner, bits, values },
        };
        if search.class() == Class::SEARCH_LONG {
            search.sieve = Sieve::Targets { word: Word::Outer, bits, values };
        }
        Self::of_search(search)
    }

    fn of(chunk: &Chunk<'_>) -> Result<Self, String> {
        let mut body = Vec::new();
        wire::frame::encode(chunk, usize::MAX, &mut body).map_err(|error| error.to_string())?;
        Ok(Self(Bytes::from(body).slice(wire::frame::HEADER..)))
    }

    /// A job that begins with the first string or candidate.
    ///
    /// # Errors
    /// If this cannot be computed, with the reason for people.
    pub fn job(&self) -> Result<Box<dyn Job>, String> {
        let chunk: Chunk<'_> = wire::frame::decode(&self.0).map_err(|error| error.to_string())?;
        chunk::job(&self.0, &chunk)
    }
}
