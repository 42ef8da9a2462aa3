//! A task that has not ended.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use wire::ids::LeaseId;
use wire::work::Class;

use super::history::History;
use super::intervals::{RangeSet, ranges_from};
use super::meter::{Meter, Spent};
use super::status::{Part, Status};
use super::time::Time;
use super::work::{Segment, TaskWork};

/// Tasks that wait are many, so they are small: what changes as a task is computed comes
/// when its first chunk is leased.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) class: Class,
    pub(super) priority: i8,
    /// Nothing of it is to be computed for now.
    pub(super) is_paused: bool,
    /// Its items are tasks of their own.
    pub(super) is_batch: bool,
    /// Each item is computed twice.
    pub(super) is_twice: bool,
    /// What one thread is to do in one chunk, in hundredths of a second: see [`TaskWork::target`].
    target_cs: u16,
    /// See [`TaskWork::chunk_bytes`]; in KiB, rounded up.
    chunk_kib: u8,
    /// See [`TaskWork::material`].
    pub(super) material: u32,
    /// See [`TaskWork::has_ledger`].
    pub(super) has_ledger: bool,
    /// Cost leased so far on the scale of its priority's virtual time.
    pub(super) pass: u64,
    extent: Extent,
    execution: Option<Box<Execution>>,
}

/// What a task consists of.
#[derive(Debug)]
enum Extent {
    One(Segment),
    /// With `items`, `cost` and `bytes` summed up over all segments so far.
    Many(Box<[Segment]>),
}

#[derive(Debug, Default)]
struct Execution {
    pending: RangeSet,
    /// Pending ranges that were leased before and stay the ranges that they are, by their first index, with
    /// their end and what went wrong with each.
    retries: BTreeMap<u64, (u64, Box<History>)>,
    done: RangeSet,
    /// What a Drone computed, and the Queen computes again: first indices, with the end behind each.
    with_queen: BTreeMap<u64, u64>,
    /// In no order that means anything; each lease knows where it stands.
    leases: Vec<LeaseId>,
    cost_done: u64,
    /// From here on nothing is wanted any more, if that is less than all; what was pending there, and what it costs.
    cut: Option<Cut>,
    started: bool,
    /// Made at the first output that does not end the task.
    meter: Option<Box<Meter>>,
}

/// What is not wanted any more of a task.
#[derive(Debug, Clone, Copy)]
struct Cut {
    from: u64,
    items: u64,
    cost: u64,
}

/// Milliseconds of a hundredth of a second.
const CENTISECOND_MS: u16 = 10;

impl Task {
    pub(super) fn new(work: TaskWork) -> Self {
        let TaskWork { class, priority, segments, done, paused, target, has_ledger, .. } = work;
        let TaskWork { chunk_bytes, material, avoid, batch, twice, .. } = work;
        let extent = Extent::of(segments);
        let (is_paused, is_batch, is_twice) = (paused, batch, twice);
        let target_cs = u16::try_from(target.as_millis() / u128::from(CENTISECOND_MS)).unwrap_or(u16::MAX);
        let mut task = Self {
            class,
            priority,
            is_paused,
            is_batch,
            is_twice,
            target_cs,
            chunk_kib: u8::try_from(chunk_bytes.div_ceil(1 << 10)).unwrap_or(u8::MAX),
            material,
            has_ledger,
            pass: 0,
            extent,
            execution: None,
        };
        if !done.is_empty() {
            let cost_done = done.iter().map(|range| task.cost(&range)).sum();
            let pending = done.gaps(task.total());
            task.execution = Some(Box::new(Execution { pending, done, cost_done, ..Execution::default() }));
        }
        if let Some(drone) = avoid {
            while let Some(run) = task.next_run() {
                if let Some(range) = task.take_first(run.end - run.start) {
                    task.put_retry(range, Box::new(History::avoiding(drone)));
                }
            }
        }
        task
    }

    pub(super) fn total(&self) -> u64 {
        self.extent.whole().items
    }

    /// What one thread is to do of it in one chunk, where there is enough to do.
    pub(super) fn target(&self) -> Duration {
        Duration::from_millis(u64::from(self.target_cs) * u64::from(CENTISECOND_MS))
    }

