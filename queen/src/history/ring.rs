//! Values at equal steps, as many as there is room for.

use std::collections::VecDeque;
use std::iter::repeat_n;

/// Stands for what was not measured.
const MISSING: f32 = f32::NAN;

/// The newest values of something, one for each step of time. Steps are counted from time zero.
#[derive(Debug, Clone)]
pub struct Ring {
    /// At least one.
    most: usize,
    /// The step behind the newest value.
    end: i64,
    values: VecDeque<f32>,
}

impl Ring {
    /// Room for so many values, which is taken at once and does not grow.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, end: 0, values: VecDeque::with_capacity(most) }
    }

    /// Adds the value of a step. Steps that were left out have none; a step that is not behind the newest is ignored.
    pub fn push(&mut self, step: i64, value: Option<f32>) {
        if self.values.is_empty() {
            self.end = step;
        }
        let Ok(missed) = usize::try_from(step.saturating_sub(self.end)) else { return };
        let missed = missed.min(self.most - 1);
        let surplus = (self.values.len() + missed + 1).saturating_sub(self.most);
        self.values.drain(..surplus);
        self.values.extend(repeat_n(MISSING, missed));
        self.values.push_back(value.filter(|value| value.is_finite()).unwrap_or(MISSING));
        self.end = step.saturating_add(1);
    }

    /// The same steps, at which nothing was measured.
    pub fn without_values(&self) -> Self {
        let mut values = VecDeque::with_capacity(self.most);
        values.extend(repeat_n(MISSING, self.values.len()));
        Self { values, ..*self }
    }

    /// The value of a step, if there is one.
    pub fn at(&self, step: i64) -> Option<f32> {
        let behind = usize::try_from(self.end.checked_sub(step)?).ok()?;
        let at = self.values.len().checked_sub(behind)?;
        self.values.get(at).copied().filter(|value| !value.is_nan())
    }

    /// The oldest step that is kept; `None` if there is none.
    pub fn first(&self) -> Option<i64> {
        (!self.values.is_empty()).then(|| self.end.saturating_sub(self.values.len() as i64))
    }

    /// The step behind the newest value.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// All values, oldest first.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Option<f32>> {
        self.values.iter().map(|value| Some(*value).filter(|value| !value.is_nan()))
    }

    /// What its values take of memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &Ring) -> Vec<Option<f32>> {
        ring.values().collect()
    }

    #[test]
    fn the_newest_stay() {
        let mut ring = Ring::new(3);
        assert_eq!((ring.first(), ring.at(0)), (None, None));
        (10..15).for_each(|step| ring.push(step, Some(step as f32)));
        assert_eq!(all(&ring), [12.0, 13.0, 14.0].map(Some));
        assert_eq!([11, 12, 14, 15].map(|step| ring.at(step)), [None, Some(12.0), Some(14.0), None]);
        assert_eq!((ring.first(), ring.end()), (Some(12), 15));
    }

    #[test]
    fn gaps_are_nothing() {
        let mut ring = Ring::new(4);
        ring.push(1, Some(1.0));
        ring.push(4, Some(4.0));
        assert_eq!(all(&ring), [Some(1.0), None, None, Some(4.0)]);
        ring.push(5, None);
        ring.push(6, Some(f32::INFINITY));
        assert_eq!(all(&ring), [None, Some(4.0), None, None]);
        ring.push(i64::MAX - 1, Some(7.0));
        assert_eq!(all(&ring), [None, None, None, Some(7.0)]);
    }

    #[test]
    fn time_does_not_go_back() {
        let mut ring = Ring::new(2);
        ring.push(5, Some(5.0));
        for step in [5, 4, i64::MIN] {
            ring.push(step, Some(0.0));
        }
        assert_eq!((all(&ring), ring.end()), (vec![Some(5.0)], 6));
    }

    #[test]
    fn it_never_grows() {
        let mut ring = Ring::new(100);
        let bytes = ring.bytes();
        (0..1000).for_each(|step| ring.push(step * 7, Some(1.0)));
        ring.push(1 << 40, Some(1.0));
        assert_eq!(ring.bytes(), bytes);
    }
}
