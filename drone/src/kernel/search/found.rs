//! Marks of one job on their way out.

use wire::sieve::write_marks;

use super::judge::Verdict;
use crate::kernel::output::Output;

/// Marks that wait to be collected.
#[derive(Default)]
pub(super) struct Found {
    /// The first item that was not collected.
    first: u64,
    /// Items, ascending.
    marks: Vec<u64>,
    /// What they take when they are written, in bytes.
    size: usize,
    /// The first of them that is known to be sought.
    hit: Option<u64>,
}

impl Found {
    /// Takes in what was found out about an item behind all before.
    pub(super) fn add(&mut self, item: u64, verdict: Verdict) {
        if verdict == Verdict::Other {
            return;
        }
        self.size += size_of_mark(item - self.next());
        self.marks.push(item);
        if verdict == Verdict::Hit {
            self.hit = self.hit.or(Some(item));
        }
    }

    /// The item from which on the next mark may be.
    fn next(&self) -> u64 {
        self.marks.last().map_or(self.first, |last| last + 1)
    }

    /// What waits to be collected, in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether a mark waits that is known to be sought.
    pub(super) fn has_hit(&self) -> bool {
        self.hit.is_some()
    }

    /// Takes away the marks from item `total` on.
    pub(super) fn shrink(&mut self, total: u64) {
        while self.marks.pop_if(|mark| *mark >= total).is_some_and(|mark| {
            self.size -= size_of_mark(mark - self.next());
            true
        }) {}
        self.hit = self.hit.filter(|hit| *hit < total);
    }

    /// Gives away what there is of the items before `done`.
    pub(super) fn collect(&mut self, done: u64) -> Output {
        let first = self.first;
        self.first = first.max(done);
        let mut marks = Vec::with_capacity(self.size);
        write_marks(self.marks.drain(..).map(|mark| mark - first), &mut marks);
        (self.size, self.hit) = (0, None);
        Output::Marks { items: self.first - first, marks: marks.into() }
    }
}

/// What [`write_marks`] writes for a mark so far behind the one before, in bytes.
fn size_of_mark(distance: u64) -> usize {
    (u64::BITS - (distance | 1).leading_zeros()).div_ceil(7) as usize
}
