//! A search as a scripted Drone was asked for it, computed candidate by candidate.
#![allow(clippy::expect_used, reason = "a test says what it needs")]

use std::ops::Range;

use sha2::{Digest as _, Sha256};
use wire::blob::BlobBuf;
use wire::sieve::{Digest, DigestOrder, START, Sieve, Values, Word, write_marks};
use wire::space::{Candidates, CounterFormat};
use wire::work::{Algorithm, SearchChunk, varying_blocks};

/// What is to be searched of one mask or counter, for as long as a test wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchedFor {
    is_twice_hashed: bool,
    space: Space,
    /// The index of the task that candidate number `first` has.
    from: u64,
    first: u64,
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    sieve: Sought,
}

#[derive(Debug, Clone, PartialEq)]
enum Space {
    Mask(Vec<Vec<u8>>),
    Counter(u64, CounterFormat),
}

#[derive(Debug, Clone, PartialEq)]
enum Sought {
    Targets(Word, u8, Vec<[u8; 8]>),
    Interval(DigestOrder, (u64, u64), (Digest, Digest)),
}

impl SearchedFor {
    /// A copy of what a lease that begins with index `from` says, with its material.
    pub fn owned(chunk: &SearchChunk<'_>, material: Option<&[u8]>, from: u64) -> Self {
        Self {
            is_twice_hashed: chunk.algorithm == Algorithm::Sha256d,
            space: match chunk.candidates {
                Candidates::Mask(sets) => Space::Mask(sets.iter().map(<[u8]>::to_vec).collect()),
                Candidates::Counter { from, format } => Space::Counter(from, format),
            },
            from,
            first: chunk.first,
            prefix: chunk.prefix.to_vec(),
            suffix: chunk.suffix.to_vec(),
            sieve: match chunk.sieve {
                Sieve::Targets { word, bits, values } => {
                    let values = material.map_or(values, |material| Values::parse(material).expect("they ascend"));
                    Sought::Targets(word, bits, values.iter().map(u64::to_le_bytes).collect())
                }
                Sieve::Interval { order, marks, hits } => Sought::Interval(order, marks, hits),
            },
        }
    }

    /// All marks of a range of the task's indices.
    pub fn marks(&self, range: Range<u64>) -> Vec<u64> {
        range.filter(|index| self.is_mark(*index)).collect()
    }

    /// These indices as marks of a part that begins with `first`.
    pub fn written(marks: &[u64], first: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_marks(marks.iter().map(|mark| mark - first), &mut bytes);
        bytes
    }

    fn is_mark(&self, index: u64) -> bool {
        let sets: BlobBuf;
        let candidates = match &self.space {
            Space::Mask(bytes) => {
                sets = bytes.iter().collect();
                Candidates::Mask(sets.as_blob())
            }
            Space::Counter(from, format) => Candidates::Counter { from: *from, format: *format },
        };
        let mut message = self.prefix.clone();
        candidates.write(index - self.from + self.first, &mut message);
        let candidate = message.len() - self.prefix.len();
        message.extend_from_slice(&self.suffix);
        let mut digest: Digest = Sha256::digest(&message).into();
        if self.is_twice_hashed {
            digest = Sha256::digest(digest).into();
        }
        let mut chain = START;
        if !self.is_twice_hashed && varying_blocks(self.prefix.len(), candidate, self.suffix.len()) == 1 {
            sha2::block_api::compress256(&mut chain, self.prefix.as_chunks().0);
        }
        match &self.sieve {
            Sought::Targets(word, bits, values) => {
                let values = Values::new(values).expect("they were ascending");
                Sieve::Targets { word: *word, bits: *bits, values }.passes(&digest, &chain)
            }
            Sought::Interval(order, marks, hits) => {
                Sieve::Interval { order: *order, marks: *marks, hits: *hits }.passes(&digest, &chain)
            }
        }
    }
}
