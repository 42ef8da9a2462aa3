//! How long things took that ended lately.

use std::time::Duration;

use super::rollup::Measured;

/// Durations since they were taken last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timed {
    /// All of them, in seconds.
    sum: f64,
    count: u64,
    /// The longest, in seconds.
    longest: f64,
}

impl Timed {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.sum += seconds;
        self.count += 1;
        self.longest = self.longest.max(seconds);
    }

    /// Their mean and the longest, in seconds, with their number; counts anew from here on.
    pub fn take(&mut self) -> (Measured, Measured) {
        let Self { sum, count, longest } = std::mem::take(self);
        let weight = count as f64;
        let mean = if count > 0 { sum / weight } else { 0.0 };
        (Measured { value: mean, weight }, Measured { value: longest, weight })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_once() {
        let mut timed = Timed::default();
        [1, 2, 6].into_iter().for_each(|seconds| timed.add(Duration::from_secs(seconds)));
        let of = |value| Measured { value, weight: 3.0 };
        assert_eq!(timed.take(), (of(3.0), of(6.0)));
        assert_eq!(timed.take(), (Measured::default(), Measured::default()));
    }
}