    /// Compressions to compute all of it once.
    pub(super) fn whole_cost(&self) -> u64 {
        self.extent.whole().cost
    }

    pub(super) fn is_done(&self) -> bool {
        self.items_left() == 0
    }

    /// Whether all of a range is done.
    pub(super) fn is_done_in(&self, range: &Range<u64>) -> bool {
        self.execution.as_ref().is_some_and(|execution| execution.done.contains_all(range))
    }

    /// Indices that are done.
    pub(super) fn done(&self) -> u64 {
        self.execution.as_ref().map_or(0, |execution| execution.done.len())
    }

    /// Indices that are wanted and not done.
    pub(super) fn items_left(&self) -> u64 {
        self.total() - self.done() - self.cut().map_or(0, |cut| cut.items)
    }

    fn cut(&self) -> Option<Cut> {
        self.execution.as_ref()?.cut
    }

    /// Whether nothing is wanted from an index on already.
    pub(super) fn is_cut_at(&self, from: u64) -> bool {
        self.cut().is_some_and(|cut| cut.from <= from)
    }

    /// Wants nothing any more from an index on, where no lease is left.
    pub(super) fn cut_off(&mut self, from: u64) {
        let total = self.total();
        let (mut items, mut cost) = self.cut().map_or((0, 0), |cut| (cut.items, cut.cost));
        while let Some(range) = self.execution().pending.take_within(&(from..total)) {
            items += range.end - range.start;
            cost += self.cost(&range);
        }
        let from = self.cut().map_or(from, |cut| cut.from.min(from));
        self.execution().cut = Some(Cut { from, items, cost });
    }

    /// What is done, when nothing more is to come.
    pub(super) fn into_done(self) -> RangeSet {
        self.execution.map(|execution| execution.done).unwrap_or_default()
    }

    pub(super) fn has_pending(&self) -> bool {
        self.execution.as_ref().is_none_or(|execution| !execution.pending.is_empty() || !execution.retries.is_empty())
    }

    /// Its leases, in no order that means anything.
    pub(super) fn leases(&self) -> impl Iterator<Item = LeaseId> {
        self.execution.iter().flat_map(|execution| execution.leases.iter().copied())
    }

    pub(super) fn has_leases(&self) -> bool {
        self.execution.as_ref().is_some_and(|execution| !execution.leases.is_empty())
    }

    /// Compressions until it is done, all computations of an item counted.
    pub(super) fn cost_left(&self) -> u64 {
        let done = self.execution.as_ref().map_or(0, |execution| execution.cost_done);
        self.in_all(self.whole_cost() - done - self.cut().map_or(0, |cut| cut.cost))
    }

    /// What it costs to have done what costs so much to compute.
    fn in_all(&self, cost: u64) -> u64 {
        if self.is_twice { cost.saturating_mul(2) } else { cost }
    }

    /// Compressions to compute `range` once. Sums over adjoining ranges are exact.
    pub(super) fn cost(&self, range: &Range<u64>) -> u64 {
        self.extent.sum(range.end, |end| end.cost) - self.extent.sum(range.start, |end| end.cost)
    }

    /// Bytes of `range` on the wire, as one chunk.
    pub(super) fn bytes(&self, range: &Range<u64>) -> u64 {
        let items = self.extent.sum(range.end, |end| end.bytes) - self.extent.sum(range.start, |end| end.bytes);
        items + (u64::from(self.chunk_kib) << 10)
    }

    /// The first pending indices with which nothing went wrong, as far as they belong to one segment.
    pub(super) fn next_run(&self) -> Option<Range<u64>> {
        let first = match &self.execution {
            Some(execution) => execution.pending.first()?,
            None => 0..self.total(),
        };
        Some(first.start..first.end.min(self.extent.segment_end(first.start)))
    }

    /// Takes the first `count` pending indices, fewer if the first pending range is shorter.
    pub(super) fn take_first(&mut self, count: u64) -> Option<Range<u64>> {
        self.execution().pending.take_first(count)
    }

    /// A lease of it is given; returns where that one stands, and whether it is the first one ever.
    pub(super) fn lease(&mut self, lease: LeaseId) -> (usize, bool) {
        let execution = self.execution();
        execution.leases.push(lease);
        (execution.leases.len() - 1, !std::mem::replace(&mut execution.started, true))
    }

