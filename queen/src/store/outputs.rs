//! The results of one task, in the pieces in which they came.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Results of one width in bytes, by index.
#[derive(Debug, Default)]
pub struct Outputs {
    pieces: BTreeMap<u64, Bytes>,
}

impl Outputs {
    /// Keeps the results from index `from` on, for which there are none yet.
    pub fn insert(&mut self, from: u64, results: Bytes) {
        self.pieces.insert(from, results);
    }

    /// The pieces that hold the results of `range` as far as there is no gap, at most `most` of
    /// them, each `width` bytes a result. Cheap: nothing is copied.
    pub fn pieces(&self, range: &Range<u64>, width: usize, most: usize) -> Vec<Bytes> {
        let first = self.pieces.range(..=range.start).next_back().map_or(range.start, |(from, _)| *from);
        let mut at = range.start;
        let mut found = Vec::new();
        for (from, piece) in self.pieces.range(first..range.end).take(most) {
            let end = (from + (piece.len() / width) as u64).min(range.end);
            if *from > at || end <= at {
                break;
            }
            found.push(piece.slice((at - from) as usize * width..(end - from) as usize * width));
            at = end;
        }
        found
    }
}

/// Makes one piece of several; copies only if there are several.
pub(crate) fn join(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.remove(0),
        _ => {
            let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
            pieces.iter().for_each(|piece| all.extend_from_slice(piece));
            all.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_up_to_a_gap() {
        let mut outputs = Outputs::default();
        outputs.insert(0, Bytes::from_static(b"aabb"));
        outputs.insert(2, Bytes::from_static(b"cc"));
        outputs.insert(5, Bytes::from_static(b"ff"));
        let found = |range| join(outputs.pieces(&range, 2, 100));
        assert_eq!(found(0..10), "aabbcc");
        assert_eq!(found(1..3), "bbcc");
        assert_eq!(found(1..2), "bb");
        assert_eq!(found(3..10), "");
        assert_eq!(found(5..6), "ff");
        assert_eq!(join(outputs.pieces(&(0..10), 2, 1)), "aabb");
    }
}
