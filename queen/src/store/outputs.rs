//! The results of one task that are in memory, in the pieces in which they came.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use wire::ids::DroneId;

use super::records::{Computed, Trust};
use crate::core::RangeSet;

/// Results of one width in bytes, by index.
#[derive(Debug, Default)]
pub struct Outputs {
    held: Held,
}

/// Pieces of results, each with its first index.
pub type Pieces = Vec<(u64, Bytes)>;

/// A piece, and what is known of it.
#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    drone: Option<DroneId>,
    trust: Trust,
}

/// Pieces by their first index. Most tasks have one, for which a map would be large.
#[derive(Debug)]
enum Held {
    One(Option<(u64, Piece)>),
    Many(BTreeMap<u64, Piece>),
}

impl Outputs {
    /// Keeps results for which there are none yet but suspect ones, of which nothing stays
    /// where these are.
    pub fn insert(&mut self, results: Computed, width: usize) {
        let Computed { first, bytes, drone, trust } = results;
        self.cut(&(first..first + (bytes.len() / width) as u64), width);
        self.held.insert(first, Piece { bytes, drone, trust });
    }

    /// Forgets what there is yet of the results from index `first` on, which were inserted.
    pub fn remove(&mut self, first: u64, results: &Bytes, width: usize) {
        let (whole, end) = (results.as_ptr_range(), first + (results.len() / width) as u64);
        // What replaces some of them lies elsewhere in memory.
        let same = self.held.range(first, end).filter(|(_, piece)| whole.contains(&piece.bytes.as_ptr()));
        for first in same.map(|(first, _)| first).collect::<Vec<_>>() {
            self.held.remove(first);
        }
    }

    /// What there is of `range`, suspect or not, in at most `most` pieces of `width` bytes a result;
    /// and where that was all of it, the end of `range`, else the end of the last piece. Nothing is
    /// copied.
    pub fn pieces(&self, range: &Range<u64>, width: usize, most: usize) -> (Pieces, u64) {
        let mut found = Pieces::new();
        let mut end = range.start;
        for (first, piece) in self.held.touching(range) {
            if found.len() == most {
                return (found, end);
            }
            let part = range.start.max(first)..range.end.min(piece.end(first, width));
            if !part.is_empty() {
                end = part.end;
                found.push((part.start, piece.slice(first, &part, width)));
            }
        }
        (found, range.end)
    }

    /// Calls all results of `drone` suspect that are not checked; says which these are.
    pub fn suspect(&mut self, drone: DroneId, width: usize) -> RangeSet {
        let mut suspect = RangeSet::default();
        let is_its = |piece: &Piece| piece.drone == Some(drone) && piece.trust == Trust::Sampled;
        for (first, piece) in self.held.iter_mut().filter(|(_, piece)| is_its(piece)) {
            piece.trust = Trust::Suspect;
            suspect.insert(first..piece.end(first, width));
        }
        suspect
    }

    /// Whose results are suspect, or one of those.
    pub fn suspected(&self) -> Option<DroneId> {
        let mut pieces = self.held.range(0, u64::MAX);
        pieces.find(|(_, piece)| piece.trust == Trust::Suspect).and_then(|(_, piece)| piece.drone)
    }

    /// The suspect results in `range`.
    pub fn old(&self, range: &Range<u64>, width: usize) -> Pieces {
        let suspect = self.held.touching(range).filter(|(_, piece)| piece.trust == Trust::Suspect);
        let parts = suspect.map(|(first, piece)| {
            let part = range.start.max(first)..range.end.min(piece.end(first, width));
            (part, first, piece)
        });
        let parts = parts.filter(|(part, ..)| !part.is_empty());
        parts.map(|(part, first, piece)| (part.start, piece.slice(first, &part, width))).collect()
    }

    /// Removes suspect results in `range`; what pieces have beyond it stays.
    fn cut(&mut self, range: &Range<u64>, width: usize) {
        let in_the_way = |first, piece: &Piece| piece.trust == Trust::Suspect && piece.end(first, width) > range.start;
        let old = self.held.touching(range).filter(|(first, piece)| in_the_way(*first, piece));
        for old in old.map(|(first, _)| first).collect::<Vec<_>>() {
            let Some(piece) = self.held.remove(old) else { continue };
            for rest in [old..range.start, range.end..piece.end(old, width)] {
                if !rest.is_empty() {
                    let bytes = piece.slice(old, &rest, width);
                    self.held.insert(rest.start, Piece { bytes, ..piece });
                }
            }
        }
    }
}

impl Piece {
    fn end(&self, first: u64, width: usize) -> u64 {
        first + (self.bytes.len() / width) as u64
    }

    fn slice(&self, first: u64, part: &Range<u64>, width: usize) -> Bytes {
        self.bytes.slice((part.start - first) as usize * width..(part.end - first) as usize * width)
    }
}

impl Default for Held {
    fn default() -> Self {
        Self::One(None)
    }
}

impl Held {
    fn insert(&mut self, first: u64, piece: Piece) {
        match self {
            Self::One(one) => match one.take() {
                Some((other, before)) if other != first => {
                    *self = Self::Many(BTreeMap::from([(other, before), (first, piece)]));
                }
                _ => *one = Some((first, piece)),
            },
            Self::Many(many) => drop(many.insert(first, piece)),
        }
    }

