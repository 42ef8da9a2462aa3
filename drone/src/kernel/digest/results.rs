//! Digests of one job on their way out.

use bytes::Bytes;

use crate::kernel::lanes::{Digest, Slots};

/// Room that is set aside for digests at once; they are collected about then.
const ROOM: usize = ((1 << 20) + (64 << 10)) / size_of::<Digest>();

/// Digests in the order of their strings, the first of which are done.
pub(super) struct Results {
    /// Strings wanted.
    pub(super) total: usize,
    /// Strings done.
    pub(super) done: usize,
    /// The string whose digest is the first of `digests`.
    first: usize,
    /// Those that wait to be collected, and behind them what is under way.
    digests: Vec<Digest>,
}

impl Results {
    pub(super) fn new(total: usize) -> Self {
        Self { total, done: 0, first: 0, digests: Vec::with_capacity(ROOM.min(total)) }
    }

    /// Those that wait to be collected, in bytes.
    pub(super) fn size(&self) -> usize {
        self.waiting() * size_of::<Digest>()
    }

    /// Places for the digests of all strings before `end` and no others.
    pub(super) fn places(&mut self, end: usize) -> Slots<'_> {
        self.digests.resize(end.saturating_sub(self.first), [0; _]);
        Slots { first: self.first, digests: &mut self.digests }
    }

    /// Of the strings under way the first `count`.
    pub(super) fn next(&mut self, count: usize) -> &mut [Digest] {
        let waiting = self.waiting();
        &mut self.digests[waiting..waiting + count]
    }

    /// The digest of the next string.
    pub(super) fn push(&mut self, digest: Digest) {
        self.digests.truncate(self.waiting());
        self.digests.push(digest);
        self.done += 1;
    }

    /// Takes away those of the strings from `total` on.
    pub(super) fn shrink(&mut self, total: usize) {
        self.total = self.total.min(total);
        self.done = self.done.min(self.total);
        self.digests.truncate(self.total.saturating_sub(self.first));
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
        let rest = &self.digests[waiting..];
        let mut digests = Vec::with_capacity(ROOM.min(self.total.saturating_sub(self.first)).max(rest.len()));
        digests.extend_from_slice(rest);
        self.digests.truncate(waiting);
        std::mem::replace(&mut self.digests, digests).into_flattened().into()
    }

    /// How many wait to be collected: none if what was collected is more than is still wanted.
    fn waiting(&self) -> usize {
        self.done.saturating_sub(self.first)
    }
}
