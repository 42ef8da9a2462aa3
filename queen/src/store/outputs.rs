//! The results of one task that are in memory, in the pieces in which they came.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Results of one width in bytes, by index.
#[derive(Debug, Default)]
pub struct Outputs {
    pieces: BTreeMap<u64, Bytes>,
}

/// Pieces of results, each with its first index.
pub type Pieces = Vec<(u64, Bytes)>;

impl Outputs {
    /// Keeps the results from index `first` on, for which there are none yet.
    pub fn insert(&mut self, first: u64, results: Bytes) {
        self.pieces.insert(first, results);
    }

    /// Forgets the piece that begins at `first`.
    pub fn remove(&mut self, first: u64) {
        self.pieces.remove(&first);
    }

    /// What there is of `range`, in at most `most` pieces of `width` bytes a result; and where
    /// that was all of it, the end of `range`, else the end of the last piece. Nothing is copied.
    pub fn pieces(&self, range: &Range<u64>, width: usize, most: usize) -> (Pieces, u64) {
        let before = self.pieces.range(..=range.start).next_back().map_or(range.start, |(first, _)| *first);
        let mut found = Pieces::new();
        let mut end = range.start;
        for (first, piece) in self.pieces.range(before..range.end) {
            if found.len() == most {
                return (found, end);
            }
            let part = range.start.max(*first)..range.end.min(first + (piece.len() / width) as u64);
            if !part.is_empty() {
                end = part.end;
                found.push((
                    part.start,
                    piece.slice((part.start - first) as usize * width..(part.end - first) as usize * width),
                ));
            }
        }
        (found, range.end)
    }
}

/// One piece of all that lie in `range` without a gap from its start on; copies only if there
/// are several. Pieces are in order, and may reach beyond the range.
pub(crate) fn join(pieces: Pieces, range: &Range<u64>, width: usize) -> Bytes {
    let mut at = range.start;
    let mut parts = Vec::new();
    for (first, piece) in pieces {
        let end = (first + (piece.len() / width) as u64).min(range.end);
        if first > at || end <= at {
            break;
        }
        parts.push(piece.slice((at - first) as usize * width..(end - first) as usize * width));
        at = end;
    }
    match parts.len() {
        0 => Bytes::new(),
        1 => parts.remove(0),
        _ => {
            let mut all = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| all.extend_from_slice(part));
            all.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_up_to_a_gap() {
        let mut outputs = Outputs::default();
        outputs.insert(0, Bytes::from_static(b"aabb"));
        outputs.insert(2, Bytes::from_static(b"cc"));
        outputs.insert(5, Bytes::from_static(b"ff"));
        let found = |range: Range<u64>| join(outputs.pieces(&range, 2, 100).0, &range, 2);
        assert_eq!(found(0..10), "aabbcc");
        assert_eq!(found(1..3), "bbcc");
        assert_eq!(found(1..2), "bb");
        assert_eq!(found(3..10), "");
        assert_eq!(found(5..6), "ff");
        let piece = |first, text: &'static str| (first, Bytes::from_static(text.as_bytes()));
        assert_eq!(outputs.pieces(&(1..6), 2, 100), (vec![piece(1, "bb"), piece(2, "cc"), piece(5, "ff")], 6));
        assert_eq!(outputs.pieces(&(1..6), 2, 2), (vec![piece(1, "bb"), piece(2, "cc")], 3));
        outputs.remove(2);
        assert_eq!(outputs.pieces(&(2..5), 2, 2), (vec![], 5));
        let wide = vec![piece(0, "aabb"), piece(2, "cc")];
        assert_eq!(join(wide, &(1..2), 2), "bb");
    }
}
