//! The results of one task that are in memory, in the pieces in which they came.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use wire::ids::DroneId;

use crate::core::RangeSet;

/// Results that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Their indices.
    pub range: Range<u64>,
    /// One behind the other, each of as many bytes.
    pub bytes: Bytes,
}

/// Results of one task that follow each other, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// The results.
    pub piece: Piece,
    /// The Drone that computed them, if that is known.
    pub drone: Option<DroneId>,
    /// How far they are trusted.
    pub trust: Trust,
}

/// How far results are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// At most a sample of them was computed a second time.
    Sampled,
    /// Every one of them was computed a second time and agreed.
    Checked,
    /// Their Drone gave a wrong result elsewhere: they are to be computed again.
    Suspect,
}

/// Results of one task, by index.
#[derive(Debug, Default)]
pub struct ResultMap {
    entries: Entries,
}

/// The results of a piece without their first index, by which they are found.
#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    drone: Option<DroneId>,
    /// A piece comes in one message, and has fewer.
    items: u32,
    trust: Trust,
}

/// Entries by their first index. Most tasks have one, for which a map would be large.
#[derive(Debug)]
enum Entries {
    One(Option<(u64, Entry)>),
    Many(BTreeMap<u64, Entry>),
}

impl Piece {
    /// How many there are.
    pub fn items(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Bytes of one result.
    pub fn width(&self) -> usize {
        self.bytes.len() / self.items().max(1) as usize
    }

    /// What of it lies in `range`. Nothing is copied.
    pub fn within(&self, range: &Range<u64>) -> Self {
        let start = range.start.clamp(self.range.start, self.range.end.max(self.range.start));
        let end = range.end.min(self.range.end).max(start);
        let offset = |index: u64| (index - self.range.start) as usize * self.width();
        Self { range: start..end, bytes: self.bytes.slice(offset(start)..offset(end)) }
    }

    /// One result.
    pub fn get(&self, index: u64) -> Option<&[u8]> {
        let at = usize::try_from(index.checked_sub(self.range.start)?).ok()?;
        self.bytes.chunks_exact(self.width().max(1)).nth(at)
    }

    /// The bytes of the first result.
    pub fn first(&self) -> Bytes {
        self.within(&(self.range.start..self.range.start.saturating_add(1))).bytes
    }

    /// Each result with its index.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.range.clone().zip(self.bytes.chunks_exact(self.width().max(1)))
    }
}

impl ResultMap {
    /// Keeps results for which there are none yet but suspect ones, of which nothing stays
    /// where these are.
    pub fn insert(&mut self, results: Results) {
        let Results { piece, drone, trust } = results;
        self.remove_suspect(&piece.range);
        self.entries.insert(piece.range.start, Entry::new(piece, drone, trust));
    }

    /// Forgets what there is yet of results that were inserted.
    pub fn remove(&mut self, inserted: &Piece) {
        let whole = inserted.bytes.as_ptr_range();
        // What replaces some of them lies elsewhere in memory.
        let same = self
            .entries
            .range(inserted.range.start, inserted.range.end)
            .filter(|(_, entry)| whole.contains(&entry.bytes.as_ptr()));
        for first in same.map(|(first, _)| first).collect::<Vec<_>>() {
            self.entries.remove(first);
        }
    }

    /// What there is of `range`, suspect or not, in at most `most` pieces; and where that was all
    /// of it, the end of `range`, else the end of the last piece. Nothing is copied.
    pub fn pieces(&self, range: &Range<u64>, most: usize) -> (Vec<Piece>, u64) {
        let mut found = Vec::new();
        let mut end = range.start;
        for (first, entry) in self.entries.touching(range) {
            if found.len() == most {
                return (found, end);
            }
            let piece = entry.piece(first).within(range);
            if !piece.range.is_empty() {
                end = piece.range.end;
                found.push(piece);
            }
        }
        (found, range.end)
    }

    /// Calls all results of `drone` suspect that are not checked; says which these are.
    pub fn suspect(&mut self, drone: DroneId) -> RangeSet {
        let mut suspect = RangeSet::default();
        let is_its = |entry: &Entry| entry.drone == Some(drone) && entry.trust == Trust::Sampled;
        for (first, entry) in self.entries.iter_mut().filter(|(_, entry)| is_its(entry)) {
            entry.trust = Trust::Suspect;
            suspect.insert(first..entry.end(first));
        }
        suspect
    }

