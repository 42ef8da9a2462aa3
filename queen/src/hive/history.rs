//! Measuring each second what there is to measure, and writing it down each minute.

use std::sync::Arc;
use std::time::Duration;

use web::model::{DroneCounts, Series, TaskState};
use wire::ids::TaskId;

use super::record::Record;
use super::shared::SharedHive;
use super::state::State;
use crate::clock::Now;
use crate::history::{DRONE_STEP, DRONES, DroneSample, Sample, TASKS, TaskSample, Timed};
use crate::store::Change;

/// How often it is written.
const WRITTEN: Duration = Duration::from_secs(60);

/// From then on it is worth being written when a task was started, in milliseconds.
const LONG_MS: i64 = 1000;

/// How long the last writing is waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is measured at one moment.
pub(super) struct Measured {
    pub(super) sample: Sample,
    pub(super) tasks: Vec<TaskSample>,
    /// Of those whose turn it is.
    pub(super) drones: Vec<DroneSample>,
}

impl SharedHive {
    /// Measures each second, and writes it down each minute, until the future is dropped.
    pub async fn run_history(&self) {
        let mut has_failed = false;
        let mut due = self.inner.clock.elapsed() + WRITTEN;
        loop {
            // Where a second of the Hive's clock begins, so that each has one sample.
            let since = self.now().on.0.rem_euclid(1000).unsigned_abs();
            self.pass(Duration::from_millis(1000 - since)).await;
            self.take_measure();
            let now = self.inner.clock.elapsed();
            if now >= due {
                due = now + WRITTEN;
                has_failed = !self.write_history(has_failed).await;
            }
        }
    }

    /// Writes down what was measured; returns whether it could, and says it if it could not, unless that is known.
    async fn write_history(&self, is_known: bool) -> bool {
        let recorder = Arc::clone(&self.inner.recorder);
        match tokio::task::spawn_blocking(move || recorder.write()).await {
            Ok(Err(error)) => {
                if !is_known {
                    tracing::warn!("what was measured over time cannot be written, and is tried each minute: {error}");
                }
                false
            }
            // The runtime ends.
            Err(_) => false,
            Ok(Ok(())) => true,
        }
    }

    /// Writes down what was measured, before the Queen stops. A disk that takes nothing is not waited for.
    pub async fn end_history(&self) {
        let _ = self.within(FAREWELL, self.write_history(false)).await;
    }

    /// Looks at the state once, and keeps what it sees.
    fn take_measure(&self) {
        let recorder = &self.inner.recorder;
        let submissions = recorder.take_submissions();
        let unfinished: Vec<_> = recorder.history().unfinished().collect();
        let (measured, now) = {
            let mut state = self.lock();
            let now = self.now();
            let mut measured = state.measure(submissions, &unfinished, now);
            measured.sample.set(Series::Memory, self.memory_used(&state) as f64);
            if self.inner.disk.directory.is_some() {
                measured.sample.set(Series::Disk, state.disk.used as f64);
            }
            (measured, now)
        };
        let mut history = recorder.history();
        history.push(now.on, &measured.sample);
        history.push_tasks(now.on, &measured.tasks);
        history.push_drones(now.on, &measured.drones);
    }
}

impl State {
    /// What there is to measure now. `unfinished`: tasks that ran before, and perhaps do not at present.
    pub(super) fn measure(&mut self, mut submissions: Timed, unfinished: &[TaskId], now: Now) -> Measured {
        self.keep_starts(now);
        let totals = self.core.totals(now.elapsed);
        let (audited, audits) = self.audits.counts();
        let DroneCounts { idle, busy, leaving, quarantined, away } =
            self.fleet.counts(|drone| self.core.standing(drone)).states;
        let (submission, slowest_submission) = submissions.take();
        let (word, slowest_word) = self.words.take();
        let mut sample = Sample::default();
        sample.set(Series::Rate, totals.rate);
        sample.set(Series::Compressions, totals.cost_rate);
        sample.set(Series::Queued, totals.items_queued.saturating_sub(audits) as f64);
        sample.set(Series::Done, totals.items_done.saturating_sub(audited) as f64);
        if let Some(left) = totals.eta {
            sample.set(Series::TimeLeft, left.as_secs_f64());
        }
        for (series, drones) in [
            (Series::Idle, idle),
            (Series::Busy, busy),
            (Series::Leaving, leaving),
            (Series::Quarantined, quarantined),
            (Series::Away, away),
        ] {
            sample.set(series, drones as f64);
        }
        for (series, measured) in [
            (Series::Submission, submission),
            (Series::SlowestSubmission, slowest_submission),
            (Series::Word, word),
            (Series::SlowestWord, slowest_word),
        ] {
            sample.set_mean(series, measured);
        }
        Measured { sample, tasks: self.measure_tasks(unfinished, now), drones: self.measure_drones(now) }
    }

    /// Has it written down when tasks were started that have run for a while, with what is written next. Those that are
    /// done by then need it not, since their ends say it: a word costs nothing more.
    fn keep_starts(&mut self, now: Now) {
        let begun = |id: &TaskId| self.tasks.get(*id).and_then(Record::unkept_start);
        let is_long = |id: &TaskId| begun(id).is_some_and(|at| at.0 + LONG_MS <= now.at.0);
        let long: Vec<_> = self.tasks.oldest(TaskState::Running).take(TASKS).filter(is_long).collect();
        for task in long {
            if let Some(at) = self.tasks.change(task, Record::keep_start).flatten() {
                self.outgoing.defer(Change::Start { task, at });
            }
        }
    }

    fn measure_tasks(&self, unfinished: &[TaskId], now: Now) -> Vec<TaskSample> {
        let look = |id: TaskId| {
            let state = self.tasks.get(id)?.state();
            let rate = self.core.task_rate(id, now.elapsed).filter(|_| state == TaskState::Running);
            Some(TaskSample { id, state, rate })
        };
        let running = self.tasks.oldest(TaskState::Running).take(TASKS).filter_map(look);
        let others = unfinished.iter().filter_map(|id| look(*id)).filter(|sample| sample.state != TaskState::Running);
        running.chain(others).collect()
    }

    /// Looks at a part of the latest Drones each second, so that each has one value in a step.
    fn measure_drones(&self, now: Now) -> Vec<DroneSample> {
        let step = u64::from(DRONE_STEP);
        let turn = now.on.0.div_euclid(1000).unsigned_abs() % step;
        let look = |id| {
            let (rate, compressions) = self.core.drone_rates(id, now.elapsed).unwrap_or_default();
            let (name, utilisation) = self.fleet.busyness(id)?;
            Some(DroneSample { id, name: name.to_owned(), rate, compressions, utilisation })
        };
        let latest = self.fleet.connected().rev().take(DRONES);
        latest.filter(|id| id.0 % step == turn).filter_map(look).collect()
    }
}
