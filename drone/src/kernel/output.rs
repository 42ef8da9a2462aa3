//! What comes out of a computation.

use std::ops::Range;

use bytes::Bytes;
use wire::sieve::{Marks, write_marks};
use wire::work::{ChunkOutput, Digests};

/// The results of consecutive items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// [`Kind::DIGEST`](wire::work::Kind::DIGEST): digests of 32 bytes, one after the other.
    Digests(Bytes),
    /// [`Kind::SEARCH`](wire::work::Kind::SEARCH).
    Marks {
        /// How many items were searched, whatever was found.
        items: u64,
        /// Those that are marks, as [`write_marks`] writes them.
        marks: Bytes,
    },
}

impl Output {
    /// How many items' results these are.
    pub fn items(&self) -> u64 {
        match self {
            Self::Digests(bytes) => (bytes.len() / Digests::SIZE) as u64,
            Self::Marks { items, .. } => *items,
        }
    }

    /// How many bytes these are.
    pub fn size(&self) -> usize {
        match self {
            Self::Digests(bytes) => bytes.len(),
            Self::Marks { marks, .. } => marks.len(),
        }
    }

    /// How many of the first items have results of at most `size` bytes together.
    pub(crate) fn items_within(&self, size: usize) -> u64 {
        match self {
            Self::Digests(bytes) => (bytes.len().min(size) / Digests::SIZE) as u64,
            Self::Marks { items, marks } if marks.len() <= size => *items,
            Self::Marks { marks, .. } => {
                // All marks that end within `size`, and the items up to the next one.
                let ends = marks.iter().enumerate().filter(|(_, byte)| **byte < 0x80).map(|(at, _)| at + 1);
                let whole = ends.take_while(|end| *end <= size).count();
                marks_of(self).nth(whole).unwrap_or_default()
            }
        }
    }

    /// The results of the items numbered `range` of these.
    ///
    /// # Panics
    /// If `range` is not within `0..self.items()`.
    pub fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Digests(bytes) => {
                let at = |item: u64| item as usize * Digests::SIZE;
                Self::Digests(bytes.slice(at(range.start)..at(range.end)))
            }
            Self::Marks { items, .. } => {
                assert!(range.start <= range.end && range.end <= *items, "a slice lies within the whole");
                let within = marks_of(self).filter(|mark| range.contains(mark)).map(|mark| mark - range.start);
                let mut marks = Vec::new();
                write_marks(within, &mut marks);
                Self::Marks { items: range.end - range.start, marks: marks.into() }
            }
        }
    }

    /// As it goes onto the wire; `None` if the last digest is cut off, which no job does.
    pub fn as_wire(&self) -> Option<ChunkOutput<'_>> {
        match self {
            Self::Digests(bytes) => Digests::new(bytes).map(ChunkOutput::Digests),
            Self::Marks { marks, .. } => Some(ChunkOutput::Marks(marks)),
        }
    }
}

/// The marks of an output: items of it, ascending.
fn marks_of(output: &Output) -> impl Iterator<Item = u64> {
    let marks = match output {
        Output::Digests(_) => None,
        Output::Marks { items, marks } => Marks::parse(marks, *items),
    };
    marks.into_iter().flat_map(|marks| marks.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(items: u64, marks: &[u64]) -> Output {
        let mut bytes = Vec::new();
        write_marks(marks.iter().copied(), &mut bytes);
        Output::Marks { items, marks: bytes.into() }
    }

    #[test]
    fn items_are_counted_apart_from_marks() {
        let none = output(1_000, &[]);
        assert_eq!((none.items(), none.size()), (1_000, 0));
        let some = output(1_000, &[0, 7, 300]);
        assert_eq!((some.items(), some.size()), (1_000, 4));
        assert_eq!(some.as_wire(), Some(ChunkOutput::Marks(&[0, 6, 0xa4, 2])));
    }

    #[test]
    fn a_slice_has_the_marks_within_it() {
        let whole = output(1_000, &[0, 7, 300, 999]);
        assert_eq!(whole.slice(0..1_000), whole);
        assert_eq!(whole.slice(1..301), output(300, &[6, 299]));
        assert_eq!(whole.slice(8..300), output(292, &[]));
        assert_eq!(whole.slice(7..7), output(0, &[]));
    }

    #[test]
    fn a_part_ends_before_the_mark_that_has_no_room() {
        let whole = output(1_000, &[0, 7, 300, 999]);
        let within: Vec<u64> = (0..=7).map(|size| whole.items_within(size)).collect();
        assert_eq!(within, [0, 7, 300, 300, 999, 999, 1_000, 1_000]);
        for size in 0..=7 {
            assert!(whole.slice(0..whole.items_within(size)).size() <= size);
        }
    }
}
