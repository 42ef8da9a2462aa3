//! How many connections that ended badly the console is told of: not thousands of strangers one by one.

use std::time::Duration;

/// How long the count lasts.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// Lines in each [`PERIOD`].
const LINES: u64 = 10;

/// The connections that ended badly in this period.
#[derive(Debug, Default)]
pub(super) struct Complaints(u64);

impl Complaints {
    /// One more; whether the console is told of it.
    pub(super) fn add(&mut self) -> bool {
        self.0 += 1;
        self.0 <= LINES
    }

    /// A new period begins. Returns how many of the last one were not told.
    pub(super) fn renew(&mut self) -> u64 {
        std::mem::take(&mut self.0).saturating_sub(LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_told_and_the_rest_is_counted() {
        let mut complaints = Complaints::default();
        assert_eq!((0..40_000).filter(|_| complaints.add()).count() as u64, LINES);
        assert_eq!((complaints.renew(), complaints.renew()), (40_000 - LINES, 0));
        assert!(complaints.add());
    }
}
