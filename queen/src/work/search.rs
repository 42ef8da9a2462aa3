//! What has been searched of a task, and what was found.

use std::ops::Range;

use bytes::Bytes;
use web::model::Timestamp;
use wire::ids::DroneId;
use wire::sieve::{self, Digest, write_marks};

use super::results::Trust;

/// Candidates that a Drone has searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// Their indices.
    pub range: Range<u64>,
    /// Which of them are marks.
    pub marks: Marks,
    /// Who searched them.
    pub drone: DroneId,
    /// How far that is trusted.
    pub trust: Trust,
    /// Time of one thread that it took, in nanoseconds.
    pub spent_ns: u64,
    /// When the last of it came.
    pub at: Timestamp,
}

/// A candidate whose digest is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The candidate's index.
    pub index: u64,
    /// Its digest.
    pub digest: Digest,
}

/// Marks of a range, by their distance from its start; clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    count: u64,
    bytes: Bytes,
}

impl Marks {
    /// Takes marks of a range of so many candidates as they are written on the wire; `None` if they are none.
    pub fn parse(bytes: Bytes, items: u64) -> Option<Self> {
        let count = sieve::Marks::parse(&bytes, items)?.iter().count() as u64;
        Some(Self { count, bytes })
    }

    /// Those of ascending distances.
    pub fn of(distances: impl IntoIterator<Item = u64>) -> Self {
        let (mut count, mut bytes) = (0, Vec::new());
        write_marks(distances.into_iter().inspect(|_| count += 1), &mut bytes);
        Self { count, bytes: bytes.into() }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// As they are written on the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The distances of all, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let items = u64::MAX;
        sieve::Marks::parse(&self.bytes, items).into_iter().flat_map(|marks| marks.iter())
    }

    /// Those of a part of the range, from its start; `part` is counted from the start of the whole.
    pub fn within(&self, part: &Range<u64>) -> Self {
        let inside = self.iter().skip_while(|mark| *mark < part.start).take_while(|mark| *mark < part.end);
        Self::of(inside.map(|mark| mark - part.start))
    }

    /// Those of this range and of the one that follows it, which begins at distance `at`.
    pub fn followed_by(&self, next: &Self, at: u64) -> Self {
        Self::of(self.iter().chain(next.iter().map(|mark| at + mark)))
    }
}

impl Searched {
    /// What of it lies in `range`, which took its share of the time.
    pub fn within(&self, range: &Range<u64>) -> Self {
        let start = range.start.clamp(self.range.start, self.range.end);
        let end = range.end.clamp(start, self.range.end);
        let (part, whole) = (u128::from(end - start), u128::from(self.range.end - self.range.start).max(1));
        Self {
            marks: match (start, end) == (self.range.start, self.range.end) {
                true => self.marks.clone(),
                false => self.marks.within(&(start - self.range.start..end - self.range.start)),
            },
            range: start..end,
            spent_ns: (u128::from(self.spent_ns) * part / whole) as u64,
            ..*self
        }
    }

    /// Where its marks are.
    pub fn indices(&self) -> impl Iterator<Item = u64> {
        self.marks.iter().map(|mark| self.range.start + mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_cut_and_joined() {
        let marks = Marks::of([0, 5, 200, 100_000]);
        assert_eq!((marks.count(), marks.iter().collect::<Vec<_>>()), (4, vec![0, 5, 200, 100_000]));
        assert_eq!(Marks::parse(marks.bytes().clone(), 100_001), Some(marks.clone()));
        assert_eq!(Marks::parse(marks.bytes().clone(), 100_000), None);
        let (left, right) = (marks.within(&(0..6)), marks.within(&(6..100_001)));
        assert_eq!(left.iter().collect::<Vec<_>>(), [0, 5]);
        assert_eq!(right.iter().collect::<Vec<_>>(), [194, 99_994]);
        assert_eq!(left.followed_by(&right, 6), marks);
        assert_eq!(Marks::default().iter().count(), 0);
    }

    #[test]
    fn a_part_took_its_share_of_the_time() {
        let whole = Searched {
            range: 100..200,
            marks: Marks::of([0, 50, 99]),
            drone: DroneId(1),
            trust: Trust::Sampled,
            spent_ns: 1000,
            at: Timestamp(7),
        };
        let part = whole.within(&(150..300));
        assert_eq!((part.range.clone(), part.spent_ns), (150..200, 500));
        assert!(part.indices().eq([150, 199]));
        assert_eq!(whole.within(&(0..1000)), whole);
    }
}
