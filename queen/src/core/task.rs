//! A task that has not ended.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use wire::ids::LeaseId;

use super::meter::Meter;
use super::{Class, RangeSet, TaskWork, Time};

/// After how many failed leases a task fails.
pub const MAX_FAILURES: u8 = 3;

/// A part of a task whose items are alike enough to count with their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// How many items; at least 1.
    pub items: u64,
    /// SHA-256 compressions of all of them; at least 1.
    pub cost: u64,
    /// Bytes of all of them on the wire.
    pub bytes: u64,
}

/// A task at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Status {
    /// Items done.
    pub done: u64,
    /// Items done without a gap from the first on.
    pub prefix: u64,
    /// Items per second lately.
    pub rate: f64,
    /// When it is expected to be done, counting the work before it.
    pub eta: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) class: Class,
    pub(super) priority: i8,
    /// With `items`, `cost` and `bytes` summed up over all segments so far.
    ends: Box<[Segment]>,
    pub(super) pending: RangeSet,
    pub(super) done: RangeSet,
    pub(super) leases: BTreeSet<LeaseId>,
    /// Cost leased so far on the scale of its priority's virtual time.
    pub(super) pass: u64,
    pub(super) started: bool,
    pub(super) failures: u8,
    cost_done: u64,
    /// Made at the first output that does not end the task.
    meter: Option<Box<Meter>>,
}

impl Task {
    pub(super) fn new(work: TaskWork) -> Self {
        let mut ends = work.segments;
        for at in 1..ends.len() {
            let before = ends[at - 1];
            let end = &mut ends[at];
            end.items += before.items;
            end.cost += before.cost;
            end.bytes += before.bytes;
        }
        let total = ends.last().map_or(0, |end| end.items);
        Self {
            class: work.class,
            priority: work.priority,
            ends,
            pending: RangeSet::from(0..total),
            done: RangeSet::default(),
            leases: BTreeSet::new(),
            pass: 0,
            started: false,
            failures: 0,
            cost_done: 0,
            meter: None,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.ends.last().map_or(0, |end| end.items)
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.prefix() == self.total()
    }

    /// Compressions of what is not done.
    pub(super) fn cost_left(&self) -> u64 {
        self.ends.last().map_or(0, |end| end.cost) - self.cost_done
    }

    /// Compressions of `range`. Sums over adjoining ranges are exact.
    pub(super) fn cost(&self, range: &Range<u64>) -> u64 {
        self.sum(range.end, |end| end.cost) - self.sum(range.start, |end| end.cost)
    }

    /// Bytes of `range` on the wire.
    pub(super) fn bytes(&self, range: &Range<u64>) -> u64 {
        self.sum(range.end, |end| end.bytes) - self.sum(range.start, |end| end.bytes)
    }

    /// What the items before `index` weigh together.
    fn sum(&self, index: u64, weight: impl Fn(&Segment) -> u64) -> u64 {
        let at = self.ends.partition_point(|end| end.items <= index);
        let zero = Segment { items: 0, cost: 0, bytes: 0 };
        let before = at.checked_sub(1).map_or(zero, |before| self.ends[before]);
        let Some(end) = self.ends.get(at) else { return weight(&before) };
        let (span, within) = (end.items - before.items, index - before.items);
        let part = u128::from(weight(end) - weight(&before)) * u128::from(within) / u128::from(span);
        weight(&before) + part as u64
    }

    /// The first pending indices, as far as they belong to one segment.
    pub(super) fn next_run(&self) -> Option<Range<u64>> {
        let first = self.pending.first()?;
        let at = self.ends.partition_point(|end| end.items <= first.start);
        Some(first.start..first.end.min(self.ends[at].items))
    }

    /// Makes a part of a lease done; returns its cost.
    pub(super) fn credit(&mut self, range: Range<u64>, now: Time) -> u64 {
        let cost = self.cost(&range);
        let items = range.end - range.start;
        self.done.insert(range);
        self.cost_done += cost;
        if !self.is_done() {
            self.meter.get_or_insert_with(|| Box::new(Meter::new(now))).add(items, cost, now);
        }
        cost
    }

    /// Makes what was left of a lease pending again.
    pub(super) fn release(&mut self, range: Range<u64>) {
        self.pending.insert(range);
    }

    pub(super) fn status(&self, eta: Option<Duration>, now: Time) -> Status {
        let rate = self.meter.as_ref().map_or(0.0, |meter| meter.rates(now).0);
        Status { done: self.done.len(), prefix: self.done.prefix(), rate, eta }
    }
}
