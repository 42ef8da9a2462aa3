//! Sets of bytes.

use std::ops::RangeInclusive;

/// A set of bytes, a bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    /// Those that follow each other.
    pub(super) fn range(range: RangeInclusive<u8>) -> Self {
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        Self(std::array::from_fn(|at| {
            let base = 64 * at as u32;
            let above = |from: u32| u64::MAX.checked_shl(from.saturating_sub(base)).unwrap_or(0);
            above(first) & !above(last + 1)
        }))
    }

    /// What is in either.
    pub(super) fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    /// What is in this one and not in the other.
    pub(super) fn without(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & !other.0[at]))
    }

    /// Adds one.
    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self.0 == [0; 4]
    }

    /// All of them, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=255).filter(move |byte| self.0[usize::from(byte / 64)] >> (byte % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_bit() {
        for first in 0..=255u8 {
            for last in [first, first.saturating_add(1), 63, 64, 127, 128, 254, 255] {
                let expected: Vec<u8> = (first..=last).collect();
                assert_eq!(Bytes::range(first..=last).iter().collect::<Vec<_>>(), expected);
            }
        }
        let mut some = Bytes::range(b'a'..=b'c');
        some.insert(0);
        some.insert(255);
        let both = some.and(Bytes::range(b'b'..=b'd')).without(Bytes::range(b'b'..=b'b'));
        assert_eq!(both.iter().collect::<Vec<_>>(), [0, b'a', b'c', b'd', 255]);
        assert!(Bytes::default().is_empty() && !some.is_empty());
    }
}