    fn remove(&mut self, first: u64) -> Option<Piece> {
        match self {
            Self::One(one) => one.take_if(|(only, _)| *only == first).map(|(_, piece)| piece),
            Self::Many(many) => many.remove(&first),
        }
    }

    /// Pieces that begin at `start` or behind it, and before `end`.
    fn range(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, &Piece)> {
        let (one, many) = match self {
            Self::One(one) => (one.as_ref(), None),
            Self::Many(many) => (None, Some(many.range(start..end.max(start)))),
        };
        let one = one.map(|(first, piece)| (*first, piece)).filter(move |(first, _)| (start..end).contains(first));
        one.into_iter().chain(many.into_iter().flatten().map(|(first, piece)| (*first, piece)))
    }

    /// Pieces that may reach into `range`.
    fn touching(&self, range: &Range<u64>) -> impl Iterator<Item = (u64, &Piece)> {
        let start = match self {
            Self::One(_) => 0,
            Self::Many(many) => many.range(..=range.start).next_back().map_or(range.start, |(first, _)| *first),
        };
        self.range(start, range.end)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut Piece)> {
        let (one, many) = match self {
            Self::One(one) => (one.as_mut(), None),
            Self::Many(many) => (None, Some(many.iter_mut())),
        };
        let one = one.map(|(first, piece)| (*first, piece));
        one.into_iter().chain(many.into_iter().flatten().map(|(first, piece)| (*first, piece)))
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

    fn of(first: u64, bytes: Bytes, drone: u64) -> Computed {
        Computed { first, bytes, drone: Some(DroneId(drone)), trust: Trust::Sampled }
    }

    #[test]
    fn pieces_are_joined_up_to_a_gap() {
        let mut outputs = Outputs::default();
        let text = Bytes::from_static(b"aabbccff");
        outputs.insert(of(0, text.slice(0..4), 1), 2);
        outputs.insert(of(2, text.slice(4..6), 1), 2);
        outputs.insert(of(5, text.slice(6..8), 1), 2);
        let found = |range: Range<u64>| join(outputs.pieces(&range, 2, 100).0, &range, 2);
        assert_eq!(found(0..10), "aabbcc");
        assert_eq!(found(1..3), "bbcc");
        assert_eq!(found(1..2), "bb");
        assert_eq!(found(3..10), "");
        assert_eq!(found(5..6), "ff");
        let piece = |first, text: &'static str| (first, Bytes::from_static(text.as_bytes()));
        assert_eq!(outputs.pieces(&(1..6), 2, 100), (vec![piece(1, "bb"), piece(2, "cc"), piece(5, "ff")], 6));
        assert_eq!(outputs.pieces(&(1..6), 2, 2), (vec![piece(1, "bb"), piece(2, "cc")], 3));
        outputs.remove(2, &text.slice(4..6), 2);
        assert_eq!(outputs.pieces(&(2..5), 2, 2), (vec![], 5));
        let wide = vec![piece(0, "aabb"), piece(2, "cc")];
        assert_eq!(join(wide, &(1..2), 2), "bb");
    }

    #[test]
    fn what_replaced_results_outlives_them() {
        let mut outputs = Outputs::default();
        let (old, new) = (Bytes::from(vec![1; 6]), Bytes::from(vec![2; 2]));
        outputs.insert(of(0, old.clone(), 1), 1);
        assert!(outputs.suspect(DroneId(2), 1).is_empty());
        assert_eq!(outputs.suspect(DroneId(1), 1), (0..6).into());
        assert!(outputs.suspect(DroneId(1), 1).is_empty());
        outputs.insert(of(0, new.clone(), 2), 1);
        outputs.insert(of(3, new.slice(1..), 2), 1);
        let piece = |first, bytes: &Bytes| (first, bytes.clone());
        assert_eq!(outputs.old(&(0..5), 1), [piece(2, &old.slice(2..3)), piece(4, &old.slice(4..5))]);
        // The old ones are on disk now.
        outputs.remove(0, &old, 1);
        assert_eq!(outputs.pieces(&(0..6), 1, 9).0, [piece(0, &new), piece(3, &new.slice(1..))]);
        outputs.remove(0, &new, 1);
        outputs.remove(3, &new.slice(1..), 1);
        assert_eq!(outputs.pieces(&(0..6), 1, 9), (vec![], 6));
    }

    #[test]
    fn checked_results_stay() {
        let mut outputs = Outputs::default();
        outputs.insert(Computed { trust: Trust::Checked, ..of(0, Bytes::from_static(b"a"), 1) }, 1);
        assert!(outputs.suspect(DroneId(1), 1).is_empty() && outputs.old(&(0..9), 1).is_empty());
    }

    #[test]
    fn a_single_digest_takes_no_map() {
        assert!(size_of::<Outputs>() <= 64, "{} bytes", size_of::<Outputs>());
        let mut outputs = Outputs::default();
        outputs.insert(of(0, Bytes::from_static(b"a"), 1), 1);
        assert!(matches!(outputs.held, Held::One(Some(_))));
    }
}
