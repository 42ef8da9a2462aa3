//! How much of the machine's memory may be taken for one use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::{Mutex, Notify};

/// The limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory for it is full: {used} of {limit} bytes are taken, {wanted} more are needed")]
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
    /// Held by the first of those who wait for bytes: it gets them before the others, however many it needs.
    turn: Mutex<()>,
    freed: Notify,
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
        Arc::new(Self { used: AtomicU64::new(0), limit, turn: Mutex::default(), freed: Notify::new() })
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
    pub fn charge(&self, bytes: u64) {
        self.used.fetch_add(bytes, Relaxed);
    }

    /// Takes bytes for what is there in any case, until that is dropped.
    pub fn hold(self: &Arc<Self>, bytes: u64) -> Reservation {
        self.charge(bytes);
        Reservation { budget: Arc::clone(self), bytes }
    }

    /// Gives back what was [charged](Self::charge), or what a [committed](Reservation::commit) reservation took.
    pub fn free(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
        self.freed.notify_one();
    }

    /// Waits until so many bytes can be taken, behind those who wait already; more than there are is taken
    /// as all there are.
    pub async fn wait_for(self: &Arc<Self>, bytes: u64) -> Reservation {
        let mut reservation = self.reserve();
        let _turn = self.turn.lock().await;
        while reservation.grow(bytes.min(self.limit)).is_err() {
            // What is freed before this is not missed: a notice is kept for one.
            self.freed.notified().await;
        }
        reservation
    }

    /// Whether no more than half is taken.
    pub fn is_ample(&self) -> bool {
        self.used() <= self.limit / 2
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
        let Budget { used, limit, .. } = &*self.budget;
        used.fetch_update(Relaxed, Relaxed, |used| used.checked_add(wanted).filter(|sum| sum <= limit))
            .map_err(|used| OverBudget { used, limit: *limit, wanted })?;
        self.bytes += wanted;
        Ok(())
    }

    /// Takes exactly `bytes` from now on, which are there in any case, over the limit if need be.
    pub fn set(&mut self, bytes: u64) {
        self.budget.charge(bytes);
        self.budget.free(std::mem::replace(&mut self.bytes, bytes));
    }

    /// Makes it last beyond this value: exactly `bytes` of it, until [`Budget::free`].
    pub fn commit(mut self, bytes: u64) {
        self.budget.charge(bytes);
        self.budget.free(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.free(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

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
        second.commit(4);
        assert_eq!(budget.used(), 4);
        budget.free(4);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_much_is_not_overtaken_by_who_waits_for_little() {
        let budget = Budget::new(10);
        let held = budget.wait_for(6).await;
        let (mut much, mut little) = (Box::pin(budget.wait_for(8)), Box::pin(budget.wait_for(1)));
        assert!((&mut much).now_or_never().is_none() && (&mut little).now_or_never().is_none());
        drop(held);
        assert!((&mut little).now_or_never().is_none());
        let (_much, _little) = (much.await, little.await);
        assert_eq!((budget.used(), budget.is_ample()), (9, false));
        assert_eq!(Budget::new(10).wait_for(99).await.bytes, 10, "more than there is is all there is");
    }
}
