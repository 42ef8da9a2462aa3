//! Candidates to search: the specification, and what its findings look like.

use serde::{Deserialize, Serialize};
use wire::blob::BlobBuf;
use wire::sieve::{self, DigestOrder};
use wire::space::{Candidates, CounterFormat, MAX_CANDIDATES};

/// The name of this kind.
pub const KIND: &str = "search";

/// The most digests that are sought at once.
pub const MAX_TARGETS: usize = 100_000;

/// The longest prefix and the longest suffix, in bytes.
pub const MAX_AROUND: usize = 64 << 10;

/// The most findings that a search may ask for.
pub const MAX_FINDINGS: u64 = 1_000_000;

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

/// All candidates, in one linear order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// Those of each mask, one mask after the other; there is at least one.
    Masks(Vec<Mask>),
    /// Numbers.
    Counter {
        /// The first one.
        from: u64,
        /// Behind the last one.
        to: u64,
        /// How they are written.
        #[serde(with = "Format")]
        format: CounterFormat,
    },
}

/// Strings of one length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    /// How it was written.
    pub text: String,
    /// The bytes of each position, in hexadecimal: ascending and without duplicates, at least one.
    pub sets: Vec<Set>,
}

/// The bytes of one position of a mask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Set(#[serde(with = "const_hex::serde::no_prefix")] pub Vec<u8>);

/// How a number is written; see [`CounterFormat`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "CounterFormat", rename_all = "lowercase")]
enum Format {
    Decimal,
    Hex,
    U32Le,
    U32Be,
    U64Le,
    U64Be,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

impl Mask {
    /// The sets as they are sent.
    pub fn blob(&self) -> BlobBuf {
        self.sets.iter().map(|set| &set.0).collect()
    }

    /// How many strings there are; `None` if these are more than [`MAX_CANDIDATES`].
    pub fn count(&self) -> Option<u64> {
        Candidates::Mask(self.blob().as_blob()).count()
    }
}

impl Space {
    /// How many candidates there are; `None` if these are more than [`MAX_CANDIDATES`].
    pub fn total(&self) -> Option<u64> {
        let total = match self {
            Self::Masks(masks) => masks.iter().try_fold(0u64, |total, mask| total.checked_add(mask.count()?))?,
            Self::Counter { from, to, .. } => to.saturating_sub(*from),
        };
        (total <= MAX_CANDIDATES).then_some(total)
    }
}

impl Sought {
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
    /// See [`Specification::fields`](super::Specification::fields).
    pub(crate) fn fields(&self, mut field: impl FnMut(&[u8])) {
        let Self { algorithm, prefix, suffix, space, sought, stop, max_findings, mark_bits: _ } = self;
        field(algorithm.name().as_bytes());
        field(prefix);
        field(suffix);
        match space {
            Space::Masks(masks) => {
                field(b"masks");
                for mask in masks {
                    field(&(mask.sets.len() as u64).to_le_bytes());
                    mask.sets.iter().for_each(|set| field(&set.0));
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

/// How many bits of a target are compared, so that marks are neither too few to prove anything nor too many to be
/// looked at. It depends on nothing that changes: marks of one range by two Drones, or before and after a restart, are
/// the same.
pub fn mark_bits(total: u64, targets: u64) -> u8 {
    if total < ALL_MARKS {
        return 0;
    }
    let targets = u128::from(targets.max(1));
    // Candidates times targets for each mark, so that there are so many marks in all.
    let for_marks = |marks: u128| (u128::from(total) * targets / marks).max(1);
    let bits = for_marks(LEAST_MARKS).ilog2().min(targets.next_power_of_two().ilog2() + USUAL);
    let most = for_marks(MOST_MARKS).next_power_of_two().ilog2();
    let densest = targets.next_power_of_two().ilog2() + DENSEST;
    bits.max(most).max(densest).min(64) as u8
}

/// Below so many candidates all are marks.
const ALL_MARKS: u64 = 1024;

/// Marks of a whole task: no fewer, unless they would be too close together, and no more.
const LEAST_MARKS: u128 = 1 << 14;
const MOST_MARKS: u128 = 1 << 26;

/// One candidate in two to the power of this is a mark: about a thousand in half a minute of one thread with AVX-512.
const USUAL: u32 = 21;

/// One candidate in two to the power of this is a mark at most.
const DENSEST: u32 = 6;

/// First and last of the most significant 64 bits of a mark, where those between `from` and `to` are sought: about one
/// number in two to the power of `bits`, or what is sought if that is more.
pub fn marks_around(from: &[u8; DIGEST], to: &[u8; DIGEST], bits: u8) -> (u64, u64) {
    let (first, last) = (sieve::top(from), sieve::top(to));
    let wanted = u64::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
    let more = wanted.saturating_sub(last - first);
    // As much on both sides, or what there is on one.
    let before = (more / 2).min(first);
    let after = (more - before).min(u64::MAX - last);
    (first - (more - after).min(first), last + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_neither_few_nor_many() {
        assert_eq!([0, 1023].map(|total| mark_bits(total, 1)), [0, 0]);
        assert_eq!(mark_bits(1024, 1), 6);
        assert_eq!(mark_bits(1 << 30, 1), 16);
        assert_eq!(mark_bits(1 << 40, 1), 21);
        assert_eq!(mark_bits(1 << 40, 100_000), 38);
        assert_eq!(mark_bits(1 << 63, 1), 37);
        assert_eq!(mark_bits(1 << 63, 100_000), 54);
    }

    #[test]
    fn marks_of_an_interval_lie_around_it() {
        let number = |top: u64| {
            let mut number = [0; DIGEST];
            number[..8].copy_from_slice(&top.to_be_bytes());
            number
        };
        let marks = |from, to, bits| marks_around(&number(from), &number(to), bits);
        assert_eq!(marks(0, 0xffff, 48), (0, 0xffff));
        assert_eq!(marks(0, 0xff, 48), (0, 0xffff));
        assert_eq!(marks(u64::MAX - 1, u64::MAX, 60), (u64::MAX - 15, u64::MAX));
        assert_eq!(marks(100, 103, 60), (94, 109));
        assert_eq!(marks(0, u64::MAX, 8), (0, u64::MAX));
        assert_eq!(marks(0, 5, 0), (0, u64::MAX));
        assert_eq!(marks(7, 7, 64), (7, 7));
    }
}
