//! Work that no Queen sent: for tests, and for measuring.

use std::collections::BTreeSet;

use bytes::Bytes;
use wire::blob::BlobBuf;
use wire::sieve::{START, Sieve, Values, Word, low_bits};
use wire::space::Candidates;
use wire::work::{Algorithm, Chunk, Class, DigestChunk, SearchChunk};

use super::chunk;
use super::job::Job;
use super::sha256::{Midstate, digest_bytes};

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
        around: [usize; 2],
        targets: u64,
    ) -> Result<Self, String> {
        Self::sieved(algorithm, candidates, items, around, targets, (21 + targets.max(1).ilog2()) as u8)
    }

    /// The same, where so many bits of each value are compared.
    pub(super) fn sieved(
        algorithm: Algorithm<'_>,
        candidates: Candidates<'_>,
        items: u64,
        [prefix, suffix]: [usize; 2],
        targets: u64,
        bits: u8,
    ) -> Result<Self, String> {
        let value = |number: u64| {
            let digest = digest_bytes(&Midstate::START.finish(&number.to_be_bytes()));
            Word::Outer.value(&digest, &START) & low_bits(bits)
        };
        let values = (0..targets).map(value);
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

    /// The class of this work.
    ///
    /// # Errors
    /// As [`job`](Self::job).
    pub fn class(&self) -> Result<Class, String> {
        match wire::frame::decode(&self.0).map_err(|error| error.to_string())? {
            Chunk::Digest(chunk) => Ok(chunk.class()),
            Chunk::Search(chunk) => Ok(chunk.class()),
        }
    }

    /// A job that begins with the first string or candidate.
    ///
    /// # Errors
    /// If this cannot be computed, with the reason for people.
    pub fn job(&self) -> Result<Box<dyn Job>, String> {
        let chunk: Chunk<'_> = wire::frame::decode(&self.0).map_err(|error| error.to_string())?;
        chunk::job(&self.0, &chunk, None)
    }
}
