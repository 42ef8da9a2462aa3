//! What was: how much was done, by whom, and how long it took, as far back as there is room.
//!
//! Samples are pushed with the time at which they were taken, and become minutes and hours. All of it has a size that
//! is known beforehand. Time is the Hive's own clock ([`HiveTime`]), so that nothing is lost when somebody sets the
//! wall clock; whoever reads is told where that stood. This knows nothing of the state that is sampled.

mod cell;
mod course;
mod file;
mod ring;
mod rollup;
mod stream;
mod tally;
mod timed;
mod track;

use web::model::{DroneHistory, HistoryView, Series, Shift, Step, TaskHistory, Throughput, ThroughputOf, Timestamp};
use wire::ids::{DroneId, TaskId};

use self::course::{Course, Courses};
pub use self::course::{TASKS, TaskSample};
use self::file::Parts;
pub use self::file::Unreadable;
use self::ring::Ring;
pub use self::rollup::Measured;
use self::rollup::Rollup;
pub use self::tally::Tally;
pub use self::timed::Timed;
pub use self::track::{DRONE_STEP, DRONES, DroneSample};
use self::track::{Track, Tracks};
use crate::clock::{HiveTime, Now};

/// Drones that throughput shows one by one; the rest is added up.
const BUSIEST: usize = 10;

/// How far back throughput is shown, in seconds.
const THROUGHPUT: i64 = 15 * 60;

/// What was measured of the whole in one second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample([Measured; Series::COUNT]);

impl Sample {
    /// Sets what was measured once.
    pub fn set(&mut self, series: Series, value: f64) {
        self.set_mean(series, Measured { value, weight: 1.0 });
    }

    /// Sets the mean, or the largest, of what was measured several times.
    pub fn set_mean(&mut self, series: Series, measured: Measured) {
        self.0[series as usize] = measured;
    }
}

/// What was.
#[derive(Debug, Clone)]
pub struct History {
    /// In the order of [`Series::ALL`].
    rollups: [Rollup; Series::COUNT],
    /// The second of the newest sample, counted from time zero.
    newest: Option<i64>,
    /// How far its own time is ahead of the Hive's clock, in seconds.
    ahead: i64,
    drones: Tracks,
    tasks: Courses,
}

impl Default for History {
    fn default() -> Self {
        let rollups = Series::ALL.map(Rollup::new);
        Self { rollups, newest: None, ahead: 0, drones: Tracks::default(), tasks: Courses::default() }
    }
}

impl History {
    /// Goes on with what [`encode`](Self::encode) wrote. If that was sampled later than now, which the clock in the
    /// database does not know of, new samples follow behind it.
    ///
    /// # Errors
    /// If it is no history.
    pub fn resume(bytes: &[u8], on: HiveTime) -> Result<Self, Unreadable> {
        let Parts { rollups, newest, drones, tasks } = file::decode(bytes)?;
        let ahead = newest.map_or(0, |newest| newest.saturating_add(1).saturating_sub(second(on)).max(0));
        Ok(Self { rollups, newest, ahead, drones, tasks })
    }

    /// All of it, for a file.
    pub fn encode(&self) -> Vec<u8> {
        file::encode(&self.rollups, self.newest, &self.drones, &self.tasks)
    }

    /// The second in its own time.
    fn second(&self, on: HiveTime) -> i64 {
        second(on).saturating_add(self.ahead)
    }

    /// The moment at which a step of so many seconds begins, by the wall clock as it stands now.
    fn shown(&self, number: i64, seconds: u32, now: Now) -> Timestamp {
        let begin = number.saturating_mul(i64::from(seconds)).saturating_sub(self.ahead).saturating_mul(1000);
        Timestamp(begin.saturating_add(now.at.0.saturating_sub(now.on.0)))
    }

    /// Adds a sample of the whole.
    pub fn push(&mut self, on: HiveTime, sample: &Sample) {
        let second = self.second(on);
        if self.newest.is_some_and(|newest| second < newest) {
            return;
        }
        self.newest = Some(second);
        for (rollup, measured) in self.rollups.iter_mut().zip(&sample.0) {
            rollup.push(second, *measured);
        }
    }

    /// Adds a sample of some Drones, each of which is looked at once in [`DRONE_STEP`] seconds.
    pub fn push_drones(&mut self, on: HiveTime, samples: &[DroneSample]) {
        self.drones.push(self.second(on).div_euclid(i64::from(DRONE_STEP)), samples);
    }

