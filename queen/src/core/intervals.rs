//! Sets of indices, kept as ranges.

use std::ops::Range;

/// A set of indices as disjoint ranges in order, none empty, no two touching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<Range<u64>>,
}

impl RangeSet {
    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.ranges.iter().cloned()
    }

    /// The first range.
    pub fn first(&self) -> Option<Range<u64>> {
        self.ranges.first().cloned()
    }

    /// Whether `index` is in the set.
    pub fn contains(&self, index: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= index);
        self.ranges.get(at).is_some_and(|range| range.start <= index)
    }

    /// How many indices there are.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
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
        let starts = std::iter::once(0).chain(self.ranges.iter().map(|range| range.end));
        let ends = self.ranges.iter().map(|range| range.start).chain([total]);
        Self { ranges: starts.zip(ends).map(|(start, end)| start..end).filter(|gap| !gap.is_empty()).collect() }
    }

    /// Adds `range`, none of which is in the set.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let at = self.ranges.partition_point(|other| other.end <= range.start);
        debug_assert!(self.ranges.get(at).is_none_or(|next| range.end <= next.start), "{range:?} is there already");
        let joins_before = at > 0 && self.ranges[at - 1].end == range.start;
        let joins_after = self.ranges.get(at).is_some_and(|next| next.start == range.end);
        match (joins_before, joins_after) {
            (true, true) => {
                self.ranges[at - 1].end = self.ranges[at].end;
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at - 1].end = range.end,
            (false, true) => self.ranges[at].start = range.start,
            (false, false) => self.ranges.insert(at, range),
        }
    }

    /// Takes the first indices of `range` that are in the set and follow each other.
    pub fn take_within(&mut self, range: &Range<u64>) -> Option<Range<u64>> {
        let at = self.ranges.partition_point(|other| other.end <= range.start);
        let found = self.ranges.get(at)?.clone();
        let taken = found.start.max(range.start)..found.end.min(range.end);
        if taken.is_empty() {
            return None;
        }
        let rest = [found.start..taken.start, taken.end..found.end];
        self.ranges.splice(at..=at, rest.into_iter().filter(|rest| !rest.is_empty()));
        Some(taken)
    }

    /// Takes the first `count` indices of the first range, fewer if it is shorter.
    pub fn take_first(&mut self, count: u64) -> Option<Range<u64>> {
        let first = self.ranges.first_mut()?;
        let taken = first.start..first.end.min(first.start.saturating_add(count));
        first.start = taken.end;
        if first.is_empty() {
            self.ranges.remove(0);
        }
        Some(taken)
    }
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
                assert!(set.ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
                assert_eq!(set.len(), model.len() as u64);
                assert!(set.gaps(300).iter().flatten().eq((0..300).filter(|index| !model.contains(index))));
                assert_eq!(set.prefix(), (0..).take_while(|index| model.contains(index)).count() as u64);
            }
        }
    }
}
