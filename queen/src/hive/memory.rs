//! The memory limit, shared out among its uses, so that none is left without room by another.

use std::sync::Arc;

use web::budget::Budget;

/// The parts of the limit that go to a use, one part in so many, and what makes nothing better beyond it.
const CACHE: Share = Share { part: 8, least: 0, most: 128 << 20 };
const JOURNAL: Share = Share { part: 8, least: 0, most: 64 << 20 };
const CONNECTIONS: Share = Share { part: 8, least: 8 << 20, most: 528 << 20 };
const READERS: Share = Share { part: 16, least: 16 << 20, most: 256 << 20 };
const FRAMES: Share = Share { part: 16, least: 4 << 20, most: 64 << 20 };

/// What each use may take, in bytes. Together that is the limit, unless it is too small for the longest
/// frame and the longest result.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    /// Tasks that have not ended, and all that is stored, as far as it is not on disk.
    pub(super) tasks: Arc<Budget>,
    /// Frames of Drones.
    pub(super) frames: Arc<Budget>,
    /// Results that are being formatted, and other long answers.
    pub(super) readers: Arc<Budget>,
    connections: Arc<Budget>,
    /// Cached segments.
    pub(super) cache: u64,
    /// Results on their way to the disk.
    pub(super) journal: u64,
}

/// A part of the limit.
struct Share {
    part: u64,
    least: u64,
    most: u64,
}

impl Share {
    fn of(&self, limit: u64) -> u64 {
        (limit / self.part).min(self.most)
    }

    fn budget(&self, limit: u64) -> Arc<Budget> {
        Budget::new(self.of(limit).max(self.least))
    }
}

impl Memory {
    /// Shares out `limit` bytes.
    pub(super) fn share_out(limit: u64) -> Self {
        let (cache, journal) = (CACHE.of(limit), JOURNAL.of(limit));
        let others: u64 = [CONNECTIONS, READERS, FRAMES].iter().map(|share| share.of(limit)).sum();
        Self {
            limit,
            tasks: Budget::new(limit - cache - journal - others),
            frames: FRAMES.budget(limit),
            readers: READERS.budget(limit),
            connections: CONNECTIONS.budget(limit),
            cache,
            journal,
        }
    }

    /// All that there is, in bytes.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// What is taken, in bytes, apart from what is cached or on its way to the disk.
    pub(super) fn used(&self) -> u64 {
        [&self.tasks, &self.frames, &self.readers, &self.connections].map(|budget| budget.used()).iter().sum()
    }

    /// What results, and other long answers, may take while they are sent.
    pub fn readers(&self) -> &Arc<Budget> {
        &self.readers
    }

    /// What HTTP connections may take: each its head, and what is sent on it.
    pub fn connections(&self) -> &Arc<Budget> {
        &self.connections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_are_the_limit() {
        for limit in [256 << 20, 64 << 30, 1 << 40] {
            let Memory { tasks, frames, readers, connections, cache, journal, .. } = Memory::share_out(limit);
            let budgets: u64 = [&tasks, &frames, &readers, &connections].map(|budget| budget.limit()).iter().sum();
            assert_eq!(budgets + cache + journal, limit);
            assert!(tasks.limit() >= limit / 2, "{} of {limit} bytes", tasks.limit());
        }
    }
}
