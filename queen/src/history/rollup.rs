//! One series at all its steps: minutes and hours are made of the seconds that fall into them.

use web::model::{Series, Step};

use super::ring::Ring;

/// What was measured of something, and of how many that is the mean. One that weighs nothing was not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// The mean, or the largest.
    pub value: f64,
    /// Of so many.
    pub weight: f64,
}

/// How the values of a longer step come of those of shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    Mean,
    Largest,
}

impl Fold {
    fn of(series: Series) -> Self {
        match series {
            Series::SlowestSubmission | Series::SlowestWord | Series::Done => Self::Largest,
            Series::Rate
            | Series::Compressions
            | Series::Queued
            | Series::TimeLeft
            | Series::Memory
            | Series::Disk
            | Series::Idle
            | Series::Busy
            | Series::Leaving
            | Series::Quarantined
            | Series::Away
            | Series::Submission
            | Series::Word => Self::Mean,
        }
    }
}

/// A step that is not over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Open {
    pub(super) step: i64,
    /// All values, each as often as it weighs, added up; or the largest.
    pub(super) sum: f64,
    pub(super) weight: f64,
}

impl Open {
    fn add(&mut self, fold: Fold, measured: Measured) {
        if measured.weight <= 0.0 {
            return;
        }
        self.sum = match fold {
            Fold::Mean => self.sum + measured.value * measured.weight,
            Fold::Largest if self.weight > 0.0 => self.sum.max(measured.value),
            Fold::Largest => measured.value,
        };
        self.weight += measured.weight;
    }

    fn value(&self, fold: Fold) -> Option<f32> {
        (self.weight > 0.0).then(|| match fold {
            Fold::Mean => (self.sum / self.weight) as f32,
            Fold::Largest => self.sum as f32,
        })
    }
}

/// A series at all its steps.
#[derive(Debug, Clone)]
pub(super) struct Rollup {
    fold: Fold,
    /// In the order of [`Step::ALL`]; the last step of each is open.
    pub(super) steps: [(Ring, Open); 3],
}

impl Rollup {
    pub(super) fn new(series: Series) -> Self {
        let steps = Step::ALL.map(|step| (Ring::new(step.points() - 1), Open::default()));
        Self { fold: Fold::of(series), steps }
    }

    /// Adds what was measured in a second, which is counted from time zero.
    pub(super) fn push(&mut self, second: i64, measured: Measured) {
        for ((ring, open), step) in self.steps.iter_mut().zip(Step::ALL) {
            let number = second.div_euclid(i64::from(step.seconds()));
            if number < open.step {
                continue;
            }
            if number > open.step {
                // Of the first one that ever was, nothing was measured before.
                if open.weight > 0.0 || ring.first().is_some() {
                    ring.push(open.step, open.value(self.fold));
                }
                *open = Open { step: number, ..Open::default() };
            }
            open.add(self.fold, measured);
        }
    }

    /// The value of a step with this number.
    pub(super) fn at(&self, step: Step, number: i64) -> Option<f32> {
        let (ring, open) = &self.steps[step as usize];
        if number == open.step { open.value(self.fold) } else { ring.at(number) }
    }

    /// The oldest step of which there may be a value.
    pub(super) fn first(&self, step: Step) -> Option<i64> {
        let (ring, open) = &self.steps[step as usize];
        // What is older than the room there is lies before a gap, which is not filled in yet.
        let oldest = open.step.saturating_sub(step.points() as i64 - 1);
        let open = (open.weight > 0.0).then_some(open.step);
        ring.first().map(|first| first.max(oldest)).or(open)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.steps.iter().map(|(ring, _)| ring.bytes()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(value: f64) -> Measured {
        Measured { value, weight: 1.0 }
    }

    #[test]
    fn minutes_and_hours_are_means_of_seconds() {
        let mut rollup = Rollup::new(Series::Rate);
        // Aligned to the minute, not to the first second.
        (90..7200).for_each(|second| rollup.push(second, once(second as f64)));
        assert_eq!(
            [6299, 6300, 7199].map(|number| rollup.at(Step::Second, number)),
            [None, Some(6300.0), Some(7199.0)]
        );
        assert_eq!(
            [0, 1, 2, 119].map(|number| rollup.at(Step::Minute, number)),
            [None, Some(104.5), Some(149.5), Some(7169.5)]
        );
        assert_eq!([0, 1].map(|number| rollup.at(Step::Hour, number)), [Some(1844.5), Some(5399.5)]);
        assert_eq!(Step::ALL.map(|step| rollup.first(step)), [Some(6300), Some(1), Some(0)]);
    }

    #[test]
    fn what_weighs_more_counts_more() {
        let mut rollup = Rollup::new(Series::Word);
        rollup.push(60, Measured { value: 1.0, weight: 3.0 });
        rollup.push(61, Measured::default());
        rollup.push(62, Measured { value: 5.0, weight: 1.0 });
        assert_eq!(rollup.at(Step::Second, 61), None);
        assert_eq!(rollup.at(Step::Minute, 1), Some(2.0));
        let mut slowest = Rollup::new(Series::SlowestWord);
        [2.0, 7.0, 3.0].into_iter().zip(60..).for_each(|(value, second)| slowest.push(second, once(value)));
        assert_eq!(slowest.at(Step::Minute, 1), Some(7.0));
    }

    #[test]
    fn a_rest_is_a_gap() {
        let mut rollup = Rollup::new(Series::Rate);
        rollup.push(10, once(1.0));
        rollup.push(13, once(2.0));
        rollup.push(9, once(9.0));
        let seconds = [9, 10, 11, 12, 13, 14].map(|number| rollup.at(Step::Second, number));
        assert_eq!(seconds, [None, Some(1.0), None, None, Some(2.0), None]);
        // After more than all that is kept, nothing of it is left.
        rollup.push(1_000_000_000, once(3.0));
        rollup.push(1_000_000_001, once(4.0));
        assert_eq!((rollup.at(Step::Second, 13), rollup.at(Step::Second, 1_000_000_000)), (None, Some(3.0)));
        assert_eq!(rollup.first(Step::Minute), Some(rollup.steps[1].1.step - 1439));
    }
}
