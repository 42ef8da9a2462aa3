//! Candidates to search: the specification, and what its findings look like.

mod bytes;
mod finding;
mod marks;
mod mask;
mod rows;
mod sought;
mod space;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::sieve::DigestOrder;
use wire::space::MAX_CANDIDATE;
use wire::work::varying_blocks;

pub use self::finding::{Finding, FindingView};
pub use self::marks::{mark_bits, marks_around};
pub use self::mask::{CHARSETS, Charsets, MAX_MASKS, MaskError, MaskFault, Masker};
pub(crate) use self::rows::{CSV_HEADER, NOT_FOUND_CSV_HEADER};
pub use self::sought::{Bounds, MAX_TARGETS, Number, SoughtError, Targets, bits, hex, leading_zero_bits};
pub use self::space::{FORMATS, Mask, MaskPosition, Masks, Set, Space, SpaceError, format_name};

/// The name of this kind.
pub const KIND: &str = "search";

/// The longest prefix and the longest suffix, in bytes.
pub const MAX_AROUND: usize = 64 << 10;

/// The most findings that a search may ask for.
pub const MAX_FINDINGS: u64 = 1_000_000;

/// The most SHA-256 compressions that a search may take.
pub const MAX_COST: u64 = 1 << 63;

/// Bytes of a digest.
const DIGEST: usize = 32;

/// What is searched, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// What turns a string into a digest.
    pub algorithm: Algorithm,
    /// Before each candidate; at most [`MAX_AROUND`] bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "const_hex::serde::no_prefix")]
    pub prefix: Vec<u8>,
    /// Behind each candidate; at most [`MAX_AROUND`] bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "const_hex::serde::no_prefix")]
    pub suffix: Vec<u8>,
    /// Which candidates there are.
    pub space: Space,
    /// Which digests are findings.
    pub sought: Sought,
    /// When it is over.
    pub stop: Stop,
    /// It is over when there are so many findings; 1 to [`MAX_FINDINGS`].
    pub max_findings: u64,
    /// One candidate in two to the power of this is a mark, for each target: see [`mark_bits`].
    pub mark_bits: u8,
}

/// What turns a string into a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-256 of the SHA-256.
    Sha256d,
}

/// Which digests are findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sought {
    /// These.
    Targets {
        /// How many there are.
        count: u64,
        /// One after the other, ascending and without duplicates; empty where they are kept apart.
        #[serde(skip)]
        digests: Vec<u8>,
    },
    /// Those that are, as numbers, between these two, which are sought as well.
    Interval {
        /// How a digest is a number.
        #[serde(with = "Order")]
        order: DigestOrder,
        /// The first number, most significant byte first.
        #[serde(with = "const_hex::serde::no_prefix")]
        from: [u8; DIGEST],
        /// The last number.
        #[serde(with = "const_hex::serde::no_prefix")]
        to: [u8; DIGEST],
    },
}

/// How a digest is a number; see [`DigestOrder`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "DigestOrder", rename_all = "lowercase")]
enum Order {
    Big,
    Little,
}

/// When a search is over, unless all of it is searched before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// When there is a finding.
    First,
    /// When there is a finding and all candidates before it are searched.
    Lowest,
    /// When each target is found.
    All,
    /// Never.
    Never,
}

impl Algorithm {
    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha256d => "sha256d",
        }
    }
}

impl Stop {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::First, Self::Lowest, Self::All, Self::Never];

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Lowest => "lowest",
            Self::All => "all",
            Self::Never => "never",
        }
    }
}

impl Sought {
    /// How many findings chance gives among so many candidates. Which of the digests that are given are digests of
    /// candidates is not known.
    pub fn expected(&self, candidates: u64) -> f64 {
        /// Of a digest.
        const BITS: f64 = 256.0;
        let number = |bytes: &[u8; DIGEST]| bytes.iter().fold(0.0, |number, byte| number * 256.0 + f64::from(*byte));
        let wanted = match self {
            Self::Targets { count, .. } => *count as f64,
            Self::Interval { from, to, .. } => number(to) - number(from) + 1.0,
        };
        candidates as f64 * (wanted / BITS.exp2())
    }

    /// The digests that are sought.
    pub(super) fn secret(&self) -> &[u8] {
        match self {
            Self::Targets { digests, .. } => digests,
            Self::Interval { .. } => &[],
        }
    }

    pub(super) fn secret_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Targets { digests, .. } => Some(digests),
            Self::Interval { .. } => None,
        }
    }
}

impl Search {
    /// Candidate number `index`; `None` behind the last one.
    pub fn candidate(&self, index: u64) -> Option<Vec<u8>> {
        let mut candidate = Vec::new();
        self.space.write(index, &mut candidate).then_some(candidate)
    }

    /// What is hashed for candidate number `index`; `None` behind the last one.
    pub fn message(&self, index: u64) -> Option<Vec<u8>> {
        let mut message = Vec::with_capacity(self.prefix.len() + MAX_CANDIDATE + self.suffix.len());
        message.extend_from_slice(&self.prefix);
        let is_there = self.space.write(index, &mut message);
        message.extend_from_slice(&self.suffix);
        is_there.then_some(message)
    }

    /// About what it takes of memory besides what is sought, in bytes.
    pub(super) fn resident(&self) -> usize {
        let masks = if let Space::Masks(masks) = &self.space { masks.resident() } else { 0 };
        self.prefix.len() + self.suffix.len() + masks
    }

    /// SHA-256 compressions that all candidates take; `None` if these are more than [`MAX_COST`].
    pub fn compressions(&self) -> Option<u64> {
        let (again, mut sum) = (u128::from(self.algorithm == Algorithm::Sha256d), 0u128);
        self.space.lengths(|length, count| {
            let blocks = varying_blocks(self.prefix.len(), length, self.suffix.len());
            sum += u128::from(count) * (u128::from(blocks) + again);
        });
        u64::try_from(sum).ok().filter(|sum| *sum <= MAX_COST)
    }

    /// See [`Specification::fields`](super::Specification::fields).
    pub(crate) fn fields(&self, mut field: impl FnMut(&[u8])) {
        let Self { algorithm, prefix, suffix, space, sought, stop, max_findings, mark_bits: _ } = self;
        field(algorithm.name().as_bytes());
        field(prefix);
        field(suffix);
        match space {
            Space::Masks(masks) => {
                field(b"masks");
                for mask in masks.iter() {
                    field(&(mask.sets.len() as u64).to_le_bytes());
                    mask.sets.iter().for_each(|set| field(set.bytes()));
                }
                field(&[]);
            }
            Space::Counter { from, to, format } => {
                field(b"counter");
                field(&[*format as u8]);
                field(&from.to_le_bytes());
                field(&to.to_le_bytes());
            }
        }
        match sought {
            Sought::Targets { digests, .. } => {
                field(b"targets");
                field(digests);
            }
            Sought::Interval { order, from, to } => {
                field(b"interval");
                field(&[*order as u8]);
                field(from);
                field(to);
            }
        }
        field(&[*stop as u8]);
        field(&max_findings.to_le_bytes());
    }
}