    /// Adds a sample of tasks.
    pub fn push_tasks(&mut self, on: HiveTime, samples: &[TaskSample]) {
        self.tasks.push(self.second(on), samples);
    }

    /// Tasks that ran and had not ended when they were sampled last.
    pub fn unfinished(&self) -> impl Iterator<Item = TaskId> {
        self.tasks.unfinished()
    }

    /// What was measured of these series.
    pub fn read(&self, series: &[Series], step: Step, now: Now) -> HistoryView {
        let rollup = |series: &Series| &self.rollups[*series as usize];
        let newest = self.newest.map_or(0, |second| second.div_euclid(i64::from(step.seconds())));
        let first = series.iter().filter_map(|series| rollup(series).first(step)).min().unwrap_or(newest + 1);
        let first = first.max(newest.saturating_sub(step.points() as i64 - 1));
        let values = |series: &Series| (first..=newest).map(|number| rollup(series).at(step, number)).collect();
        HistoryView {
            step_seconds: step.seconds(),
            from: self.shown(first, step.seconds(), now),
            series: series.iter().map(|series| (series.name().into(), values(series))).collect(),
        }
    }

    /// What was measured of a Drone; nothing if it was not here for too long.
    pub fn drone(&self, id: DroneId, now: Now) -> DroneHistory {
        let track = self.drones.get(id);
        let values = |of: fn(&Track) -> &Ring| track.map_or_else(Vec::new, |track| of(track).values().collect());
        let first = track.and_then(|track| track.rate.first());
        DroneHistory {
            step_seconds: DRONE_STEP,
            from: first.map_or(now.at, |first| self.shown(first, DRONE_STEP, now)),
            rate: values(|track| &track.rate),
            compressions_per_second: values(|track| &track.compressions),
            utilisation: values(|track| &track.utilisation),
        }
    }

    /// How a task went; nothing if it did not run for long enough to be seen, or too long ago.
    pub fn task(&self, id: TaskId, now: Now) -> TaskHistory {
        let Some(course) = self.tasks.get(id) else { return TaskHistory::default() };
        TaskHistory {
            step_seconds: course.step,
            from: Some(self.shown(course.begun, 1, now)),
            rate: course.points.iter().map(course::Point::rate).collect(),
            shifts: self.shifts(course, now),
        }
    }

    /// When a task's state was another one than before.
    fn shifts(&self, course: &Course, now: Now) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        for (at, point) in (0..).zip(&course.points) {
            let Some(state) = point.state.filter(|state| shifts.last().is_none_or(|last| last.state != *state)) else {
                continue;
            };
            let second = course.begun.saturating_add(at * i64::from(course.step));
            shifts.push(Shift { at: self.shown(second, 1, now), state });
        }
        shifts
    }

    /// What each of the busiest Drones did lately, and what all others did together, in compressions per second.
    pub fn throughput(&self, now: Now) -> Throughput {
        let step = i64::from(DRONE_STEP);
        // In the step that is not over, some were not looked at yet.
        let end = self.second(now.on).div_euclid(step);
        let known = self.rollups[Series::Compressions as usize]
            .first(Step::Second)
            .map_or(end, |second| second.div_euclid(step));
        // Seconds are not kept for all of the step in which they begin.
        let steps = (end - THROUGHPUT / step + 1).max(known).min(end)..end;
        let done = |track: &Track| steps.clone().filter_map(|at| track.compressions.at(at)).map(f64::from).sum::<f64>();
        let mut all: Vec<_> = self.drones.all().map(|(id, track)| (done(track), id, track)).collect();
        all.retain(|(done, ..)| *done > 0.0);
        all.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let others = all.len().saturating_sub(BUSIEST) as u64;
        all.truncate(BUSIEST);
        let shown = |at| all.iter().filter_map(|(.., track)| track.compressions.at(at)).sum::<f32>();
        let rest = steps.clone().map(|at| self.whole(at).map(|whole| (whole - shown(at)).max(0.0))).collect();
        let drone = |(_, id, track): &(f64, DroneId, &Track)| ThroughputOf {
            id: *id,
            name: track.name.to_string(),
            compressions: steps.clone().map(|at| track.compressions.at(at)).collect(),
        };
        let drones = all.iter().map(drone).collect();
        Throughput { step_seconds: DRONE_STEP, from: self.shown(steps.start, DRONE_STEP, now), drones, others, rest }
    }

    /// What all Drones did together in a step of Drones, in compressions per second.
    fn whole(&self, at: i64) -> Option<f32> {
        let first = at * i64::from(DRONE_STEP);
        let rollup = &self.rollups[Series::Compressions as usize];
        let rates = (first..first + i64::from(DRONE_STEP)).filter_map(|second| rollup.at(Step::Second, second));
        let (count, sum) = rates.fold((0, 0.0), |(count, sum), rate| (count + 1, sum + rate));
        (count > 0).then(|| sum / count as f32)
    }

    /// About what it takes of memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.rollups.iter().map(Rollup::bytes).sum::<usize>() + self.drones.bytes() + self.tasks.bytes()
    }
}

