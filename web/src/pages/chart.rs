//! Charts as paths of SVG. What they show is said in words beside them, so that nobody needs to see them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use wire::ids::DroneId;

use crate::model::{Throughput, Timestamp};

/// How large a chart is, in the units of its paths; pages stretch it.
pub(super) const WIDTH: u32 = 600;
pub(super) const HEIGHT: u32 = 100;

/// The most points of a path: more are no wider than a pixel.
const POINTS: usize = 150;

/// Values over time as a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// What is below it.
    pub(super) area: String,
    /// The line.
    pub(super) line: String,
    /// The largest value.
    pub(super) highest: f64,
    /// The newest.
    pub(super) latest: Option<f64>,
    /// When the first value begins.
    pub(super) from: Timestamp,
    /// When the last one ends.
    pub(super) to: Timestamp,
}

impl Line {
    /// Of values that are so many seconds apart; `None` if there are not two of them. The top of the chart is `full`, or
    /// the largest value.
    pub(super) fn of(values: &[Option<f32>], step_seconds: u32, from: Timestamp, full: Option<f64>) -> Option<Self> {
        Self::placed(values, step_seconds, from, full, x)
    }

    /// The same in a chart of a longer time: each value stands in the middle of its step.
    pub(super) fn within(
        time: Range<Timestamp>,
        values: &[Option<f32>],
        step_seconds: u32,
        from: Timestamp,
    ) -> Option<Self> {
        let step = i64::from(step_seconds) * 1000 * together(values) as i64;
        let middle = |at: usize| Timestamp(from.0 + at as i64 * step + step / 2);
        let line = Self::placed(values, step_seconds, from, None, |at, _| place(middle(at), &time))?;
        Some(Self { from: time.start, to: time.end, ..line })
    }

    /// `x`: where the value at this place of so many stands.
    fn placed(
        values: &[Option<f32>],
        step_seconds: u32,
        from: Timestamp,
        full: Option<f64>,
        x: impl Fn(usize, usize) -> u32,
    ) -> Option<Self> {
        let together = together(values);
        let points: Vec<_> = values.chunks(together).map(mean).collect();
        if points.iter().flatten().count() < 2 {
            return None;
        }
        let highest = points.iter().flatten().copied().fold(0.0, f64::max);
        let top = full.unwrap_or(highest);
        let (mut area, mut line) = (String::new(), String::new());
        for run in runs(&points) {
            let [first, last] = [run.start, run.end - 1].map(|at| x(at, points.len()));
            let _ = write!(area, "M{first} {HEIGHT}");
            for (nth, at) in run.enumerate() {
                let (x, y) = (x(at, points.len()), y(points[at].unwrap_or_default(), top));
                let _ = write!(line, "{}{x} {y}", if nth == 0 { 'M' } else { 'L' });
                let _ = write!(area, "L{x} {y}");
            }
            // One point alone is as long as a dot.
            line.push_str("h1");
            let _ = write!(area, "L{last} {HEIGHT}Z");
        }
        let to = Timestamp(from.0 + values.len() as i64 * i64::from(step_seconds) * 1000);
        Some(Self { area, line, highest, latest: values.last().copied().flatten().map(f64::from), from, to })
    }
}

/// What several did, each above the others, in SHA-256 compressions per second.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stack {
    /// From the bottom on.
    pub(super) layers: Vec<Layer>,
    /// The most that all did together.
    pub(super) highest: f64,
    /// When the first value begins.
    pub(super) from: Timestamp,
    /// When the last one ends.
    pub(super) to: Timestamp,
}

/// What one did of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    /// The Drone's id and name; `None` for all others together.
    pub(super) drone: Option<(DroneId, String)>,
    pub(super) area: String,
    /// The mean over all of the time of which something is known, so that all layers add up to the mean of the chart.
    pub(super) mean: f64,
    /// What it does now.
    pub(super) now: f64,
}

