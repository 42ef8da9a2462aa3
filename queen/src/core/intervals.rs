//! Sets of indices, kept as ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of indices as disjoint ranges in order, none empty, no two touching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// First indices, with the end behind each. Many Drones on one task leave many gaps.
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl RangeSet {
    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.ranges.iter().map(|(start, end)| *start..*end)
    }

    /// The ranges from `index` on, in order; of one that begins before, it is the rest.
    pub fn iter_from(&self, index: u64) -> impl Iterator<Item = Range<u64>> {
        ranges_from(&self.ranges, index, |end| *end)
    }

    /// The first range.
    pub fn first(&self) -> Option<Range<u64>> {
        self.ranges.first_key_value().map(|(start, end)| *start..*end)
    }

    /// Whether `index` is in the set.
    pub fn contains(&self, index: u64) -> bool {
        self.ranges.range(..=index).next_back().is_some_and(|(_, end)| index < *end)
    }

    /// Whether all of `range` is in the set.
    pub fn contains_all(&self, range: &Range<u64>) -> bool {
        range.is_empty() || self.ranges.range(..=range.start).next_back().is_some_and(|(_, end)| range.end <= *end)
    }

    /// How many indices there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Where the unbroken run of indices from 0 on ends.
    pub fn prefix(&self) -> u64 {
        self.first().filter(|range| range.start == 0).map_or(0, |range| range.end)
    }

    /// The indices below `total` that are not in the set, all of which is below `total`.
    pub fn gaps(&self, total: u64) -> Self {
        let starts = std::iter::once(0).chain(self.ranges.values().copied());
        let ends = self.ranges.keys().copied().chain([total]);
        let ranges = starts.zip(ends).filter(|(start, end)| start < end).collect();
        Self { ranges, len: total - self.len }
    }

    /// Adds `range`, none of which is in the set.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.len += range.end - range.start;
        // One search finds both neighbours.
        let mut near = self.ranges.range_mut(..=range.end).rev().peekable();
        let behind = near.next_if(|(start, _)| **start == range.end).map(|(_, end)| *end);
        let end = behind.unwrap_or(range.end);
        let before = near.next().map(|(_, before)| before);
        debug_assert!(before.as_ref().is_none_or(|before| **before <= range.start), "{range:?} is there already");
        let joined = before.filter(|before| **before == range.start).map(|before| *before = end);
        if behind.is_some() {
            self.ranges.remove(&range.end);
        }
        if joined.is_none() {
            self.ranges.insert(range.start, end);
        }
    }

    /// Takes the first indices of `range` that are in the set and follow each other.
    pub fn take_within(&mut self, range: &Range<u64>) -> Option<Range<u64>> {
        let before = self.ranges.range(..=range.start).next_back().filter(|(_, end)| **end > range.start);
        let (start, end) =
            before.or_else(|| self.ranges.range(range.start..).next()).map(|(start, end)| (*start, *end))?;
        let taken = start.max(range.start)..end.min(range.end);
        if taken.is_empty() {
            return None;
        }
        self.ranges.remove(&start);
        let rest = [start..taken.start, taken.end..end];
        self.ranges.extend(rest.into_iter().filter(|rest| !rest.is_empty()).map(|rest| (rest.start, rest.end)));
        self.len -= taken.end - taken.start;
        Some(taken)
    }

    /// Takes the first `count` indices of the first range, fewer if it is shorter.
    pub fn take_first(&mut self, count: u64) -> Option<Range<u64>> {
        let first = self.first()?;
        self.take_within(&(first.start..first.start.saturating_add(count)))
    }
}

/// Ranges that are kept by their first indices, from `index` on; of one that begins before, it is the rest.
pub(super) fn ranges_from<T>(
    ranges: &BTreeMap<u64, T>,
    index: u64,
    end_of: impl Fn(&T) -> u64,
) -> impl Iterator<Item = Range<u64>> {
    let before = ranges.range(..index).next_back();
    let all = before.into_iter().chain(ranges.range(index..));
    all.map(move |(start, end)| index.max(*start)..end_of(end)).filter(|range| !range.is_empty())
}

impl From<Range<u64>> for RangeSet {
    fn from(range: Range<u64>) -> Self {
        let mut set = Self::default();
        set.insert(range);
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    proptest::proptest! {
        #[test]
        fn is_a_set(steps: Vec<(u8, u8, u8)>) {
            let (mut set, mut model) = (RangeSet::default(), BTreeSet::new());
            for (start, length, step) in steps {
                let range = u64::from(start)..u64::from(start) + u64::from(length % 16);
                if step % 2 == 0 && model.range(range.clone()).next().is_none() {
                    model.extend(range.clone());
                    set.insert(range);
                } else if step % 4 == 1 {
                    let first = model.range(range.clone()).next().copied();
                    let taken = set.take_within(&range).unwrap_or(0..0);
                    assert_eq!(first, taken.clone().next());
                    assert!(!model.contains(&taken.end) || taken.end == range.end || taken.is_empty());
                    taken.for_each(|index| assert!(range.contains(&index) && model.remove(&index)));
                } else if step % 4 == 3 && length > 0 {
                    for index in set.take_first(u64::from(length)).unwrap_or(0..0) {
                        assert!(model.remove(&index));
                    }
                }
                assert!(set.iter().flatten().eq(model.iter().copied()));
                let rest = set.iter_from(u64::from(start)).flatten();
                assert!(rest.eq(model.range(u64::from(start)..).copied()));
                assert!(set.iter().zip(set.iter().skip(1)).all(|(range, next)| range.end < next.start));
                let range = u64::from(start)..u64::from(start) + u64::from(length % 16);
                assert_eq!(set.contains_all(&range), range.clone().all(|index| model.contains(&index)));
                assert_eq!(set.len(), model.len() as u64);
                assert!(set.gaps(300).iter().flatten().eq((0..300).filter(|index| !model.contains(index))));
                assert_eq!(set.prefix(), (0..).take_while(|index| model.contains(index)).count() as u64);
            }
        }
    }
}
