//! The task stream: of which tasks Drones computed when, how busy they were, and why they were not.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::{DroneId, TaskId};

use super::drone::DroneState;
use super::rounded::{known_thousandths, thousandths};
use crate::timestamp::Timestamp;

/// Columns of each window.
pub const STREAM_COLUMNS: usize = 60;

/// Drones of which a page of the stream tells.
pub const STREAM_PAGE: usize = 50;

/// Tasks that a page of the stream names.
pub const STREAM_TASKS: usize = 20;

/// How far back the stream is shown, in [`STREAM_COLUMNS`] columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Window {
    /// Columns of a second.
    #[default]
    Minute,
    /// Columns of five seconds.
    FiveMinutes,
    /// Columns of fifteen seconds.
    QuarterHour,
}

impl Window {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::QuarterHour];

    /// The name in queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::FiveMinutes => "5m",
            Self::QuarterHour => "15m",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::FiveMinutes => "5 minutes",
            Self::QuarterHour => "15 minutes",
        }
    }

    /// How long a column is, in seconds.
    pub fn step_seconds(self) -> u32 {
        match self {
            Self::Minute => 1,
            Self::FiveMinutes => 5,
            Self::QuarterHour => 15,
        }
    }

    /// How long all of it is, in seconds.
    pub fn seconds(self) -> u32 {
        self.step_seconds() * STREAM_COLUMNS as u32
    }
}

/// Why threads of a Drone computed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// There was nothing to do, or all of it was with other Drones.
    NoWork,
    /// All tasks were paused.
    Paused,
    /// What it held was taken back: its task was cancelled or paused, or another Drone was faster.
    Withdrawn,
    /// It could not do what waited.
    Unable,
    /// It held work, and had not begun with it: the work, or what it needs, was on its way.
    Starting,
    /// Its results waited for the Queen's disk.
    Disk,
    /// It was about to leave.
    Leaving,
    /// It was not trusted with work.
    Quarantined,
    /// Its connection was broken, and it was waited for.
    Away,
    /// It had left, or was lost.
    Gone,
    /// It is not known what they did: that was before the Queen's start.
    BeforeStart,
}

impl Gap {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NoWork,
        Self::Paused,
        Self::Withdrawn,
        Self::Unable,
        Self::Starting,
        Self::Disk,
        Self::Leaving,
        Self::Quarantined,
        Self::Away,
        Self::Gone,
        Self::BeforeStart,
    ];

    /// The name in views.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoWork => "no_work",
            Self::Paused => "paused",
            Self::Withdrawn => "withdrawn",
            Self::Unable => "unable",
            Self::Starting => "starting",
            Self::Disk => "disk",
            Self::Leaving => "leaving",
            Self::Quarantined => "quarantined",
            Self::Away => "away",
            Self::Gone => "gone",
            Self::BeforeStart => "before_start",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoWork => "no work",
            Self::Paused => "tasks paused",
            Self::Withdrawn => "work withdrawn",
            Self::Unable => "unable to do what waits",
            Self::Starting => "starting",
            Self::Disk => "waiting for the disk",
            Self::Leaving => "leaving",
            Self::Quarantined => "quarantined",
            Self::Away => "away",
            Self::Gone => "gone",
            Self::BeforeStart => "unknown: before the Queen's start",
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// Neighbouring columns of one Drone that are the same. Where nothing is known, `task` and `busy` are null.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamRun {
    /// How many.
    pub columns: u32,
    /// The task of which most was computed; `None` if nothing was, or it is not known of which.
    #[schema(value_type = Option<u64>)]
    pub task: Option<TaskId>,
    /// The part of its threads' time in which they computed, 0 to 1: in tenths, and what is no
    /// tenth in hundredths, of which it is at least one if there was something.
    #[serde(serialize_with = "known_thousandths")]
    pub busy: Option<f64>,
    /// Why they did not in the rest of it, if that is more than a tenth, or why nothing is known; `None` if there was no
    /// reason.
    pub gap: Option<Gap>,
}

