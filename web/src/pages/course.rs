//! How a task went: what its states were when, and its rate.

use std::ops::Range;

use super::chart::{Line, place, runs};
use crate::model::{Shift, TaskHistory, TaskState, TaskView, Timestamp};

/// The states that are named at most: what comes between the first and the last of them is drawn alone.
const NAMED: usize = 12;

/// Between a task's states and what was measured of it may be so many steps of which nothing is known.
const STEPS_BETWEEN: i64 = 3;

/// What is shown of a task's course.
pub(super) struct Course {
    /// From left to right, without gaps.
    pub(super) parts: Vec<StateSpan>,
    /// The first and the last ones.
    pub(super) shifts: Vec<Shift>,
    /// Of a task of which something was done while it was looked at: one of a single item has none.
    pub(super) rate: Option<Line>,
    /// Where it ran and its rate is not known.
    pub(super) unknown: Vec<Gap>,
    /// How long that was, in seconds.
    pub(super) unknown_seconds: f64,
    /// It ran for more than a moment.
    has_lasted: bool,
}

/// A state that lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StateSpan {
    pub(super) state: TaskState,
    pub(super) x: u32,
    pub(super) width: u32,
}

/// A part of a chart of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) x: u32,
    pub(super) width: u32,
}

impl Course {
    /// Of what was seen of a task, and what its view says of its beginning and end.
    pub(super) fn of(task: &TaskView, history: &TaskHistory, now: Timestamp) -> Self {
        let mut shifts = vec![Shift { at: task.created_at, state: TaskState::Pending }];
        let started = task.started_at.map(|at| Shift { at, state: TaskState::Running });
        let seen = history.shifts.iter().copied();
        let ended = task.finished_at.map(|at| Shift { at, state: task.state });
        for shift in started.into_iter().chain(seen).chain(ended) {
            let last = shifts.last().copied().unwrap_or(shift);
            if shift.state != last.state {
                // What was seen is rounded to a second, and may stand before what is known exactly.
                shifts.push(Shift { at: shift.at.max(last.at), state: shift.state });
            }
        }
        let to = task.finished_at.unwrap_or(now);
        let time = task.created_at..to.max(task.created_at);
        let TaskHistory { step_seconds, from, rate: values, .. } = history;
        let line = from.and_then(|from| Line::within(time.clone(), values, *step_seconds, from));
        let unknown = from.map(|from| unknown(&shifts, to, values, *step_seconds, from)).unwrap_or_default();
        let unknown_seconds = unknown.iter().map(|gap| gap.end.0 - gap.start.0).sum::<i64>() as f64 / 1000.0;
        let has_lasted = line.is_some();
        let rate = line.filter(|line| line.highest > 0.0);
        let gap = |gap: Range<Timestamp>| {
            let x = place(gap.start, &time);
            Gap { x, width: (place(gap.end, &time) - x).max(1) }
        };
        let unknown = unknown.into_iter().map(gap).collect();
        let parts = parts(&shifts, to);
        if shifts.len() > NAMED {
            shifts.drain(NAMED / 2..shifts.len() - NAMED / 2);
        }
        Self { parts, shifts, rate, unknown, unknown_seconds, has_lasted }
    }

    /// Whether more than a moment is to be seen.
    pub(super) fn is_worth_showing(&self) -> bool {
        self.has_lasted || self.shifts.len() > 3
    }
}

fn parts(shifts: &[Shift], to: Timestamp) -> Vec<StateSpan> {
    let Some(first) = shifts.first() else { return Vec::new() };
    let time = first.at..to;
    let part = |(shift, end): (&Shift, Timestamp)| {
        let from = place(shift.at, &time);
        StateSpan { state: shift.state, x: from, width: place(end, &time).saturating_sub(from) }
    };
    with_ends(shifts, to).map(part).filter(|part| part.width > 0).collect()
}

/// Each state with when it ended; the last one at `to`.
fn with_ends(shifts: &[Shift], to: Timestamp) -> impl Iterator<Item = (&Shift, Timestamp)> {
    shifts.iter().zip(shifts.iter().skip(1).map(|shift| shift.at).chain([to]))
}

/// When a task ran of which nothing was measured then, but for what is lost where measuring begins and ends.
fn unknown(
    shifts: &[Shift],
    to: Timestamp,
    values: &[Option<f32>],
    step_seconds: u32,
    from: Timestamp,
) -> Vec<Range<Timestamp>> {
    let step = i64::from(step_seconds) * 1000;
    let at = |place: usize| Timestamp(from.0 + place as i64 * step);
    let known: Vec<_> = runs(values).into_iter().map(|run| at(run.start)..at(run.end)).collect();
    let mut gaps = Vec::new();
    for (shift, end) in with_ends(shifts, to).filter(|(shift, _)| shift.state == TaskState::Running) {
        let mut begin = shift.at;
        let within = known.iter().filter(|known| known.end > shift.at && known.start < end).cloned();
        for known in within.chain([end..end]) {
            if known.start.0 - begin.0 > STEPS_BETWEEN * step {
                gaps.push(begin..known.start);
            }
            begin = begin.max(known.end);
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(second: i64, state: TaskState) -> Shift {
        Shift { at: Timestamp(second * 1000), state }
    }

    #[test]
    fn parts_fill_the_time_from_submission_to_end() {
        use TaskState::{Done, Paused, Pending, Running};
        let shifts = [shift(0, Pending), shift(10, Running), shift(50, Paused), shift(80, Running), shift(100, Done)];
        let part = |state, x, width| StateSpan { state, x, width };
        let shown = [part(Pending, 0, 60), part(Running, 60, 240), part(Paused, 300, 180), part(Running, 480, 120)];
        assert_eq!(parts(&shifts, Timestamp(100_000)), shown);
        assert_eq!(parts(&shifts[..1], Timestamp(0)), []);
    }

    #[test]
    fn what_ran_and_was_not_measured_is_not_known() {
        use TaskState::{Done, Paused, Pending, Running};
        let shifts = [shift(0, Pending), shift(10, Running), shift(50, Paused), shift(80, Running), shift(100, Done)];
        let gaps = |from: i64, values: &[(Option<f32>, usize)]| {
            let values: Vec<_> = values.iter().flat_map(|(value, count)| vec![*value; *count]).collect();
            let gaps = unknown(&shifts, Timestamp(100_000), &values, 1, Timestamp(from * 1000));
            gaps.iter().map(|gap| (gap.start.0 / 1000, gap.end.0 / 1000)).collect::<Vec<_>>()
        };
        assert_eq!(gaps(11, &[(Some(1.0), 38), (None, 32), (Some(1.0), 18)]), []);
        assert_eq!(
            gaps(11, &[(Some(1.0), 9), (None, 20), (Some(1.0), 10), (None, 31), (Some(1.0), 9)]),
            [(20, 40), (90, 100)]
        );
        assert_eq!(gaps(30, &[(Some(1.0), 20)]), [(10, 30), (80, 100)]);
    }
}
