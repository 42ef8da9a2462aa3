//! How much of the machine's memory tasks may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory for tasks is full: {used} of {limit} bytes are taken, {wanted} more are needed")]
pub struct OverBudget {
    /// Bytes taken.
    pub used: u64,
    /// Bytes there are.
    pub limit: u64,
    /// Bytes asked for.
    pub wanted: u64,
}

/// A limit in bytes, and how much of it is taken.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    limit: u64,
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// Nothing is taken of `limit` bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), limit })
    }

    /// Bytes taken.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Bytes there are.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes bytes for what is there in any case, over the limit if need be.
    pub fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Relaxed);
    }

    /// Gives back what was [taken](Self::take), or what a [kept](Reservation::keep) reservation took.
    pub fn free(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    /// Takes nothing yet; see [`Reservation::grow`].
    pub fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Reservation {
    /// Takes `wanted` bytes more.
    ///
    /// # Errors
    /// If that is over the limit; nothing more is taken then.
    pub fn grow(&mut self, wanted: u64) -> Result<(), OverBudget> {
        let Budget { used, limit } = &*self.budget;
        used.fetch_update(Relaxed, Relaxed, |used| used.checked_add(wanted).filter(|sum| sum <= limit))
            .map_err(|used| OverBudget { used, limit: *limit, wanted })?;
        self.bytes += wanted;
        Ok(())
    }

    /// Makes it last beyond this value: exactly `bytes` of it, until [`Budget::free`].
    pub fn keep(mut self, bytes: u64) {
        self.budget.take(bytes);
        self.budget.used.fetch_sub(std::mem::take(&mut self.bytes), Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let budget = Budget::new(10);
        let mut first = budget.reserve();
        first.grow(6).unwrap();
        let mut second = budget.reserve();
        assert_eq!(second.grow(5), Err(OverBudget { used: 6, limit: 10, wanted: 5 }));
        drop(first);
        second.grow(5).unwrap();
        assert_eq!(budget.used(), 5);
        second.keep(4);
        assert_eq!(budget.used(), 4);
        budget.free(4);
        assert_eq!(budget.used(), 0);
    }
}
