//! The run queue, and what the threads have in common besides.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::assignment::Urgency;
use super::computation::{Computation, Tally};
use crate::kernel::Kernels;

/// What the compute threads and the pool share.
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    pub(super) added: Condvar,
    pub(super) slots: Box<[Slot]>,
    /// What was computed outside the threads.
    pub(super) brief: Tally,
    pub(super) kernels: Kernels,
}

/// What a thread touches between two steps.
#[derive(Default)]
pub(super) struct Slot {
    /// Whether the thread is to look at the queue, since something there concerns it.
    pub(super) attend: AtomicBool,
    /// Indices below this one are computed of the running lease.
    pub(super) reached: AtomicU64,
    pub(super) tally: Tally,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: BTreeMap<Urgency, Computation>,
    /// What each thread runs.
    pub(super) running: Box<[Option<Running>]>,
    /// Threads that wait for work.
    pub(super) sleeping: usize,
    pub(super) closing: bool,
}

pub(super) struct Running {
    pub(super) urgency: Urgency,
    pub(super) end: u64,
    /// Whether its thread was asked already to make room for a more urgent lease.
    pub(super) yielding: bool,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic changes the queue halfway.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the thread with the least urgent lease to look, if `urgency` comes before it.
    pub(super) fn interrupt_for(&self, queue: &mut Queue, urgency: Urgency) {
        let running = queue.running.iter_mut().zip(&self.slots);
        let least = running
            .filter_map(|(running, slot)| Some((running.as_mut()?, slot)))
            .filter(|(running, _)| !running.yielding)
            .max_by_key(|(running, _)| running.urgency);
        if let Some((running, slot)) = least.filter(|(running, _)| urgency < running.urgency) {
            running.yielding = true;
            slot.attend.store(true, Ordering::Release);
        }
    }

    /// The lease that thread `index` is to go on with: `current`, or a more urgent one, in
    /// which case `current` waits. Blocks while there is none; `None` when the pool closes.
    pub(super) fn next(&self, index: usize, current: Option<Computation>) -> Option<Computation> {
        let mut queue = self.lock();
        let slot = &self.slots[index];
        slot.attend.store(false, Ordering::Release);
        let ran = queue.running[index].take();
        if let (Some(mut lease), Some(ran)) = (current, ran) {
            lease.shrink(ran.end);
            // What is over but not yet sent goes on to its end here, which takes no time.
            let stays = lease.is_computed() || queue.waiting.keys().next().is_none_or(|first| lease.urgency < *first);
            if stays && !queue.closing {
                queue.running[index] = Some(Running { yielding: false, ..ran });
                return Some(lease);
            }
            queue.waiting.insert(lease.urgency, lease);
        }
        queue.sleeping += 1;
        queue = self
            .added
            .wait_while(queue, |queue| queue.waiting.is_empty() && !queue.closing)
            .unwrap_or_else(PoisonError::into_inner);
        queue.sleeping -= 1;
        if queue.closing {
            return None;
        }
        let (urgency, lease) = queue.waiting.pop_first()?;
        slot.attend.store(false, Ordering::Release);
        slot.reached.store(lease.reached(), Ordering::Relaxed);
        queue.running[index] = Some(Running { urgency, end: lease.end(), yielding: false });
        Some(lease)
    }
}
