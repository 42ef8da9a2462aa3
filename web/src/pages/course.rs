//! How a task went: what its states were when, and its rate.

use super::chart::{Line, WIDTH};
use crate::model::{Shift, TaskHistory, TaskState, TaskView, Timestamp};

/// The states that are named at most: what comes between the first and the last of them is drawn alone.
const NAMED: usize = 12;

/// What is shown of a task's course.
pub(super) struct Course {
    /// From left to right, without gaps.
    pub(super) parts: Vec<StateSpan>,
    /// The first and the last ones.
    pub(super) shifts: Vec<Shift>,
    /// Of a task of which something was done while it was looked at: one of a single item has none.
    pub(super) rate: Option<Line>,
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
        let line = history.from.and_then(|from| Line::of(&history.rate, history.step_seconds, from, None));
        let has_lasted = line.is_some();
        let rate = line.filter(|line| line.highest > 0.0);
        let parts = parts(&shifts, to);
        if shifts.len() > NAMED {
            shifts.drain(NAMED / 2..shifts.len() - NAMED / 2);
        }
        Self { parts, shifts, rate, has_lasted }
    }

    /// Whether more than a moment is to be seen.
    pub(super) fn is_worth_showing(&self) -> bool {
        self.has_lasted || self.shifts.len() > 3
    }
}

fn parts(shifts: &[Shift], to: Timestamp) -> Vec<StateSpan> {
    let Some(first) = shifts.first() else { return Vec::new() };
    let whole = (to.0 - first.at.0).max(1) as f64;
    let x = |at: Timestamp| ((at.0 - first.at.0) as f64 / whole * f64::from(WIDTH)).clamp(0.0, WIDTH.into()) as u32;
    let ends = shifts.iter().skip(1).map(|shift| shift.at).chain([to]);
    let part = |(shift, end): (&Shift, Timestamp)| {
        let from = x(shift.at);
        StateSpan { state: shift.state, x: from, width: x(end).saturating_sub(from) }
    };
    shifts.iter().zip(ends).map(part).filter(|part| part.width > 0).collect()
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
}