impl Stack {
    /// Of what Drones did, and what each does `now`; `None` if they did nothing.
    pub(super) fn of(throughput: &Throughput, now: &BTreeMap<DroneId, f64>) -> Option<Self> {
        let Throughput { step_seconds, from, drones, others, rest } = throughput;
        // By their numbers, so that each keeps its place and colour whoever is the busiest at present.
        let by_number: BTreeMap<_, _> = drones.iter().map(|drone| (drone.id, drone)).collect();
        let each = by_number.values().map(|drone| (Some((drone.id, drone.name.clone())), &drone.compressions));
        // Without others, what is left is that rates are means of some seconds each.
        let each: Vec<_> = each.chain((*others > 0).then_some((None, rest))).collect();
        let length = each.iter().map(|(_, rate)| rate.len()).max().unwrap_or_default();
        let mut tops = vec![vec![0.0; length]];
        for (_, rate) in &each {
            let below = tops.last().into_iter().flatten();
            let values = rate.iter().map(|rate| rate.map_or(0.0, f64::from)).chain(std::iter::repeat(0.0));
            tops.push(below.zip(values).map(|(below, value)| below + value).collect());
        }
        let highest = tops.last().into_iter().flatten().copied().fold(0.0, f64::max);
        if highest <= 0.0 {
            return None;
        }
        let runs = runs(rest);
        let known = runs.iter().map(ExactSizeIterator::len).sum::<usize>().max(1) as f64;
        let of_known = |rate: &[Option<f32>]| runs.iter().filter_map(|run| rate.get(run.clone())).map(sum).sum::<f64>();
        let layers = each.into_iter().zip(tops.windows(2)).map(|((drone, rate), edges)| Layer {
            area: runs.iter().map(|run| between(&edges[0], &edges[1], run.clone(), highest)).collect(),
            mean: of_known(rate) / known,
            now: match &drone {
                Some((id, _)) => now.get(id).copied().unwrap_or_default(),
                None => {
                    now.iter().filter(|(id, _)| drones.iter().all(|drone| drone.id != **id)).map(|(_, now)| now).sum()
                }
            },
            drone,
        });
        let to = Timestamp(from.0 + length as i64 * i64::from(*step_seconds) * 1000);
        Some(Self { layers: layers.collect(), highest, from: *from, to })
    }
}

fn sum(values: &[Option<f32>]) -> f64 {
    values.iter().flatten().map(|value| f64::from(*value)).sum()
}

fn mean(values: &[Option<f32>]) -> Option<f64> {
    let count = values.iter().flatten().count();
    (count > 0).then(|| sum(values) / count as f64)
}

/// What lies between two edges, where they are known.
fn between(below: &[f64], above: &[f64], run: Range<usize>, top: f64) -> String {
    let mut area = String::new();
    let point = |at: usize, edge: &[f64]| format!("{} {}", x(at, edge.len()), y(edge[at], top));
    for at in run.clone() {
        let _ = write!(area, "{}{}", if at == run.start { 'M' } else { 'L' }, point(at, above));
    }
    for at in run.rev() {
        let _ = write!(area, "L{}", point(at, below));
    }
    area.push('Z');
    area
}

