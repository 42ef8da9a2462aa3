//! What the overview shows of the last quarter of an hour.

use super::chart::{Line, Stack};
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::{HistoryView, Series, Step};

/// Values of a second.
const MINUTE: usize = 60;

/// Lines and layers; `None` where there is not enough to show.
pub(super) struct Measured {
    pub(super) rate: Option<Line>,
    pub(super) queued: Option<Line>,
    pub(super) time_left: Option<Line>,
    pub(super) done: Option<Line>,
    pub(super) memory: Option<Line>,
    pub(super) disk: Option<Line>,
    pub(super) drones: Option<Line>,
    pub(super) word: Option<Line>,
    /// How long a task of one item took in the last minute, and a submission, in seconds.
    pub(super) latency: (Option<f64>, Option<f64>),
    pub(super) throughput: Option<Stack>,
}

impl Measured {
    pub(super) async fn of(hive: &dyn Hive) -> Result<Self, Problem> {
        let history = hive.history(&Series::ALL, Step::Second).await?;
        let throughput = hive.throughput().await?;
        let line = |values: &[Option<f32>]| Line::of(values, history.step_seconds, history.from, None);
        let connected = [Series::Idle, Series::Busy, Series::Leaving, Series::Quarantined];
        Ok(Self {
            rate: line(values(&history, Series::Rate)),
            queued: line(values(&history, Series::Queued)),
            time_left: line(values(&history, Series::TimeLeft)),
            done: line(values(&history, Series::Done)),
            memory: line(values(&history, Series::Memory)),
            disk: line(values(&history, Series::Disk)),
            drones: line(&together(&connected.map(|series| values(&history, series)))),
            word: line(values(&history, Series::Word)),
            latency: (lately(values(&history, Series::Word)), lately(values(&history, Series::Submission))),
            throughput: Stack::of(&throughput),
        })
    }
}

fn values(history: &HistoryView, series: Series) -> &[Option<f32>] {
    history.series.get(series.name()).map_or(&[], Vec::as_slice)
}

/// The mean of the last minute.
fn lately(values: &[Option<f32>]) -> Option<f64> {
    let measured = values.iter().rev().take(MINUTE).flatten();
    let (count, sum) = measured.fold((0, 0.0), |(count, sum), value| (count + 1, sum + f64::from(*value)));
    (count > 0).then(|| sum / f64::from(count))
}

/// The sums of what was measured at the same times.
fn together(all: &[&[Option<f32>]]) -> Vec<Option<f32>> {
    let length = all.iter().map(|values| values.len()).max().unwrap_or_default();
    let at = |at: usize| all.iter().filter_map(|values| *values.get(at)?).reduce(|one, other| one + other);
    (0..length).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_not_nothing() {
        assert_eq!(together(&[&[Some(1.0), None, None], &[Some(2.0), Some(3.0), None]]), [Some(3.0), Some(3.0), None]);
        assert_eq!(lately(&[None, Some(0.5), None, Some(1.5)]), Some(1.0));
        assert_eq!(lately(&[&[Some(5.0)][..], &[None; MINUTE]].concat()), None);
    }
}