    /// The suspect results in `range`.
    pub fn suspect_pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        let suspect = self.entries.touching(range).filter(|(_, entry)| entry.trust == Trust::Suspect);
        let pieces = suspect.map(|(first, entry)| entry.piece(first).within(range));
        pieces.filter(|piece| !piece.range.is_empty()).collect()
    }

    /// Removes suspect results in `range`; what pieces have beyond it stays.
    fn remove_suspect(&mut self, range: &Range<u64>) {
        let in_the_way = |first, entry: &Entry| entry.trust == Trust::Suspect && entry.end(first) > range.start;
        let old = self.entries.touching(range).filter(|(first, entry)| in_the_way(*first, entry));
        for old in old.map(|(first, _)| first).collect::<Vec<_>>() {
            let Some(entry) = self.entries.remove(old) else { continue };
            for rest in [old..range.start, range.end..entry.end(old)] {
                if !rest.is_empty() {
                    let piece = entry.piece(old).within(&rest);
                    self.entries.insert(rest.start, Entry::new(piece, entry.drone, entry.trust));
                }
            }
        }
    }
}

impl Entry {
    fn new(piece: Piece, drone: Option<DroneId>, trust: Trust) -> Self {
        let items = u32::try_from(piece.items()).unwrap_or(u32::MAX);
        Self { bytes: piece.bytes, drone, items, trust }
    }

    fn end(&self, first: u64) -> u64 {
        first + u64::from(self.items)
    }

    fn piece(&self, first: u64) -> Piece {
        Piece { range: first..self.end(first), bytes: self.bytes.clone() }
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self::One(None)
    }
}

impl Entries {
    fn insert(&mut self, first: u64, entry: Entry) {
        match self {
            Self::One(one) => match one.take() {
                Some((other, before)) if other != first => {
                    *self = Self::Many(BTreeMap::from([(other, before), (first, entry)]));
                }
                _ => *one = Some((first, entry)),
            },
            Self::Many(many) => drop(many.insert(first, entry)),
        }
    }

    fn remove(&mut self, first: u64) -> Option<Entry> {
        match self {
            Self::One(one) => one.take_if(|(only, _)| *only == first).map(|(_, entry)| entry),
            Self::Many(many) => many.remove(&first),
        }
    }

    /// Entries that begin at `start` or behind it, and before `end`.
    fn range(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let (one, many) = match self {
            Self::One(one) => (one.as_ref(), None),
            Self::Many(many) => (None, Some(many.range(start..end.max(start)))),
        };
        let one = one.map(|(first, entry)| (*first, entry)).filter(move |(first, _)| (start..end).contains(first));
        one.into_iter().chain(many.into_iter().flatten().map(|(first, entry)| (*first, entry)))
    }

    /// Entries that may reach into `range`.
    fn touching(&self, range: &Range<u64>) -> impl Iterator<Item = (u64, &Entry)> {
        let start = match self {
            Self::One(_) => 0,
            Self::Many(many) => many.range(..=range.start).next_back().map_or(range.start, |(first, _)| *first),
        };
        self.range(start, range.end)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut Entry)> {
        let (one, many) = match self {
            Self::One(one) => (one.as_mut(), None),
            Self::Many(many) => (None, Some(many.iter_mut())),
        };
        let one = one.map(|(first, entry)| (*first, entry));
        one.into_iter().chain(many.into_iter().flatten().map(|(first, entry)| (*first, entry)))
    }
}