    /// The lease that stands at `at` is over; returns the one that stands there now.
    pub(super) fn end_lease(&mut self, at: usize) -> Option<LeaseId> {
        let leases = &mut self.execution().leases;
        leases.swap_remove(at);
        leases.get(at).copied()
    }

    /// Makes what belongs to nobody done, which has taken so much time.
    pub(super) fn credit(&mut self, range: Range<u64>, spent: Spent, now: Time) {
        let (items, cost) = (range.end - range.start, self.cost(&range));
        self.skip(range);
        if !self.is_done() {
            let meter = self.execution().meter.get_or_insert_with(|| Box::new(Meter::since(spent, now)));
            meter.add(items, cost, spent, now);
        }
    }

    /// Counts a range that belongs to nobody as done.
    pub(super) fn skip(&mut self, range: Range<u64>) {
        let cost = self.cost(&range);
        let execution = self.execution();
        execution.done.insert(range);
        execution.cost_done += cost;
    }

    /// What was computed once belongs to the Queen, who computes it again.
    pub(super) fn give_to_queen(&mut self, range: Range<u64>) {
        self.execution().with_queen.insert(range.start, range.end);
    }

    /// Takes the first of those that are in `range` and follow each other.
    pub(super) fn take_from_queen(&mut self, range: &Range<u64>) -> Option<Range<u64>> {
        let taken = self.with_queen(range).next()?;
        let with_queen = &mut self.execution.as_mut()?.with_queen;
        let (start, end) = with_queen.range(..=taken.start).next_back().map(|(start, end)| (*start, *end))?;
        with_queen.remove(&start);
        let rest = [start..taken.start, taken.end..end].into_iter().filter(|rest| !rest.is_empty());
        with_queen.extend(rest.map(|rest| (rest.start, rest.end)));
        Some(taken)
    }

    /// What of `range` the Queen computes again, in order.
    pub(super) fn with_queen(&self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let all = self.execution.iter().flat_map(|execution| execution.with_queen.range(..range.end));
        let within = |(start, end): (&u64, &u64)| range.start.max(*start)..range.end.min(*end);
        all.map(within).filter(|own| !own.is_empty())
    }

    /// How many ranges were computed once, or are pending because something went wrong with them.
    pub(super) fn open_ends(&self) -> usize {
        self.execution.as_ref().map_or(0, |execution| execution.retries.len() + execution.with_queen.len())
    }

    /// Makes what was left of a lease pending again.
    pub(super) fn release(&mut self, range: Range<u64>) {
        self.execution().pending.insert(range);
    }

    /// The same, but it stays the range that it is, with what went wrong.
    pub(super) fn put_retry(&mut self, range: Range<u64>, history: Box<History>) {
        self.execution().retries.insert(range.start, (range.end, history));
    }

    /// Pending ranges with which something went wrong.
    pub(super) fn retries(&self) -> impl Iterator<Item = (Range<u64>, &History)> {
        let retries = self.execution.iter().flat_map(|execution| &execution.retries);
        retries.map(|(start, (end, history))| (*start..*end, &**history))
    }

    /// Where the first of those begins that lie within `range`.
    pub(super) fn retry_within(&self, range: &Range<u64>) -> Option<u64> {
        let (start, (end, _)) = self.execution.as_ref()?.retries.range(range.clone()).next()?;
        (*end <= range.end).then_some(*start)
    }

    /// Takes the range that begins at `start` from those.
    pub(super) fn take_retry(&mut self, start: u64) -> Option<(Range<u64>, Box<History>)> {
        let (end, history) = self.execution().retries.remove(&start)?;
        Some((start..end, history))
    }

    /// What nobody holds of it from an index on, at most `limit` ranges of each sort.
    pub(super) fn parts_from(&self, from: u64, limit: usize) -> Vec<(Range<u64>, Part)> {
        let Some(execution) = &self.execution else { return vec![(from..self.total(), Part::Pending { attempts: 0 })] };
        let pending = execution.pending.iter_from(from).map(|range| (range, Part::Pending { attempts: 0 }));
        let done = execution.done.iter_from(from).map(|range| (range, Part::Done));
        let with_queen = ranges_from(&execution.with_queen, from, |end| *end).map(|range| (range, Part::WithQueen));
        let retried = execution.retries.range(..from).next_back().into_iter().chain(execution.retries.range(from..));
        let retried = retried
            .map(|(start, (end, history))| (from.max(*start)..*end, Part::Pending { attempts: history.attempts() }));
        let retried = retried.filter(|(range, _)| !range.is_empty());
        let parts = pending.take(limit).chain(done.take(limit)).chain(with_queen.take(limit));
        parts.chain(retried.take(limit)).collect()
    }

