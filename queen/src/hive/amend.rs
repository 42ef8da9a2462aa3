//! What users change of tasks that are there.

use std::sync::Arc;

use web::hive::{Amendment, HiveError};
use web::model::TaskState;
use wire::ids::TaskId;

use super::record::{Record, due};
use super::refusal::ended_already;
use super::state::State;
use super::story::label;
use crate::clock::{HiveTime, Moment, Now};
use crate::core::Event;
use crate::store::Change;
use crate::work::{Tally, Terms};

impl State {
    /// Holds a task back, or lets it go on.
    pub(super) fn pause(&mut self, id: TaskId, paused: bool, now: Now) {
        if self.tasks.get(id).is_none_or(|record| record.is_paused() == paused) {
            return;
        }
        if paused {
            // Claims take memory, and nobody knows for how long the task is paused.
            self.claims.forget(id);
        }
        self.change_task(id, |record| record.pause(paused));
        self.outgoing.push(Change::Pause { task: id, paused });
        self.handle(if paused { Event::Pause { task: id } } else { Event::Resume { task: id } }, now);
    }

    /// Changes what a task is called, how urgent it is, and when it fails.
    pub(super) fn amend(&mut self, id: TaskId, amendment: Amendment, now: Now) {
        let Some(record) = self.tasks.get(id) else { return };
        let mut terms = Terms::clone(&record.terms);
        terms.priority = amendment.priority.unwrap_or(terms.priority);
        if let Some(name) = amendment.name {
            terms.name = name.map(Into::into);
        }
        renew(&mut terms, Times { created: record.created, now: now.on }, amendment.deadline_seconds);
        let (priority, change) = (terms.priority, amended(id, &terms));
        terms.room = self.budget.hold(terms.bytes()).into();
        let deadline = self.tasks.change(id, |record| {
            record.terms = Arc::new(terms);
            record.deadline_in_core(now)
        });
        self.outgoing.push(change);
        self.feed.task(id);
        self.handle(Event::SetPriority { task: id, priority }, now);
        self.handle(Event::SetDeadline { task: id, deadline: deadline.flatten() }, now);
    }

    /// Cancels a task; whether it is in memory. While nothing can be written, one whose end is not
    /// on disk is cancelled as well, and what comes of it is given up.
    ///
    /// # Errors
    /// If it has ended otherwise.
    pub(super) fn cancel(&mut self, id: TaskId, now: Now) -> Result<bool, HiveError> {
        let Some(record) = self.tasks.get(id) else { return Ok(false) };
        if !record.is_over() {
            self.handle(Event::Cancel { task: id }, now);
            return Ok(true);
        }
        if self.disk.fault.is_some() && !record.state().has_ended() {
            let ending = self.tasks.change(id, Record::give_up).flatten();
            let change = ending.map(|ending| Change::End(id, Box::new(ending)));
            change.into_iter().for_each(|change| self.outgoing.push(change));
            return Ok(true);
        }
        match record.view_ahead(id, None).state {
            TaskState::Cancelled => Ok(true),
            state => Err(ended_already(id, record.terms.name.as_deref(), state)),
        }
    }

    /// Removes a task that has ended, in memory and on disk, where [`removed`](Self::removed)
    /// follows if it was there. `None` if it has not ended, or not any more.
    pub(super) fn remove_ended(&mut self, id: TaskId, now: Now) -> Option<Option<Record>> {
        let record = match self.tasks.get(id) {
            Some(record) if !record.state().has_ended() => return None,
            Some(_) => self.forget(id),
            None => None,
        };
        if let Some(record) = &record {
            if record.is_rework() {
                // It is taken out before the core ends it, so that its end is told to nobody.
                self.reworks -= 1;
                self.handle(Event::Cancel { task: id }, now);
            }
            // It is still counted, until it is gone from the store as well.
            self.tasks.recount(Tally::default(), record.tally());
            self.feed.removed(id, record.terms.owner_id());
        }
        self.tasks.leaves_disk(id);
        self.outgoing.push(Change::Remove(id));
        Some(record)
    }
}

/// When a task was created, and how late it is now.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) created: Moment,
    pub(super) now: HiveTime,
}

/// Gives terms another deadline, so many seconds from now, if one is said.
pub(super) fn renew(terms: &mut Terms, times: Times, deadline_seconds: Option<Option<u32>>) {
    let Some(deadline) = deadline_seconds else { return };
    let passed = times.now.0.saturating_sub(times.created.on.0).max(0) as u64;
    // It is counted from the task's creation in whole seconds, and never comes early.
    let counted = |seconds: u32| u32::try_from(passed.div_ceil(1000) + u64::from(seconds)).unwrap_or(u32::MAX);
    terms.deadline = deadline.map(counted);
}

/// What is to be written of terms that have changed.
pub(super) fn amended(task: TaskId, terms: &Terms) -> Change {
    Change::Amend { task, priority: terms.priority, name: terms.name.clone(), deadline: terms.deadline }
}

/// A task whose deadline has passed would fail again, unless it is given another one.
///
/// # Errors
/// If that is so.
pub(super) fn check_deadline(
    id: TaskId,
    terms: &Terms,
    times: Times,
    deadline_seconds: Option<Option<u32>>,
) -> Result<(), HiveError> {
    let has_passed = due(terms, times.created).is_some_and(|due| due <= times.now);
    match has_passed && deadline_seconds.is_none() {
        true => Err(HiveError::Conflict(format!(
            "the deadline of {} has passed, so it would fail again: give it a new one with `deadline_seconds`, \
             or none with `null`",
            label(id, terms.name.as_deref())
        ))),
        false => Ok(()),
    }
}