/// One piece of all results of `width` bytes that lie in `range` without a gap from its start on;
/// copies only if there are several. Pieces are in order, and may reach beyond the range; one of
/// another width was damaged on disk, and is a gap.
pub fn join(pieces: Vec<Piece>, range: &Range<u64>, width: usize) -> Piece {
    let mut end = range.start;
    let mut parts = Vec::new();
    for piece in pieces {
        let part = piece.within(&(end..range.end));
        if part.range.start > end || part.range.is_empty() || piece.width() != width {
            break;
        }
        end = part.range.end;
        parts.push(part.bytes);
    }
    let bytes = match parts.len() {
        0 => Bytes::new(),
        1 => parts.remove(0),
        _ => {
            let mut all = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| all.extend_from_slice(part));
            all.freeze()
        }
    };
    Piece { range: range.start..end, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first: u64, items: u64, bytes: &Bytes) -> Piece {
        Piece { range: first..first + items, bytes: bytes.clone() }
    }

    fn of(piece: Piece, drone: u64) -> Results {
        Results { piece, drone: Some(DroneId(drone)), trust: Trust::Sampled }
    }

    #[test]
    fn a_piece_knows_what_lies_where() {
        let whole = piece(5, 3, &Bytes::from_static(b"aabbcc"));
        assert_eq!((whole.items(), whole.width()), (3, 2));
        assert_eq!(whole.within(&(6..99)), piece(6, 2, &Bytes::from_static(b"bbcc")));
        assert!(whole.within(&(0..5)).range.is_empty() && whole.within(&(9..12)).range.is_empty());
        assert_eq!([4, 5, 7, 8].map(|index| whole.get(index)), [None, Some(&b"aa"[..]), Some(b"cc"), None]);
        assert!(whole.iter().eq([(5, &b"aa"[..]), (6, b"bb"), (7, b"cc")]));
        let damaged = piece(0, 9, &Bytes::from_static(b"a"));
        assert_eq!((damaged.width(), damaged.within(&(3..9)).bytes.len()), (0, 0));
    }

    #[test]
    fn pieces_are_joined_up_to_a_gap() {
        let mut results = ResultMap::default();
        let text = Bytes::from_static(b"aabbccff");
        results.insert(of(piece(0, 2, &text.slice(0..4)), 1));
        results.insert(of(piece(2, 1, &text.slice(4..6)), 1));
        results.insert(of(piece(5, 1, &text.slice(6..8)), 1));
        let found = |range: Range<u64>| join(results.pieces(&range, 100).0, &range, 2).bytes;
        assert_eq!(found(0..10), "aabbcc");
        assert_eq!(found(1..3), "bbcc");
        assert_eq!(found(1..2), "bb");
        assert_eq!(found(3..10), "");
        assert_eq!(found(5..6), "ff");
        let one = |first, text: &'static str| piece(first, 1, &Bytes::from_static(text.as_bytes()));
        assert_eq!(results.pieces(&(1..6), 100), (vec![one(1, "bb"), one(2, "cc"), one(5, "ff")], 6));
        assert_eq!(results.pieces(&(1..6), 2), (vec![one(1, "bb"), one(2, "cc")], 3));
        results.remove(&piece(2, 1, &text.slice(4..6)));
        assert_eq!(results.pieces(&(2..5), 2), (vec![], 5));
        let wide = vec![piece(0, 2, &Bytes::from_static(b"aabb")), one(2, "cc")];
        assert_eq!(join(wide, &(1..2), 2), one(1, "bb"));
        let damaged = vec![one(0, "aa"), one(1, "b"), one(2, "cc")];
        assert_eq!(join(damaged, &(0..3), 2), one(0, "aa"));
    }

    #[test]
    fn what_replaced_results_outlives_them() {
        let mut results = ResultMap::default();
        let (old, new) = (Bytes::from(vec![1; 6]), Bytes::from(vec![2; 2]));
        let whole = piece(0, 6, &old);
        results.insert(of(whole.clone(), 1));
        assert!(results.suspect(DroneId(2)).is_empty());
        assert_eq!(results.suspect(DroneId(1)), (0..6).into());
        assert!(results.suspect(DroneId(1)).is_empty());
        let replacing = [piece(0, 2, &new), piece(3, 1, &new.slice(1..))];
        replacing.iter().for_each(|piece| results.insert(of(piece.clone(), 2)));
        assert_eq!(results.suspect_pieces(&(0..5)), [piece(2, 1, &old.slice(2..3)), piece(4, 1, &old.slice(4..5))]);
        // The old ones are on disk now.
        results.remove(&whole);
        assert_eq!(results.pieces(&(0..6), 9).0, replacing);
        replacing.iter().for_each(|piece| results.remove(piece));
        assert_eq!(results.pieces(&(0..6), 9), (vec![], 6));
    }

    #[test]
    fn checked_results_stay() {
        let mut results = ResultMap::default();
        results.insert(Results { trust: Trust::Checked, ..of(piece(0, 1, &Bytes::from_static(b"a")), 1) });
        assert!(results.suspect(DroneId(1)).is_empty() && results.suspect_pieces(&(0..9)).is_empty());
    }

    #[test]
    fn a_single_result_takes_no_map() {
        assert!(size_of::<ResultMap>() <= 64, "{} bytes", size_of::<ResultMap>());
        let mut results = ResultMap::default();
        results.insert(of(piece(0, 1, &Bytes::from_static(b"a")), 1));
        assert!(matches!(results.entries, Entries::One(Some(_))));
    }
}
