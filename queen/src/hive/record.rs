//! What is in memory of one task besides its scheduling.
//!
//! Tasks that wait are many, so a record is small; what comes with computing is in a `RunState` of its own.

use std::ops::Range;
use std::sync::Arc;

use web::model::{TaskState, Timestamp};
use wire::ids::{DroneId, TaskId};

use super::batch::Members;
use super::run_state::{EndState, Rework, RunState, SHARE_DIVISOR, TaskOutcome};
use super::search_state::SearchState;
use crate::clock::{HiveTime, Moment, Now};
use crate::core::{RangeSet, TaskWork, Time};
use crate::store::Live;
use crate::work::{Ending, Inputs, Job, Piece, ResultMap, SearchCounts, Tally, Terms};

/// What a task takes of memory besides its inputs and results, in bytes, as measured.
pub(super) const TASK: u64 = 216;

/// A task in memory: what was asked for, and what has come of it.
pub(super) struct Record {
    pub(super) terms: Arc<Terms>,
    pub(super) inputs: Inputs,
    pub(super) created: Moment,
    run: Option<Box<RunState>>,
}

impl Record {
    pub(super) fn new(terms: Arc<Terms>, inputs: Inputs, created: Moment) -> Self {
        Self { terms, inputs, created, run: None }
    }

    /// The record of a task from the store; one that had ended is as if it had not.
    pub(super) fn revived(live: Live) -> Self {
        let Live { task, inputs, done, suspect, results, suspect_results, findings, marks, detached } = live;
        let mut record = Self::new(task.terms, inputs, task.created);
        if task.started_at.is_some() {
            let run = record.run_mut();
            (run.started_at, run.keeps_start) = (task.started_at, true);
        }
        if !done.is_empty() {
            record.run_mut().taken_over = done.len();
        }
        for results in results.into_iter().chain(suspect_results) {
            record.outputs_mut().insert(results);
        }
        if !suspect.is_empty() {
            record.replace_suspects();
        }
        if record.inputs.are_implied() {
            *record.search_state_mut() = SearchState::revived(findings, marks);
        }
        if record.terms.batch {
            *record.members_mut() = Members::revived(done, suspect, detached);
        }
        record
    }

    pub(super) fn job(&self, task: TaskId) -> Job {
        Job { task, terms: Arc::clone(&self.terms), inputs: self.inputs.clone() }
    }

    /// About what it takes on disk when all its results are there, in bytes, apart from a long key or salt.
    pub(super) fn on_disk(&self) -> u64 {
        self.terms.kind().on_disk(&self.inputs) + self.terms.on_disk()
    }

    /// What it is counted with against the memory limit. Results of small tasks, and those
    /// that are never written, stay in memory with it.
    pub(super) fn weight(&self) -> u64 {
        weight(&self.inputs, self.terms.kind().width())
            + self.members().map_or(0, Members::weight)
            + self.search_state().map_or(0, SearchState::weight)
    }

    /// Which of a batch's tasks are where; `None` if nothing is known of them yet.
    pub(super) fn members(&self) -> Option<&Members> {
        self.run.as_ref()?.members.as_deref()
    }

    pub(super) fn members_mut(&mut self) -> &mut Members {
        self.run_mut().members.get_or_insert_default()
    }

    /// What is known of a search; `None` if nothing has come of it yet.
    pub(super) fn search_state(&self) -> Option<&SearchState> {
        self.run.as_ref()?.search_state.as_deref()
    }

    pub(super) fn search_state_mut(&mut self) -> &mut SearchState {
        self.run_mut().search_state.get_or_insert_default()
    }

    /// What has come of a search.
    pub(super) fn found(&self) -> SearchCounts {
        self.search_state().map(SearchState::found).unwrap_or_default()
    }

    /// The first candidate of a search that is not wanted any more, if there is one.
    pub(super) fn wanted_until(&self) -> Option<u64> {
        self.search_state()?.wanted_until(self.terms.kind().search()?)
    }

    /// How many tasks it stands for.
    pub(super) fn tally(&self) -> Tally {
        let state = self.state();
        match (self.terms.batch, self.members()) {
            (false, _) => Tally::one(state),
            (true, None) => Tally { open: self.inputs.total(), ..Tally::one(state) },
            (true, Some(members)) => members.tally(state, self.inputs.total()),
        }
    }

    /// Its state as users are told: a task has ended when that is settled.
    pub(super) fn state(&self) -> TaskState {
        let Some(run) = &self.run else { return TaskState::Pending };
        match &run.end {
            Some(EndState { ending, is_settled: true, .. }) => ending.state,
            _ if run.is_paused => TaskState::Paused,
            _ if run.is_begun => TaskState::Running,
            _ => TaskState::Pending,
        }
    }

