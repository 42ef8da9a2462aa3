//! How tasks look to users, by what is known of them in memory or on disk.

use web::model::{SearchProgress, SearchView, TaskState, TaskView, Timestamp};
use wire::ids::TaskId;

use crate::clock::Moment;
use crate::kinds::Summary;
use crate::kinds::search::share;
use crate::store::{Stored, StoredMember};
use crate::work::{Ending, SearchCounts, Terms};

pub(super) fn view(id: TaskId, terms: &Terms, total: u64, created: Moment) -> TaskView {
    let Summary { kind, algorithm, encoding, iterations } = terms.kind().summary();
    TaskView {
        id,
        batch: None,
        first_task: terms.batch.then_some(TaskId(id.0 + 1)),
        kind: kind.into(),
        algorithm: algorithm.into(),
        search: terms.kind().search().map(|search| Box::new(SearchView::new(search, SearchProgress::default()))),
        encoding,
        iterations,
        name: terms.name.as_deref().map(Into::into),
        priority: terms.priority,
        verify: terms.verify,
        owner: terms.owner.as_ref().map(|owner| owner.name.to_string()),
        owner_id: terms.owner_id(),
        address: terms.address,
        state: TaskState::Pending,
        waiting_because: None,
        total,
        done: 0,
        suspect: false,
        corrected: 0,
        created_at: created.at,
        started_at: None,
        deadline_at: deadline_at(terms, created),
        finished_at: None,
        rate: 0.0,
        eta_seconds: None,
        error: None,
    }
}

pub(super) fn finish(view: &mut TaskView, ending: &Ending) {
    view.state = ending.state;
    view.done = ending.done;
    view.started_at = ending.started_at;
    view.finished_at = Some(ending.finished.at);
    (view.rate, view.eta_seconds) = (0.0, None);
    view.error = ending.error.as_deref().map(Into::into);
}

/// Says how far a search is, of which so many candidates are in doubt.
pub(super) fn set_progress(view: &mut TaskView, terms: &Terms, found: SearchCounts, doubtful: u64) {
    if let Some((shown, search)) = view.search.as_mut().zip(terms.kind().search()) {
        let expected = view.done as f64 * share(search);
        shown.set(search, SearchProgress { found: found.findings, marks: found.marks, expected, doubtful });
    }
}

/// A task of which nothing is in memory.
pub(super) fn stored_view(stored: &Stored) -> TaskView {
    let mut view = view(stored.id, &stored.terms, stored.total, stored.created);
    if let Some(ending) = &stored.ending {
        finish(&mut view, ending);
        set_progress(&mut view, &stored.terms, ending.found, 0);
    }
    (view.suspect, view.corrected) = (stored.suspect, stored.corrected);
    view
}

/// A task of a batch that is on disk.
pub(super) fn member_of_stored(id: TaskId, member: &StoredMember) -> TaskView {
    let StoredMember { batch, has_result, detached, .. } = member;
    if let Some(Some(error)) = detached {
        return failed(id, batch, error);
    }
    let mut view = stored_view(batch);
    view.done = u64::from(*has_result);
    if *has_result {
        (view.state, view.error) = (TaskState::Done, None);
    }
    as_member(view, id, batch.id)
}

/// A task of a batch that failed alone.
pub(super) fn failed(id: TaskId, batch: &Stored, error: &str) -> TaskView {
    let mut view = stored_view(batch);
    let finished = batch.ending.as_ref().map_or(batch.created, |ending| ending.finished);
    let started_at = view.started_at;
    let error = Some(error.into());
    finish(
        &mut view,
        &Ending { state: TaskState::Failed, started_at, finished, done: 0, found: SearchCounts::default(), error },
    );
    view.finished_at = batch.ending.as_ref().map(|ending| ending.finished.at);
    as_member(view, id, batch.id)
}

/// A batch's view as one of its tasks has it.
pub(super) fn as_member(view: TaskView, id: TaskId, batch: TaskId) -> TaskView {
    let is_done = view.state == TaskState::Done;
    let error = view.error.filter(|_| !is_done);
    let eta_seconds = view.eta_seconds.filter(|_| !view.state.has_ended());
    TaskView { id, batch: Some(batch), first_task: None, total: 1, rate: 0.0, corrected: 0, eta_seconds, error, ..view }
}

/// When a task fails, by the wall clock, for people.
fn deadline_at(terms: &Terms, created: Moment) -> Option<Timestamp> {
    terms.deadline.map(|seconds| Timestamp(created.at.0 + i64::from(seconds) * 1000))
}
