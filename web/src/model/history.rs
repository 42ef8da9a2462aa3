//! What was measured over time, at equal steps.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use wire::ids::DroneId;

use super::task::TaskState;
use crate::timestamp::Timestamp;

/// Something that is measured each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// Items per second.
    Rate,
    /// SHA-256 compressions per second.
    Compressions,
    /// Items of tasks that have not ended and are not done.
    Queued,
    /// When all that is queued will be done, in seconds from then on.
    TimeLeft,
    /// Items that were computed since the Queen started.
    Done,
    /// Memory that she counts, in bytes.
    Memory,
    /// Disk space that she uses, in bytes.
    Disk,
    /// Drones in state `idle`.
    Idle,
    /// Drones in state `busy`.
    Busy,
    /// Drones in state `leaving`.
    Leaving,
    /// Drones in state `quarantined`.
    Quarantined,
    /// Drones in state `away`.
    Away,
    /// How long submissions took until they were acknowledged, in seconds: their mean.
    Submission,
    /// The longest of them.
    SlowestSubmission,
    /// How long tasks of one item took from their submission to their result, in seconds: their mean.
    Word,
    /// The longest of them.
    SlowestWord,
}

impl Series {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Rate,
        Self::Compressions,
        Self::Queued,
        Self::TimeLeft,
        Self::Done,
        Self::Memory,
        Self::Disk,
        Self::Idle,
        Self::Busy,
        Self::Leaving,
        Self::Quarantined,
        Self::Away,
        Self::Submission,
        Self::SlowestSubmission,
        Self::Word,
        Self::SlowestWord,
    ];

    /// The name in views, and in the file that keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Compressions => "compressions_per_second",
            Self::Queued => "items_queued",
            Self::TimeLeft => "eta_seconds",
            Self::Done => "items_done",
            Self::Memory => "memory_used",
            Self::Disk => "disk_used",
            Self::Idle => "drones_idle",
            Self::Busy => "drones_busy",
            Self::Leaving => "drones_leaving",
            Self::Quarantined => "drones_quarantined",
            Self::Away => "drones_away",
            Self::Submission => "submission_seconds",
            Self::SlowestSubmission => "submission_seconds_max",
            Self::Word => "word_seconds",
            Self::SlowestWord => "word_seconds_max",
        }
    }
}

/// How far apart values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A second, for a quarter of an hour.
    Second,
    /// A minute, for a day.
    Minute,
    /// An hour, for 31 days.
    Hour,
}

impl Step {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    /// The name in queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "1s",
            Self::Minute => "1m",
            Self::Hour => "1h",
        }
    }

    /// Its length in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    /// The most values that are kept at this step.
    pub fn points(self) -> usize {
        match self {
            Self::Second => 15 * 60,
            Self::Minute => 24 * 60,
            Self::Hour => 31 * 24,
        }
    }
}

/// What `GET /stats/history` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = History)]
pub struct HistoryView {
    /// How far apart the values are.
    pub step_seconds: u32,
    /// Where the step of the first value begins.
    pub from: Timestamp,
    /// The values by the names of the series, oldest first, all of the same steps; `None` where nothing was measured.
    /// The last one may be of a step that is not over.
    #[schema(value_type = BTreeMap<String, Vec<Option<f32>>>)]
    pub series: BTreeMap<Cow<'static, str>, Vec<Option<f32>>>,
}

/// What was measured of a Drone lately: what `GET /drones/{id}/history` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DroneHistory {
    /// How far apart the values are.
    pub step_seconds: u32,
    /// Where the step of the first value begins.
    pub from: Timestamp,
    /// Items per second, oldest first; `None` where it was not here.
    pub rate: Vec<Option<f32>>,
    /// SHA-256 compressions per second; `None` also where an older version did not measure it.
    #[serde(default)]
    pub compressions_per_second: Vec<Option<f32>>,
    /// The part of its threads' time in which they computed, 0 to 1.
    pub utilisation: Vec<Option<f32>>,
}

/// How a task went since it began to run, as far as it was seen: what `GET /tasks/{id}/history` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskHistory {
    /// How far apart the values are; it grows with the time that the task runs.
    pub step_seconds: u32,
    /// Where the step of the first value begins; `None` if it was not seen.
    pub from: Option<Timestamp>,
    /// Items per second, oldest first; `None` where it did not run.
    pub rate: Vec<Option<f32>>,
    /// When its state became another one.
    pub shifts: Vec<Shift>,
}

/// A task's state became another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shift {
    /// When, to within a step.
    pub at: Timestamp,
    /// Which one.
    pub state: TaskState,
}

/// What Drones did in the last quarter of an hour, in SHA-256 compressions per second: what one item takes depends on
/// its kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Throughput {
    /// How far apart the values are.
    pub step_seconds: u32,
    /// Where the step of the first value begins.
    pub from: Timestamp,
    /// The busiest, the one that did most first.
    pub drones: Vec<ThroughputOf>,
    /// How many others are known that did something.
    pub others: u64,
    /// What all but the busiest did together; `None` where nothing was measured.
    pub rest: Vec<Option<f32>>,
}

/// What one Drone did.
#[derive(Debug, Clone, PartialEq)]
pub struct ThroughputOf {
    /// Which one.
    pub id: DroneId,
    /// As it calls itself.
    pub name: String,
    /// Compressions per second, oldest first; `None` where it was not here.
    pub compressions: Vec<Option<f32>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_names_and_places_of_their_own() {
        let names: std::collections::BTreeSet<_> = Series::ALL.map(Series::name).into();
        assert_eq!(names.len(), Series::COUNT);
        assert!(Series::ALL.iter().enumerate().all(|(at, series)| *series as usize == at));
    }

    #[test]
    fn nothing_is_null() {
        let values = vec![Some(0.25), None];
        let view = HistoryView { step_seconds: 60, from: Timestamp(0), series: [("rate".into(), values)].into() };
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(text, r#"{"step_seconds":60,"from":"1970-01-01T00:00:00.000Z","series":{"rate":[0.25,null]}}"#);
        assert_eq!(serde_json::from_str::<HistoryView>(&text).unwrap(), view);
    }
}
