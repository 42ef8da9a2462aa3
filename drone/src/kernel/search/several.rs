//! Candidates that differ in several blocks: strings like any others.

use std::ops::Range;

use wire::blob::BlobBuf;
use wire::sieve::Digest;
use wire::work::{Class, SearchChunk};

use super::prefix::Prefix;
use crate::kernel::hashing::Hashing;
use crate::kernel::kernels::Kernels;
use crate::kernel::results::Results;
use crate::kernel::sha256::{Budget, Midstate, Nest};

/// How long strings that are written down together are, in bytes, unless there is only one.
const MAX_WRITTEN_BYTES: usize = 128 << 10;

/// How many strings are written down together at most.
const MAX_WRITTEN: usize = 1024;

/// Strings that are hashed together, one batch after the other.
pub(super) struct Several {
    nest: Nest,
    inputs: BlobBuf,
    hashing: Hashing,
    results: Results,
}

impl Several {
    pub(super) fn new(prefix: &Prefix, is_twice: bool) -> Self {
        let nest = Nest { inner: prefix.midstate, outer: is_twice.then_some(Midstate::START) };
        let hashing = Hashing::new(Class::SEARCH_LONG, nest);
        Self { nest, inputs: BlobBuf::default(), hashing, results: Results::new(0) }
    }

    /// Writes down the first of these items, if no earlier ones are under way.
    pub(super) fn fill(&mut self, prefix: &Prefix, search: &SearchChunk<'_>, items: Range<u64>) {
        // Items at the end may not be wanted any more.
        let left = usize::try_from(items.end - items.start).unwrap_or(usize::MAX);
        self.results.shrink(self.results.done.saturating_add(left));
        self.hashing.shrink(self.results.total);
        if self.results.done < self.results.total {
            return;
        }
        let mut string = Vec::new();
        self.inputs = BlobBuf::default();
        for item in items {
            string.clear();
            string.extend_from_slice(&prefix.rest);
            search.candidates.write(search.first + item, &mut string);
            string.extend_from_slice(search.suffix);
            self.inputs.push(&string);
            if self.inputs.len() == MAX_WRITTEN || (self.inputs.len() + 1) * string.len() > MAX_WRITTEN_BYTES {
                break;
            }
        }
        self.hashing = Hashing::new(Class::SEARCH_LONG, self.nest);
        self.results = Results::new(self.inputs.len());
    }

    /// Goes on with hashing them, and returns the next digests.
    pub(super) fn advance(&mut self, kernels: &Kernels, budget: &mut Budget) -> Vec<Digest> {
        self.hashing.advance(kernels, self.inputs.as_blob(), &mut self.results, budget);
        self.results.collect().as_chunks().0.to_vec()
    }
}