    /// Whether nothing more will be computed, settled or not.
    pub(super) fn is_over(&self) -> bool {
        self.end().is_some()
    }

    /// When a Drone was first given a part of it.
    pub(super) fn started_at(&self) -> Option<Timestamp> {
        self.run.as_ref()?.started_at
    }

    /// Items that were done when it came into memory, before it was [started](Self::start) there.
    pub(super) fn taken_over(&self) -> u64 {
        self.run.as_ref().map_or(0, |run| run.taken_over)
    }

    /// A Drone is given a part of it.
    pub(super) fn start(&mut self, now: Now) {
        let run = self.run_mut();
        run.is_begun = true;
        run.started_at.get_or_insert(now.at);
    }

    /// When it was started, if the next Queen would not know that: it has not ended, and it was not written.
    pub(super) fn unkept_start(&self) -> Option<Timestamp> {
        self.run.as_ref().filter(|run| run.end.is_none() && !run.keeps_start)?.started_at
    }

    /// The same; it is about to be written.
    pub(super) fn keep_start(&mut self) -> Option<Timestamp> {
        let at = self.unkept_start()?;
        self.run_mut().keeps_start = true;
        Some(at)
    }

    pub(super) fn outputs(&self) -> Option<&ResultMap> {
        self.run.as_ref().map(|run| &run.outputs)
    }

    pub(super) fn outputs_mut(&mut self) -> &mut ResultMap {
        &mut self.run_mut().outputs
    }

    /// Whether the result of an index is in memory.
    pub(super) fn has_output(&self, index: u64) -> bool {
        self.outputs().is_some_and(|outputs| !outputs.pieces(&(index..index + 1), 1).0.is_empty())
    }

    /// Ends it. Returns what is to be written of that.
    pub(super) fn end_with(&mut self, outcome: TaskOutcome, done: &RangeSet, finished: Moment) -> Ending {
        let (state, error) = match outcome {
            TaskOutcome::Done => (TaskState::Done, self.members().and_then(Members::failure)),
            TaskOutcome::Cancelled => (TaskState::Cancelled, None),
            TaskOutcome::Failed(reason) => (TaskState::Failed, Some(reason.into())),
        };
        let found = self.found();
        let run = self.run_mut();
        let started_at = run.started_at;
        let ending = Ending { state, started_at, finished, done: done.len(), found, error };
        run.end = Some(EndState { ending: ending.clone(), prefix: done.prefix(), is_settled: false });
        ending
    }

    /// Turns its end, which the disk refuses, into a cancellation. Returns what is to be written instead.
    pub(super) fn give_up(&mut self) -> Option<Ending> {
        let end = self.run.as_mut()?.end.as_mut()?;
        end.ending = Ending { state: TaskState::Cancelled, error: None, ..end.ending.clone() };
        Some(end.ending.clone())
    }

    /// Notes that its end is on disk: `ending`, which is another than the one that was noted if the task was cancelled
    /// while that could not be written.
    pub(super) fn settle(&mut self, ending: &Ending) {
        if let Some(end) = &mut self.run_mut().end {
            end.ending = ending.clone();
            end.is_settled = true;
        }
    }

    /// What the core is told of it, of which some ranges may be done.
    pub(super) fn work(&self, done: RangeSet, now: Now) -> TaskWork {
        let kind = self.terms.kind();
        let segments = self.inputs.segments(|inputs| kind.weigh(inputs));
        TaskWork {
            class: kind.class(&segments),
            priority: self.terms.priority,
            segments,
            done,
            paused: self.is_paused(),
            target: kind.target(),
            has_ledger: self.inputs.are_implied(),
            chunk_bytes: self.terms.chunk_bytes(),
            material: self.terms.material_bytes(),
            deadline: self.deadline_in_core(now),
            avoid: None,
            batch: self.terms.batch,
            twice: self.terms.is_twice(),
        }
    }

    /// When it fails, on the core's clock; never while only results that were there are computed again.
    pub(super) fn deadline_in_core(&self, now: Now) -> Option<Time> {
        let left = |due: HiveTime| Time::from_millis(due.0.saturating_sub(now.on.0).max(0) as u64);
        due(&self.terms, self.created).filter(|_| !self.is_rework()).map(|due| now.elapsed + left(due))
    }

