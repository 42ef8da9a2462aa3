//! How many connections that ended badly the console is told of, since anybody can make thousands.

use std::time::Duration;

/// How long connections are counted until the count begins anew.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// The most lines of the console in each [`PERIOD`].
const MAX_LINES: u64 = 10;

/// The connections that ended badly in this period.
#[derive(Debug, Default)]
pub(super) struct LogLimit(u64);

impl LogLimit {
    /// One more; whether the console is told of it.
    pub(super) fn admit(&mut self) -> bool {
        self.0 += 1;
        self.0 <= MAX_LINES
    }

    /// A new period begins. Returns how many of the last one were not told.
    pub(super) fn renew(&mut self) -> u64 {
        std::mem::take(&mut self.0).saturating_sub(MAX_LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_told_and_the_rest_is_counted() {
        let mut limit = LogLimit::default();
        assert_eq!((0..40_000).filter(|_| limit.admit()).count() as u64, MAX_LINES);
        assert_eq!((limit.renew(), limit.renew()), (40_000 - MAX_LINES, 0));
        assert!(limit.admit());
    }
}