/// Where there are values without a gap.
pub(super) fn runs<T>(points: &[Option<T>]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for at in (0..points.len()).filter(|at| points[*at].is_some()) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// How many values become one point.
fn together(values: &[Option<f32>]) -> usize {
    values.len().div_ceil(POINTS).max(1)
}

/// Where a moment stands in a chart of this time, from the left.
pub(super) fn place(at: Timestamp, time: &Range<Timestamp>) -> u32 {
    let whole = (time.end.0 - time.start.0).max(1) as f64;
    ((at.0 - time.start.0) as f64 / whole * f64::from(WIDTH)).clamp(0.0, WIDTH.into()) as u32
}

/// Where the value at this place of so many stands, from the left.
fn x(at: usize, count: usize) -> u32 {
    (at as f64 / (count.max(2) - 1) as f64 * f64::from(WIDTH)).round() as u32
}

/// And from the top, in tenths of a unit where the chart is low.
fn y(value: f64, top: f64) -> f64 {
    let part = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
    ((1.0 - part) * f64::from(HEIGHT) * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ThroughputOf;

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let values = [Some(1.0), Some(2.0), None, Some(4.0), None, Some(0.0), Some(3.0)];
        let line = Line::of(&values, 10, Timestamp(5000), None).unwrap();
        assert_eq!(line.line, "M0 75L100 50h1M300 0h1M500 100L600 25h1");
        assert_eq!(line.area, "M0 100L0 75L100 50L100 100ZM300 100L300 0L300 100ZM500 100L500 100L600 25L600 100Z");
        assert_eq!((line.highest, line.latest, line.to), (4.0, Some(3.0), Timestamp(75_000)));
        assert_eq!(Line::of(&values, 10, Timestamp(0), Some(8.0)).unwrap().line[..6], *"M0 87.");
        assert_eq!(Line::of(&[None, Some(1.0)], 1, Timestamp(0), None), None);
        assert_eq!(Line::of(&[], 1, Timestamp(0), None), None);
    }

    #[test]
    fn a_line_is_where_its_time_is() {
        let time = Timestamp(0)..Timestamp(60_000);
        let line = Line::within(time.clone(), &[Some(2.0), Some(4.0), None, Some(1.0)], 10, Timestamp(5_000)).unwrap();
        assert_eq!(line.line, "M100 50L200 0h1M400 75h1");
        assert_eq!(line.from..line.to, time);
    }

    #[test]
    fn many_values_become_few_points() {
        let values: Vec<_> = (0..900).map(|value| Some(value as f32)).collect();
        let line = Line::of(&values, 1, Timestamp(0), None).unwrap();
        assert_eq!((line.line.matches('L').count(), line.highest), (149, 896.5));
        let level = Line::of(&[Some(0.0); 9], 1, Timestamp(0), None).unwrap();
        assert!(level.line.starts_with("M0 100L") && level.highest == 0.0);
    }

    #[test]
    fn layers_lie_on_each_other() {
        let one = |id, rate: [f32; 3]| ThroughputOf {
            id: DroneId(id),
            name: format!("{id}"),
            compressions: rate.map(Some).into(),
        };
        let mut throughput = Throughput {
            step_seconds: 10,
            from: Timestamp(0),
            drones: vec![one(7, [2.0, 2.0, 2.0]), one(3, [0.0, 1.0, 2.0])],
            others: 4,
            rest: vec![Some(0.0), Some(0.0), Some(4.0)],
        };
        let now = [(7, 5.0), (8, 1.5), (9, 0.5)].map(|(id, now)| (DroneId(id), now)).into();
        let stack = Stack::of(&throughput, &now).unwrap();
        let areas: Vec<_> = stack.layers.iter().map(|layer| (layer.area.as_str(), layer.mean, layer.now)).collect();
        assert_eq!(
            areas,
            [
                ("M0 100L300 87.5L600 75L600 100L300 100L0 100Z", 1.0, 0.0),
                ("M0 75L300 62.5L600 50L600 75L300 87.5L0 100Z", 2.0, 5.0),
                ("M0 75L300 62.5L600 0L600 50L300 62.5L0 75Z", 4.0 / 3.0, 2.0),
            ]
        );
        assert_eq!((stack.highest, stack.to), (8.0, Timestamp(30_000)));
        // Where nothing was measured nothing is drawn: that is not the same as nothing to do.
        throughput.rest[1] = None;
        let broken = Stack::of(&throughput, &now).unwrap();
        assert_eq!(broken.layers[2].area, "M0 75L0 75ZM600 0L600 50Z");
        let means = |stack: Stack| stack.layers.iter().map(|layer| layer.mean).collect::<Vec<_>>();
        assert_eq!(means(broken), [1.0, 2.0, 2.0], "nor is it in the means");
        // One that was not here computed nothing in that time.
        throughput.drones[0].compressions[0] = None;
        assert_eq!(means(Stack::of(&throughput, &now).unwrap()), [1.0, 1.0, 2.0]);
        throughput.others = 0;
        assert_eq!(Stack::of(&throughput, &now).unwrap().layers.len(), 2, "what is nobody's is not shown");
        throughput.drones.clear();
        throughput.rest = vec![None; 3];
        assert_eq!(Stack::of(&throughput, &now), None);
    }
}
