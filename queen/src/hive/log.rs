//! Writing and reading the log: the audit trail of what users did, and what happened by itself.

use std::time::Duration;

use web::access::{LogFilter, LogKind, LogPage};
use web::hive::{Deed, HiveError};
use web::label;
use wire::ids::{DroneId, TaskId};

use super::refusal::unreadable;
use super::shared::SharedHive;
use super::state::State;
use super::story::Story;
use super::trail::LogEvent;
use crate::clock::Now;

/// How often it is looked whether what was counted becomes a line.
const CLOSED: Duration = Duration::from_secs(60);

impl SharedHive {
    /// A user did something, or wanted to: the operator is told, and it goes into the audit trail.
    pub(super) fn log_deed(&self, deed: Deed) {
        self.change(|state, now| state.log_deed(deed, now));
    }

    /// Writes the log, as soon as there are lines, until the future is dropped.
    pub async fn run_trail(&self) {
        loop {
            // What is counted becomes lines after a while, with nobody doing anything.
            let _ = self.within(CLOSED, self.inner.logged.notified()).await;
            self.write_trail(false).await;
        }
    }

    /// Gives the journal the lines that there are. `all`: those as well of what is still counted.
    pub(super) async fn write_trail(&self, all: bool) {
        let has_lines = self.change(|state, now| {
            let lines = state.outgoing.trail.close(all, now.elapsed);
            state.stories.extend(lines.into_iter().map(|line| Story::Logged(Box::new(line))));
            state.outgoing.trail.has_lines()
        });
        if has_lines && let Ok(slot) = self.slot(0).await {
            self.change_durably(slot, |_, _| ());
        }
    }

    /// Reads the log, as far as it is on disk.
    pub(super) async fn read_log(&self, filter: LogFilter) -> Result<LogPage, HiveError> {
        self.serving().map(drop)?;
        let limit = filter.limit;
        // One more tells whether there are more.
        let filter = LogFilter { limit: limit.saturating_add(1), ..filter };
        let mut lines = self.read(move |reader| reader.log(&filter)).await.map_err(unreadable)?;
        let has_more = lines.len() > limit;
        lines.truncate(limit);
        let next = lines.last().filter(|_| has_more).map(|(number, _)| *number);
        Ok(LogPage { entries: lines.into_iter().map(|(_, entry)| entry).collect(), next })
    }
}

impl State {
    /// Tells the operator what a user did, or wanted to, and keeps it in the audit trail.
    pub(super) fn log_deed(&mut self, deed: Deed, now: Now) {
        let line = self.outgoing.trail.record(&deed, now.at, now.elapsed);
        // The console need not tell each of many that were refused.
        if deed.refused.is_none() || line.is_some() {
            self.stories.push(Story::Did(deed));
        }
        self.stories.extend(line.map(|line| Story::Logged(Box::new(line))));
    }

    /// Keeps in the log what became of a Drone.
    pub(super) fn log_drone(&mut self, id: DroneId, action: &'static str, outcome: String, now: Now) {
        let target = label("drone", id, Some(&self.fleet.name_of(id)));
        self.log(LogEvent { kind: LogKind::Drone, action, target, outcome }, now);
    }

    /// Keeps in the log what became of a task.
    pub(super) fn log_task(&mut self, id: TaskId, action: &'static str, outcome: String, now: Now) {
        self.log(LogEvent { kind: LogKind::Task, action, target: self.tasks.label(id), outcome }, now);
    }

    /// Keeps in the log what became of the Queen.
    pub(super) fn log_queen(&mut self, action: &'static str, outcome: String, now: Now) {
        self.log(LogEvent { kind: LogKind::Queen, action, target: "queen".to_owned(), outcome }, now);
    }

    fn log(&mut self, event: LogEvent, now: Now) {
        self.outgoing.trail.happened(event, now.at, now.elapsed);
    }
}
