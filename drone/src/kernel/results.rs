//! Digests of one job on their way out.

use bytes::Bytes;

use super::lanes::{Digest, Slots};

/// How many digests there is room for at once; the compute threads collect them when they are about as many.
const MAX_ROOM: usize = ((256 << 10) + (64 << 10)) / size_of::<Digest>();

/// Digests in the order of their strings, the first of which are done.
pub(super) struct Results {
    /// Strings wanted.
    pub(super) total: usize,
    /// Strings done.
    pub(super) done: usize,
    /// The string whose digest is the first of `digests`.
    first: usize,
    /// Those that wait to be collected, behind them what is under way.
    digests: Vec<Digest>,
}

impl Results {
    pub(super) fn new(total: usize) -> Self {
        // Whoever makes the job does not pay for its results.
        Self { total, done: 0, first: 0, digests: Vec::new() }
    }

    /// Those that wait to be collected, in bytes.
    pub(super) fn size(&self) -> usize {
        self.waiting() * size_of::<Digest>()
    }

    /// Slots for the digests of all strings before `end` that were not collected.
    pub(super) fn slots(&mut self, end: usize) -> Slots<'_> {
        let len = end.saturating_sub(self.first);
        if len > self.digests.len() {
            if self.digests.capacity() == 0 {
                self.digests.reserve_exact(self.room().max(len));
            }
            self.digests.resize(len, [0; _]);
        }
        Slots { first: self.first, digests: &mut self.digests }
    }

    /// Of the strings under way the first `count`.
    pub(super) fn next(&mut self, count: usize) -> &mut [Digest] {
        let waiting = self.waiting();
        &mut self.digests[waiting..waiting + count]
    }

    /// The digest of the next string.
    pub(super) fn push(&mut self, digest: Digest) {
        self.slots(self.done + 1);
        self.next(1)[0] = digest;
        self.done += 1;
    }

    /// Takes away those of the strings from `total` on.
    pub(super) fn shrink(&mut self, total: usize) {
        self.total = self.total.min(total);
        self.done = self.done.min(self.total);
    }

    pub(super) fn collect(&mut self) -> Bytes {
        let waiting = self.waiting();
        self.first += waiting;
        // Results may be kept for long: they must not hold much more memory than they fill.
        if waiting < self.digests.capacity() / 2 {
            let collected = Bytes::copy_from_slice(self.digests[..waiting].as_flattened());
            self.digests.drain(..waiting);
            return collected;
        }
        let under_way = &self.digests[waiting..];
        let mut digests = Vec::with_capacity(if under_way.is_empty() { 0 } else { self.room() });
        digests.extend_from_slice(under_way);
        self.digests.truncate(waiting);
        std::mem::replace(&mut self.digests, digests).into_flattened().into()
    }

    /// Digests that are still to come, and fit.
    fn room(&self) -> usize {
        MAX_ROOM.min(self.total.saturating_sub(self.first))
    }

    /// How many wait to be collected: none if what was collected is more than is still wanted.
    fn waiting(&self) -> usize {
        self.done.saturating_sub(self.first)
    }
}
