//! What a Drone was given lately, as a drawing: a bar for each lease that it computed, beside and above each other as it
//! did.

use super::chart::{WIDTH, place};
use super::filters;
use crate::model::{LeaseState, LeaseView, Timestamp};

/// How far back leases are drawn, in milliseconds.
const BACK_MS: i64 = 60_000;

/// The height of a lane in the units of the drawing.
const LANE: u32 = 10;

/// The smallest width of a bar.
const WIDTH_MIN: u32 = 2;

/// From so many lanes on they are drawn half as high.
const MANY_LANES: usize = 12;

/// Leases over time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Timeline {
    pub(super) bars: Vec<Bar>,
    /// How many leases were computed at a time.
    lanes: usize,
    /// How many were not begun.
    pub(super) waiting: usize,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// A lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: u32,
    pub(super) width: u32,
    pub(super) y: u32,
    /// The classes of its task and of its state.
    pub(super) class: String,
    pub(super) title: String,
}

impl Timeline {
    /// Of the leases of a Drone; `None` if it computed none.
    pub(super) fn of(leases: &[LeaseView], now: Timestamp) -> Option<Self> {
        let mut spans: Vec<_> = leases.iter().filter_map(|lease| Some((lease, computed(lease, now)?))).collect();
        spans.sort_by_key(|(_, (begin, _))| *begin);
        let (_, (first, _)) = spans.first()?;
        let (from, to) = (Timestamp((*first).max(now.0 - BACK_MS)), now);
        let x = |at: i64| place(Timestamp(at), &(from..to));
        // Where each lane ends.
        let mut lanes: Vec<i64> = Vec::new();
        let mut bars = Vec::new();
        for (lease, (begin, end)) in &spans {
            let lane = lanes.iter().position(|taken| taken <= begin).unwrap_or(lanes.len());
            match lanes.get_mut(lane) {
                Some(taken) => *taken = *end,
                None => lanes.push(*end),
            }
            let left = x(*begin).min(WIDTH - WIDTH_MIN);
            bars.push(Bar {
                x: left,
                width: x(*end).saturating_sub(left).max(WIDTH_MIN),
                y: lane as u32 * LANE,
                class: format!("{} {}", filters::class_of(lease.task), lease.state),
                title: title(lease),
            });
        }
        let waiting = leases.iter().filter(|lease| lease.state == LeaseState::Waiting).count();
        Some(Self { bars, lanes: lanes.len(), waiting, from, to })
    }

    /// How high it is in its own units, and on the page.
    pub(super) fn height(&self) -> u32 {
        self.lanes as u32 * LANE
    }

    /// How high it is on the page, in pixels.
    pub(super) fn pixels(&self) -> u32 {
        self.lanes as u32 * if self.lanes < MANY_LANES { 14 } else { 7 }
    }
}

/// From when to when a lease was computed, as far as is known, in milliseconds.
fn computed(lease: &LeaseView, now: Timestamp) -> Option<(i64, i64)> {
    match (lease.state, lease.ended_at) {
        (LeaseState::Waiting, _) => None,
        (_, Some(ended)) => Some((lease.given_at.0.max(ended.0 - (lease.busy_seconds * 1000.0) as i64), ended.0)),
        (_, None) => Some((lease.given_at.0, now.0)),
    }
}

fn title(lease: &LeaseView) -> String {
    let LeaseView { task, from, to, state, given_at, ended_at, .. } = lease;
    let end = ended_at.map_or_else(String::new, |at| format!(" at {}", filters::clock(at)));
    format!("task {task}, {from} to {}: given at {}, {state}{end} UTC", to.saturating_sub(1), filters::clock(*given_at))
}

#[cfg(test)]
mod tests {
    use wire::ids::TaskId;

    use super::*;

    const NOON: i64 = 1_700_000_000_000;

    fn lease(task: u64, given: i64, ended: Option<i64>, busy_seconds: f64, state: LeaseState) -> LeaseView {
        let at = |ms| Timestamp(NOON + ms);
        let (given_at, ended_at) = (at(given), ended.map(at));
        LeaseView { task: TaskId(task), from: 0, to: 9, reached: 9, state, given_at, ended_at, busy_seconds }
    }

    #[test]
    fn what_was_computed_at_once_lies_above_each_other() {
        let leases = [
            lease(12, 9_000, None, 0.0, LeaseState::Running),
            lease(12, 9_500, None, 0.0, LeaseState::Waiting),
            // It was given while the first one was computed, and begun when that was done.
            lease(7, 1_000, Some(4_000), 1.0, LeaseState::Done),
            lease(9, 0, Some(3_000), 3.0, LeaseState::Done),
            lease(8, 0, Some(2_000), 1.0, LeaseState::Failed),
        ];
        let timeline = Timeline::of(&leases, Timestamp(NOON + 10_000)).unwrap();
        let bars: Vec<_> = timeline.bars.iter().map(|bar| (bar.x, bar.width, bar.y, bar.class.as_str())).collect();
        assert_eq!(
            bars,
            [
                (0, 180, 0, "task-9 done"),
                (60, 60, 10, "task-8 failed"),
                (180, 60, 0, "task-7 done"),
                (540, 60, 0, "task-2 running"),
            ]
        );
        assert_eq!((timeline.height(), timeline.waiting), (20, 1));
        assert_eq!((timeline.from, timeline.to), (Timestamp(NOON), Timestamp(NOON + 10_000)));
        assert_eq!(timeline.bars[1].title, "task 8, 0 to 8: given at 22:13:20, failed at 22:13:22 UTC");
        assert_eq!(Timeline::of(&leases[1..2], Timestamp(NOON)), None);
    }

    #[test]
    fn nothing_is_wider_than_the_drawing() {
        let short = [lease(1, 0, Some(70_000), 0.0, LeaseState::Done), lease(1, 0, None, 0.0, LeaseState::Running)];
        let timeline = Timeline::of(&short, Timestamp(NOON + 70_000)).unwrap();
        assert!(timeline.bars.iter().all(|bar| bar.width >= WIDTH_MIN && bar.x + bar.width <= WIDTH));
        assert_eq!(timeline.from, Timestamp(NOON + 10_000));
    }
}
