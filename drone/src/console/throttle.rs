//! At most so many lines a second from one place in the code.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// Lines that one callsite may print in a [`WINDOW`].
const LINES: u32 = 10;

/// For how long lines are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts lines per callsite; there are only as many as the code has.
#[derive(Default)]
pub(super) struct Throttle(HashMap<Identifier, Recent>);

struct Recent {
    since: Instant,
    printed: u32,
    skipped: u64,
}

impl Throttle {
    /// Whether a line may be printed now, and how many were skipped since the last one.
    pub(super) fn admit(&mut self, callsite: Identifier, now: Instant) -> Option<u64> {
        let recent = self.0.entry(callsite).or_insert(Recent { since: now, printed: 0, skipped: 0 });
        if now.duration_since(recent.since) >= WINDOW {
            recent.since = now;
            recent.printed = 0;
        }
        if recent.printed >= LINES {
            recent.skipped += 1;
            return None;
        }
        recent.printed += 1;
        Some(std::mem::take(&mut recent.skipped))
    }
}
