//! Candidates of a search: strings that are not sent, since each is a function of its number.
//!
//! This is the definition. It is scalar and pure; Drones make candidates faster, and are tested
//! against it.

use std::ops::RangeInclusive;

use bincode::{BorrowDecode, Encode};

use crate::blob::Blob;

/// The most candidates that there may be.
pub const MAX_CANDIDATES: u64 = (1 << 63) - 1;

/// The most bytes of a candidate.
pub const MAX_CANDIDATE: usize = 256;

/// Candidates in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Candidates<'a> {
    /// A set of bytes for each position, ascending and without duplicates: the string number n is
    /// the mixed-radix number n with its least significant digit first, so that the first position
    /// changes fastest (the order of hashcat with `--markov-disable`).
    Mask(Blob<'a>),
    /// Numbers, ascending by one.
    Counter {
        /// The first one.
        from: u64,
        /// How they are written.
        format: CounterFormat,
    },
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum CounterFormat {
    /// In decimal, without leading zeros.
    Decimal,
    /// In hexadecimal, lower case, without leading zeros.
    Hex,
    /// Four bytes, least significant first.
    U32Le,
    /// Four bytes, most significant first.
    U32Be,
    /// Eight bytes, least significant first.
    U64Le,
    /// Eight bytes, most significant first.
    U64Be,
}

impl CounterFormat {
    /// The largest number that can be written.
    pub fn max(self) -> u64 {
        match self {
            Self::U32Le | Self::U32Be => u64::from(u32::MAX),
            Self::Decimal | Self::Hex | Self::U64Le | Self::U64Be => u64::MAX,
        }
    }

    /// Appends a number.
    pub fn write(self, number: u64, out: &mut Vec<u8>) {
        match self {
            Self::Decimal => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Hex => out.extend_from_slice(format!("{number:x}").as_bytes()),
            Self::U32Le => out.extend_from_slice(&(number as u32).to_le_bytes()),
            Self::U32Be => out.extend_from_slice(&(number as u32).to_be_bytes()),
            Self::U64Le => out.extend_from_slice(&number.to_le_bytes()),
            Self::U64Be => out.extend_from_slice(&number.to_be_bytes()),
        }
    }

    /// How many bytes a number takes.
    pub fn len_of(self, number: u64) -> usize {
        match self {
            Self::Decimal => number.checked_ilog10().unwrap_or(0) as usize + 1,
            Self::Hex => number.checked_ilog2().unwrap_or(0) as usize / 4 + 1,
            Self::U32Le | Self::U32Be => 4,
            Self::U64Le | Self::U64Be => 8,
        }
    }
}

impl Candidates<'_> {
    /// How many there are: of a mask all, of a counter those that can be written. `None` if these
    /// are more than [`MAX_CANDIDATES`]; `Some(0)` if a position of a mask has no byte.
    pub fn count(&self) -> Option<u64> {
        let count = match self {
            Self::Mask(sets) => {
                if sets.byte_lengths().any(|length| length == 0) {
                    return Some(0);
                }
                sets.byte_lengths().try_fold(1u64, |count, length| count.checked_mul(u64::from(length)))?
            }
            Self::Counter { from, format } => format.max().checked_sub(*from)?.saturating_add(1),
        };
        (count <= MAX_CANDIDATES).then_some(count)
    }

    /// Appends candidate number `index`, which is below [`count`](Self::count).
    pub fn write(&self, index: u64, out: &mut Vec<u8>) {
        match self {
            Self::Mask(sets) => {
                let mut rest = index;
                for set in sets.iter().filter(|set| !set.is_empty()) {
                    let radix = set.len() as u64;
                    out.push(set[(rest % radix) as usize]);
                    rest /= radix;
                }
            }
            Self::Counter { from, format } => format.write(from.wrapping_add(index), out),
        }
    }

    /// The lengths in bytes of the first and the last of the candidates from `first` to `last`;
    /// those between are no shorter and no longer.
    pub fn lengths(&self, first: u64, last: u64) -> RangeInclusive<usize> {
        match self {
            Self::Mask(sets) => sets.len()..=sets.len(),
            Self::Counter { from, format } => {
                format.len_of(from.wrapping_add(first))..=format.len_of(from.wrapping_add(last))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobBuf;

    fn written(candidates: Candidates<'_>, indices: impl IntoIterator<Item = u64>) -> Vec<String> {
        let write = |index| {
            let mut candidate = Vec::new();
            candidates.write(index, &mut candidate);
            String::from_utf8(candidate).unwrap()
        };
        indices.into_iter().map(write).collect()
    }

    #[test]
    fn the_first_position_of_a_mask_changes_fastest() {
        let sets: BlobBuf = ["ab", "x", "123"].iter().collect();
        let mask = Candidates::Mask(sets.as_blob());
        assert_eq!(mask.count(), Some(6));
        assert_eq!(written(mask, 0..6), ["ax1", "bx1", "ax2", "bx2", "ax3", "bx3"]);
        assert_eq!(mask.lengths(0, 5), 3..=3);
    }

    #[test]
    fn a_mask_may_be_empty_or_too_large() {
        let count = |sets: &[&str]| {
            let sets: BlobBuf = sets.iter().collect();
            Candidates::Mask(sets.as_blob()).count()
        };
        assert_eq!(count(&[]), Some(1));
        assert_eq!(count(&["ab", ""]), Some(0));
        assert_eq!(count(&["ab"; 62]), Some(1 << 62));
        assert_eq!(count(&["ab"; 63]), None);
        assert_eq!(count(&["abc"; 40]), None);
    }

    #[test]
    fn counters_are_written_as_asked() {
        let counter = |from, format| Candidates::Counter { from, format };
        assert_eq!(written(counter(98, CounterFormat::Decimal), 0..3), ["98", "99", "100"]);
        assert_eq!(written(counter(0xfe, CounterFormat::Hex), 0..3), ["fe", "ff", "100"]);
        assert_eq!(counter(98, CounterFormat::Decimal).lengths(0, 2), 2..=3);
        assert_eq!(counter(0xfe, CounterFormat::Hex).lengths(1, 2), 2..=3);
        let bytes = |format: CounterFormat| {
            let mut out = Vec::new();
            format.write(0x0102_0304, &mut out);
            (format.len_of(0x0102_0304) == out.len()).then_some(out).unwrap()
        };
        assert_eq!(bytes(CounterFormat::U32Le), [4, 3, 2, 1]);
        assert_eq!(bytes(CounterFormat::U32Be), [1, 2, 3, 4]);
        assert_eq!(bytes(CounterFormat::U64Le), [4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(bytes(CounterFormat::U64Be), [0, 0, 0, 0, 1, 2, 3, 4]);
        for number in [0, 1, 9, 10, 15, 16, 99, 100, u64::MAX] {
            for format in [CounterFormat::Decimal, CounterFormat::Hex] {
                let mut out = Vec::new();
                format.write(number, &mut out);
                assert_eq!(format.len_of(number), out.len());
            }
        }
        assert_eq!(counter(1, CounterFormat::U32Le).count(), Some(u64::from(u32::MAX)));
        assert_eq!(counter(0, CounterFormat::Decimal).count(), None);
        assert_eq!(counter((1 << 63) + 1, CounterFormat::Decimal).count(), Some(MAX_CANDIDATES));
    }
}