    /// Takes pending indices of `range` that follow each other.
    pub(super) fn take_within(&mut self, range: &Range<u64>) -> Option<Range<u64>> {
        let end = range.end.min(self.extent.segment_end(range.start));
        self.execution().pending.take_within(&(range.start..end))
    }

    /// Makes what is done of `range`, and wanted, pending again; whether anything was.
    pub(super) fn revoke(&mut self, range: &Range<u64>) -> bool {
        let mut is_revoked = false;
        let range = range.start..range.end.min(self.cut().map_or(u64::MAX, |cut| cut.from));
        while let Some(revoked) = self.execution().done.take_within(&range) {
            let cost = self.cost(&revoked);
            let execution = self.execution();
            execution.cost_done -= cost;
            execution.pending.insert(revoked);
            is_revoked = true;
        }
        is_revoked
    }

    pub(super) fn status(&self, eta: Option<Duration>, now: Time) -> Status {
        let Some(execution) = &self.execution else { return Status { eta, ..Status::default() } };
        Status { done: execution.done.len(), prefix: execution.done.prefix(), rate: self.rate(now), eta }
    }

    /// Items per second lately.
    pub(super) fn rate(&self, now: Time) -> f64 {
        let meter = self.execution.as_ref().and_then(|execution| execution.meter.as_ref());
        meter.map_or(0.0, |meter| meter.rates(now).0)
    }

    fn execution(&mut self) -> &mut Execution {
        let total = self.total();
        self.execution
            .get_or_insert_with(|| Box::new(Execution { pending: RangeSet::from(0..total), ..Execution::default() }))
    }

    /// From where on nothing is wanted.
    #[cfg(test)]
    pub(super) fn cut_from(&self) -> Option<u64> {
        self.cut().map(|cut| cut.from)
    }

    /// Pending and done ranges.
    #[cfg(test)]
    pub(super) fn ranges(&self) -> (RangeSet, RangeSet) {
        let Some(execution) = &self.execution else { return (RangeSet::from(0..self.total()), RangeSet::default()) };
        let mut pending = execution.pending.clone();
        self.retries().for_each(|(range, _)| pending.insert(range));
        (pending, execution.done.clone())
    }
}

impl Extent {
    fn of(mut segments: Box<[Segment]>) -> Self {
        if let [only] = *segments {
            return Self::One(only);
        }
        for at in 1..segments.len() {
            let before = segments[at - 1];
            let end = &mut segments[at];
            end.items += before.items;
            end.cost += before.cost;
            end.bytes += before.bytes;
        }
        Self::Many(segments)
    }

    fn ends(&self) -> &[Segment] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(ends) => ends,
        }
    }

    /// All segments as one.
    fn whole(&self) -> Segment {
        self.ends().last().copied().unwrap_or_default()
    }

    /// What the items before `index` weigh together.
    fn sum(&self, index: u64, weight: impl Fn(&Segment) -> u64) -> u64 {
        let ends = self.ends();
        let at = ends.partition_point(|end| end.items <= index);
        let before = at.checked_sub(1).map_or(Segment::default(), |before| ends[before]);
        let Some(end) = ends.get(at) else { return weight(&before) };
        let (span, within) = (end.items - before.items, index - before.items);
        let part = u128::from(weight(end) - weight(&before)) * u128::from(within) / u128::from(span);
        weight(&before) + part as u64
    }

    /// Behind the last index of the segment that `index` is in.
    fn segment_end(&self, index: u64) -> u64 {
        let ends = self.ends();
        ends.get(ends.partition_point(|end| end.items <= index)).map_or(index, |end| end.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_task_is_small() {
        assert!(size_of::<Task>() <= 64, "{} bytes", size_of::<Task>());
    }
}
