//! What the overview shows of the last quarter of an hour.

use std::collections::BTreeMap;

use wire::ids::DroneId;

use super::chart::{self, Line, Stack};
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::{HistoryView, Series, Step, Timestamp};

/// A machine that is busy may leave out so many values.
const HICCUP: usize = 2;

/// Values of a second.
const MINUTE: usize = 60;

/// Lines and layers; `None` where there is not enough to show.
pub(super) struct Measured {
    pub(super) compressions: Option<Line>,
    pub(super) queued: Option<Line>,
    pub(super) time_left: Option<Line>,
    pub(super) done: Option<Line>,
    pub(super) memory: Option<Line>,
    pub(super) disk: Option<Line>,
    pub(super) drones: Option<Line>,
    pub(super) word: Option<Line>,
    /// How long tasks of one item took that were computed in the last minute, from their submission on, in seconds: the
    /// median of its seconds, so that one which waited for long changes little.
    pub(super) word_median: Option<f64>,
    /// The same of how long submissions took until they were on disk.
    pub(super) submission_median: Option<f64>,
    pub(super) throughput: Option<Stack>,
    /// When nothing was measured the last time, from its first to its last moment.
    pub(super) gap: Option<(Timestamp, Timestamp)>,
}

impl Measured {
    /// `now`: what each Drone computes at the moment, in compressions per second.
    pub(super) async fn of(hive: &dyn Hive, now: &BTreeMap<DroneId, f64>) -> Result<Self, Problem> {
        let history = hive.history(&Series::ALL, Step::Second).await?;
        let throughput = hive.throughput().await?;
        let line = |values: &[Option<f32>]| Line::of(values, history.step_seconds, history.from, None);
        let connected = [Series::Idle, Series::Busy, Series::Leaving, Series::Quarantined];
        Ok(Self {
            compressions: line(values(&history, Series::Compressions)),
            queued: line(values(&history, Series::Queued)),
            time_left: line(values(&history, Series::TimeLeft)),
            done: line(values(&history, Series::Done)),
            memory: line(values(&history, Series::Memory)),
            disk: line(values(&history, Series::Disk)),
            drones: line(&together(&connected.map(|series| values(&history, series)))),
            word: line(values(&history, Series::Word)),
            word_median: median(values(&history, Series::Word)),
            submission_median: median(values(&history, Series::Submission)),
            throughput: Stack::of(&throughput, now),
            gap: gap(&history, Series::Compressions),
        })
    }
}

fn values(history: &HistoryView, series: Series) -> &[Option<f32>] {
    history.series.get(series.name()).map_or(&[], Vec::as_slice)
}

/// Where something was not measured that is measured each second: the newest gap, if it is no mere hiccup.
fn gap(history: &HistoryView, series: Series) -> Option<(Timestamp, Timestamp)> {
    let runs = chart::runs(values(history, series));
    let gap = runs.windows(2).map(|runs| runs[0].end..runs[1].start).rfind(|gap| gap.len() > HICCUP)?;
    let at = |second: usize| Timestamp(history.from.0 + 1000 * second as i64 * i64::from(history.step_seconds));
    Some((at(gap.start), at(gap.end)))
}

/// The median of the last minute: of two in the middle the smaller one.
fn median(values: &[Option<f32>]) -> Option<f64> {
    let mut measured: Vec<_> = values.iter().rev().take(MINUTE).copied().flatten().collect();
    measured.sort_by(f32::total_cmp);
    measured.get(measured.len().saturating_sub(1) / 2).copied().map(f64::from)
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
        assert_eq!(median(&[None, Some(1.5), None, Some(0.5), Some(86_400.0)]), Some(1.5));
        assert_eq!(median(&[Some(86_400.0), Some(0.5)]), Some(0.5));
        assert_eq!(median(&[&[Some(5.0)][..], &[None; MINUTE]].concat()), None);
    }

    #[test]
    fn the_newest_gap_is_told() {
        let (one, some, long) = ([Some(0.0)], [None; HICCUP], [None; 30]);
        let history = |values: &[&[Option<f32>]]| {
            let series = [(Series::Compressions.name().into(), values.concat())].into();
            gap(&HistoryView { step_seconds: 1, from: Timestamp(5000), series }, Series::Compressions)
        };
        assert_eq!(history(&[&one, &long, &one, &some, &one]), Some((Timestamp(6000), Timestamp(36_000))));
        assert_eq!(history(&[&long, &one, &some, &one, &long]), None, "it did not begin, or has not ended");
    }
}