/// What a Drone did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamDrone {
    /// Which one.
    #[schema(value_type = u64)]
    pub id: DroneId,
    /// As it calls itself.
    pub name: String,
    /// Where it stands now.
    pub state: DroneState,
    /// All columns, the oldest first.
    pub runs: Vec<StreamRun>,
}

/// A task that some of these Drones computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamTask {
    /// Which one; a batch is one.
    #[schema(value_type = u64)]
    pub id: TaskId,
    /// Its name, if it has one and is still there.
    pub name: Option<String>,
    /// Its part of what these Drones computed, 0 to 1.
    #[serde(serialize_with = "thousandths")]
    pub share: f64,
}

/// A page of the task stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Stream)]
pub struct StreamView {
    /// How long a column is.
    pub step_seconds: u32,
    /// How many columns each Drone has.
    pub columns: u32,
    /// Where the first column begins. The last one may not be over.
    pub from: Timestamp,
    /// At most 50: those that are here first, and then those that left in this time, the last one first.
    pub drones: Vec<StreamDrone>,
    /// Of the tasks in these columns those of which most was computed, at most 20, that with the largest part first.
    pub tasks: Vec<StreamTask>,
    /// How many others there are.
    pub other_tasks: u64,
    /// What `page` is to be for the next Drones; `None` on the last one.
    pub next_page: Option<u64>,
}

impl StreamDrone {
    /// What took which part of the columns of which something is known, that with the largest part first.
    pub fn shares(&self) -> Vec<(Doing, f64)> {
        let known: u32 = self.runs.iter().filter(|run| run.busy.is_some()).map(|run| run.columns).sum();
        let mut shares: Vec<(Doing, f64)> = Vec::new();
        let mut add = |doing: Doing, columns: f64| {
            if columns > 0.0 {
                match shares.iter_mut().find(|(other, _)| *other == doing) {
                    Some((_, sum)) => *sum += columns,
                    None => shares.push((doing, columns)),
                }
            }
        };
        for run in &self.runs {
            let (Some(busy), columns) = (run.busy, f64::from(run.columns)) else { continue };
            add(run.task.map_or(Doing::Unknown, Doing::Task), busy * columns);
            run.gap.into_iter().for_each(|gap| add(Doing::Gap(gap), (1.0 - busy) * columns));
        }
        shares.iter_mut().for_each(|(_, share)| *share /= f64::from(known.max(1)));
        shares.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        shares
    }
}

/// What threads of a Drone did, or did not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// They computed this task.
    Task(TaskId),
    /// They computed something, and it is not known what.
    Unknown,
    /// They computed nothing.
    Gap(Gap),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = Gap::ALL.map(Gap::name).into();
        assert_eq!(names.len(), Gap::ALL.len());
        for gap in Gap::ALL {
            assert_eq!(serde_json::to_value(gap).unwrap(), gap.name());
        }
        assert_eq!(Window::ALL.map(Window::seconds), [60, 300, 900]);
    }

    #[test]
    fn shares_are_of_what_is_known() {
        let run = |columns, task: Option<u64>, busy, gap| StreamRun { columns, task: task.map(TaskId), busy, gap };
        let runs = vec![
            run(20, None, None, Some(Gap::BeforeStart)),
            run(20, None, None, None),
            run(5, Some(7), Some(1.0), None),
            run(5, None, Some(0.0), Some(Gap::Paused)),
            run(10, Some(9), Some(0.5), Some(Gap::NoWork)),
        ];
        let drone = StreamDrone { id: DroneId(1), name: String::new(), state: DroneState::Busy, runs };
        let quarter = |doing| (doing, 0.25);
        let expected =
            [Doing::Task(TaskId(7)), Doing::Gap(Gap::Paused), Doing::Task(TaskId(9)), Doing::Gap(Gap::NoWork)];
        assert_eq!(drone.shares(), expected.map(quarter));
        assert_eq!(StreamDrone { runs: Vec::new(), ..drone }.shares(), []);
    }
}
