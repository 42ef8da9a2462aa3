//! One hash of each string, or two.

use wire::blob::Blob;
use wire::work::Class;

use super::kernels::Kernels;
use super::lanes::{Feed, Lane};
use super::results::Results;
use super::sha256::{Budget, Nest};

/// How many strings may be begun behind one that takes long, so that a job's unfinished digests are bounded.
const MAX_AHEAD: usize = 4096;

/// SHA-256, SHA-256d or HMAC of each string.
pub(super) struct Hashing {
    class: Class,
    nest: Nest,
    /// What is begun, in no order.
    lanes: Vec<Lane>,
    /// Which string is to be begun next, and at which byte it begins.
    next: usize,
    at: usize,
}

impl Hashing {
    pub(super) fn new(class: Class, nest: Nest) -> Self {
        Self { class, nest, lanes: Vec::new(), next: 0, at: 0 }
    }

    /// Strings before this one are through the inner hash.
    fn hashed(&self) -> usize {
        self.lanes.iter().map(|lane| lane.message.string).min().unwrap_or(self.next)
    }

    pub(super) fn shrink(&mut self, total: usize) {
        self.lanes.retain(|lane| lane.message.string < total);
        self.next = self.next.min(total);
    }

    /// Goes on with the outer hash if strings wait for it, and else with the inner one.
    pub(super) fn advance(&mut self, kernels: &Kernels, inputs: Blob<'_>, results: &mut Results, budget: &mut Budget) {
        let Some(outer) = &self.nest.outer else {
            self.absorb(kernels, inputs, results, budget);
            results.done = self.hashed();
            return;
        };
        let ripe = (self.hashed() - results.done).min(usize::try_from(budget.left()).unwrap_or(usize::MAX));
        if ripe == 0 {
            return self.absorb(kernels, inputs, results, budget);
        }
        kernels.of(self.class, ripe).rehash(outer, results.next(ripe));
        results.done += ripe;
        budget.spend(ripe as u64);
    }

    fn absorb(&mut self, kernels: &Kernels, inputs: Blob<'_>, results: &mut Results, budget: &mut Budget) {
        let start = &self.nest.inner;
        let end = results.total.min(self.hashed() + MAX_AHEAD);
        let kernel = kernels.of(self.class, self.lanes.len() + end.saturating_sub(self.next));
        let mut feed = Feed::new(inputs, self.next, self.at, end);
        let begun = std::iter::from_fn(|| Some(Lane { message: feed.begin(start)?, state: start.state }));
        self.lanes.extend(begun.take(kernel.lanes().saturating_sub(self.lanes.len())));
        let lanes = self.lanes.len().min(kernel.lanes());
        // Strings that end want a compression more, if there is an outer hash.
        let each = lanes * if self.nest.outer.is_some() { 2 } else { 1 };
        let rounds = (usize::try_from(budget.left()).unwrap_or(usize::MAX) / each).max(1);
        feed.end = end.min(feed.next + rounds * lanes);
        let mut slots = results.slots(feed.end);
        budget.spend(kernel.absorb(start, &mut self.lanes, &mut feed, &mut slots, rounds));
        (self.next, self.at) = (feed.next, feed.at);
        self.lanes.retain(|lane| !lane.message.is_over());
    }
}