fn second(on: HiveTime) -> i64 {
    on.0.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use web::model::TaskState;

    use super::*;

    fn at(second: u64) -> Now {
        Now::after(Duration::from_secs(second))
    }

    fn sample(rate: f64) -> Sample {
        let mut sample = Sample::default();
        sample.set(Series::Rate, rate);
        sample.set(Series::Compressions, 2.0 * rate);
        sample
    }

    fn drone(id: u64, rate: f64) -> DroneSample {
        let (id, name) = (DroneId(id), format!("meadow-{id:04}"));
        DroneSample { id, name, rate, compressions: 2.0 * rate, utilisation: Some(1.0) }
    }

    #[test]
    fn all_series_have_the_same_steps() {
        let mut history = History::default();
        for second in 100..=160 {
            let mut sample = sample(second as f64);
            if second == 130 {
                sample.set_mean(Series::Word, Measured { value: 0.5, weight: 2.0 });
            }
            history.push(at(second).on, &sample);
        }
        let view = history.read(&[Series::Rate, Series::Word], Step::Second, at(160));
        assert_eq!((view.step_seconds, view.from), (1, Timestamp(100_000)));
        assert_eq!([&view.series["rate"], &view.series["word_seconds"]].map(Vec::len), [61; 2]);
        assert_eq!((view.series["word_seconds"][29], view.series["word_seconds"][30]), (None, Some(0.5)));
        let view = history.read(&[Series::Rate], Step::Minute, at(160));
        assert_eq!(view.series["rate"], [Some(109.5), Some(140.0)], "the minute that is not over is there as well");
        // Somebody sets the wall clock back by an hour: the same values, as it shows now.
        let set = Now { at: Timestamp(160_000 - 3_600_000), ..at(160) };
        assert_eq!(history.read(&[Series::Rate], Step::Second, set).from, Timestamp(100_000 - 3_600_000));
    }

    #[test]
    fn nothing_yet_is_nothing() {
        let history = History::default();
        let view = history.read(&Series::ALL, Step::Hour, at(7200));
        assert!(view.series.len() == Series::COUNT && view.series.values().all(Vec::is_empty));
        assert_eq!(history.drone(DroneId(1), at(5)).rate, []);
        assert_eq!(history.task(TaskId(1), at(5)), TaskHistory::default());
        assert_eq!(history.throughput(at(5)).drones, []);
    }

    #[test]
    fn the_busiest_drones_are_shown_and_the_rest_is_added_up() {
        let mut history = History::default();
        let samples: Vec<_> = (1..=13).map(|id| drone(id, id as f64)).collect();
        (0..1000).for_each(|second| history.push(at(second).on, &sample(91.0)));
        (0..100).for_each(|step| history.push_drones(at(step * 10).on, &samples));
        let shown = history.throughput(at(999));
        assert_eq!(shown.drones.iter().map(|drone| drone.id.0).collect::<Vec<_>>(), (4..=13).rev().collect::<Vec<_>>());
        assert_eq!((shown.others, shown.rest.len(), shown.from), (3, 89, Timestamp(100_000)));
        assert!(shown.rest.iter().all(|rate| *rate == Some(12.0)), "in compressions");
        let one = history.drone(DroneId(2), at(999));
        assert_eq!((one.rate.len(), one.compressions_per_second[99]), (100, Some(4.0)));
        let mut new = History::default();
        (955..1000).for_each(|second| new.push(at(second).on, &sample(1.0)));
        assert_eq!(
            (new.throughput(at(999)).rest, new.throughput(at(999)).from),
            (vec![Some(2.0); 4], Timestamp(950_000))
        );
    }

    #[test]
    fn a_task_has_its_shifts() {
        let mut history = History::default();
        for (second, state) in [(10, TaskState::Running), (11, TaskState::Running), (12, TaskState::Paused)] {
            let rate = (state == TaskState::Running).then_some(3.0);
            history.push_tasks(at(second).on, &[TaskSample { id: TaskId(7), state, rate }]);
        }
        let shown = history.task(TaskId(7), at(20));
        let shift = |second: i64, state| Shift { at: Timestamp(second * 1000), state };
        assert_eq!(shown.shifts, [shift(10, TaskState::Running), shift(12, TaskState::Paused)]);
        assert_eq!(shown.rate, [Some(3.0), Some(3.0), None]);
    }

    #[test]
    fn it_goes_on_where_it_was_left() {
        let mut history = History::default();
        for second in 0..5000 {
            history.push(at(second).on, &sample(second as f64));
        }
        history.push_drones(at(4990).on, &[drone(3, 2.5)]);
        history.push_tasks(at(4990).on, &[TaskSample { id: TaskId(7), state: TaskState::Running, rate: Some(1.5) }]);
        let bytes = history.encode();
        let mut again = History::resume(&bytes, at(5010).on).unwrap();
        let same = |one: &History, other: &History, now| {
            for step in Step::ALL {
                assert_eq!(one.read(&Series::ALL, step, now), other.read(&Series::ALL, step, now));
            }
            assert_eq!(one.drone(DroneId(3), now), other.drone(DroneId(3), now));
            assert_eq!(one.task(TaskId(7), now), other.task(TaskId(7), now));
        };
        same(&history, &again, at(4999));
        // Minutes that were begun go on as well.
        for history in [&mut history, &mut again] {
            (5010..5100).for_each(|second| history.push(at(second).on, &sample(1.0)));
        }
        same(&history, &again, at(5099));
        // The clock in the database did not get so far.
        let mut again = History::resume(&bytes, at(4000).on).unwrap();
        again.push(at(4000).on, &sample(8.0));
        let view = again.read(&[Series::Rate], Step::Second, at(4000));
        assert_eq!(view.series["rate"].iter().rev().take(2).collect::<Vec<_>>(), [&Some(8.0), &Some(4999.0)]);
        assert_eq!(view.from, Timestamp(4_001_000 - 900_000));
    }

    #[test]
    fn damage_is_no_history() {
        let mut history = History::default();
        history.push(at(5).on, &sample(1.0));
        history.push_tasks(at(5).on, &[TaskSample { id: TaskId(7), state: TaskState::Running, rate: None }]);
        let bytes = history.encode();
        for length in 0..bytes.len() {
            assert_eq!(History::resume(&bytes[..length], at(5).on).unwrap_err(), Unreadable::Damaged, "{length}");
        }
        assert_eq!(History::resume(&[&bytes[..], b"x"].concat(), at(5).on).unwrap_err(), Unreadable::Damaged);
        let mut newer = bytes.clone();
        newer[0] = 3;
        assert_eq!(History::resume(&newer, at(5).on).unwrap_err(), Unreadable::Version(3));
        // Whatever else is wrong, nothing panics.
        for at_byte in 0..bytes.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut wrong = bytes.clone();
                wrong[at_byte] = value;
                if let Ok(mut read) = History::resume(&wrong, at(9).on) {
                    read.push(at(9).on, &sample(1.0));
                    Step::ALL.iter().for_each(|step| drop(read.read(&Series::ALL, *step, at(9))));
                    drop((read.task(TaskId(7), at(9)), read.throughput(at(9)), read.encode()));
                }
            }
        }
    }

    /// What a Queen with 2,000 Drones and as many running tasks keeps.
    #[test]
    fn its_size_is_known_beforehand() {
        let mut history = History::default();
        assert!(history.bytes() < 256 << 10, "{}", history.bytes());
        let drones: Vec<_> = (0..DRONES as u64).map(|id| drone(id, 1.0)).collect();
        let tasks: Vec<_> = (0..TASKS as u64)
            .map(|id| TaskSample { id: TaskId(id), state: TaskState::Running, rate: Some(1.0) })
            .collect();
        for second in 0..2000 {
            history.push(at(second).on, &sample(1.0));
            history.push_tasks(at(second).on, &tasks);
            history.push_drones(at(second).on, &drones);
        }
        assert!(history.bytes() < 9 << 20, "{}", history.bytes());
        // Two files of it take what docs/OPERATIONS.md says.
        assert!(2 * history.encode().len() < 13 << 20, "{}", history.encode().len());
    }
}