    pub(super) fn is_paused(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.is_paused)
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.run_mut().is_paused = paused;
    }

    /// Whether new results replace suspect ones.
    pub(super) fn replaces_suspects(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.replaces_suspects)
    }

    pub(super) fn replace_suspects(&mut self) {
        self.run_mut().replaces_suspects = true;
    }

    /// Whether it has ended and is computed again in part.
    pub(super) fn is_rework(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.rework.is_some())
    }

    /// So many of its results that are computed again were wrong; says whose they were.
    pub(super) fn correct(&mut self, results: u64) -> Option<DroneId> {
        let rework = self.run.as_mut()?.rework.as_mut()?;
        rework.corrected += results;
        Some(rework.drone)
    }

    /// How many of its results have changed when they were computed again.
    pub(super) fn corrected(&self) -> u64 {
        let under_way = |run: &RunState| run.rework.as_ref().map_or(0, |rework| rework.corrected);
        self.run.as_ref().map_or(0, |run| run.corrected + under_way(run))
    }

    /// Has a task computed again in part that had ended so; `corrected`: how many results changed before.
    pub(super) fn rework(&mut self, ending: Ending, rework: Rework, corrected: u64) {
        let prefix = ending.done;
        let run = self.run_mut();
        run.started_at = ending.started_at;
        run.end = Some(EndState { ending, prefix, is_settled: true });
        run.corrected = corrected;
        self.rework_again(rework);
    }

    /// Has it computed again in part.
    pub(super) fn rework_again(&mut self, rework: Rework) {
        let run = self.run_mut();
        (run.rework, run.replaces_suspects) = (Some(rework), true);
    }

    /// Ends computing it again; says how many results have changed.
    pub(super) fn clear(&mut self) -> Option<u64> {
        let run = self.run_mut();
        let corrected = run.rework.take()?.corrected;
        run.corrected += corrected;
        Some(corrected)
    }

    /// Calls the results of a Drone suspect that nobody computed a second time.
    pub(super) fn suspect(&mut self, drone: DroneId) {
        if let Some(run) = &mut self.run {
            run.outputs.suspect(drone);
        }
    }

    /// Results in memory that are not suspect.
    pub(super) fn trusted(&self) -> RangeSet {
        if let Some(search_state) = self.search_state() {
            return search_state.coming();
        }
        let all = 0..self.inputs.total();
        let pieces = self.outputs().map(|outputs| outputs.pieces(&all, usize::MAX).0);
        let mut trusted = ranges(pieces.unwrap_or_default());
        for range in self.suspects().iter() {
            while trusted.take_within(&range).is_some() {}
        }
        trusted
    }

    /// The indices of suspect results in memory.
    pub(super) fn suspects(&self) -> RangeSet {
        ranges(self.suspect_pieces(&(0..self.inputs.total())))
    }

    /// The suspect results in memory of a range.
    pub(super) fn suspect_pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        self.outputs().map(|outputs| outputs.suspect_pieces(range)).unwrap_or_default()
    }

    /// Allows part of what these results cost, in compressions, to be spent on looking at some of them.
    pub(super) fn save_up(&mut self, cost: u64) {
        let run = self.run_mut();
        run.saved = run.saved.saturating_add(cost);
    }

    /// Spends so many compressions on looking at a result, if results that came before allow it. Returns whether they
    /// do.
    pub(super) fn spend(&mut self, cost: u64) -> bool {
        let run = self.run_mut();
        let may = run.saved >= cost.saturating_mul(SHARE_DIVISOR);
        if may {
            run.saved -= cost * SHARE_DIVISOR;
        }
        may
    }

    /// How it has ended, settled or not.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.end().map(|end| &end.ending)
    }

    pub(super) fn end(&self) -> Option<&EndState> {
        self.run.as_ref()?.end.as_ref()
    }

    fn run_mut(&mut self) -> &mut RunState {
        self.run.get_or_insert_default()
    }
}

/// See [`Record::weight`].
pub(super) fn weight(inputs: &Inputs, width: usize) -> u64 {
    let results = if inputs.is_small() { inputs.total() * width as u64 } else { 0 };
    TASK + inputs.resident() + results
}

fn ranges(pieces: Vec<Piece>) -> RangeSet {
    pieces.into_iter().fold(RangeSet::default(), |mut ranges, piece| {
        ranges.insert(piece.range);
        ranges
    })
}

/// When a task fails that has not ended.
pub(super) fn due(terms: &Terms, created: Moment) -> Option<HiveTime> {
    terms.deadline.map(|seconds| HiveTime(created.on.0 + i64::from(seconds) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_task_is_small() {
        assert!(size_of::<Record>() <= 48, "{} bytes", size_of::<Record>());
    }
}
