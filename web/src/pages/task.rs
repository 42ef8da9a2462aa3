//! One task and its results.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Request, State};
use axum::response::Response;
use wire::ids::TaskId;

use super::again::{Again, FILLED_MAX};
use super::course::Course;
use super::coverage::Covered;
use super::curl::{Commands, Curl};
use super::done::done;
use super::filters;
use super::form::{self, Form};
use super::lookup::LookUp;
use super::shown::{Piece, Row, Shown};
use super::viewer::Viewer;
use crate::api::submit;
use crate::assets;
use crate::deeds::Control;
use crate::error::Problem;
use crate::hive::{DEADLINE_MAX, Hive, Original, ResultBatch, Results, ResultsFound, Span, SpanState};
use crate::kinds::digest::Encoding;
use crate::kinds::search::Stop;
use crate::model::{BytesView, SearchView, SoughtView, SpaceView, TaskState, TaskView, Timestamp, Verify};
use crate::own::{self, Changeable};
use crate::request::id::Id;
use crate::request::query::Query;
use crate::room::Room;
use crate::told::Did;

/// Results a page.
const PAGE: u64 = 100;

/// A page ends early once so many bytes of inputs were read for it.
const PAGE_BYTES: usize = 8 << 20;

#[derive(Template, WebTemplate)]
#[template(path = "task.html")]
pub(super) struct Page {
    viewer: Viewer,
    task: TaskView,
    /// No Drone is there to go on with it.
    lacks_drones: bool,
    offset: u64,
    rows: Vec<Row>,
    /// Why the results cannot be read.
    unreadable: Option<String>,
    /// Results that may be read: the finished prefix.
    ready: u64,
    /// Not all that there will ever be, or without those that left a batch.
    is_partial: bool,
    /// What has become of its parts.
    covered: Covered,
    /// What was looked up among its results.
    look_up: Option<LookUp>,
    /// What does the same from a terminal.
    commands: Commands,
    /// The commands show a token.
    shows_token: bool,
    /// What its states were when, and its rate.
    course: Course,
    /// That which changes it.
    form: Form,
}

impl Page {
    fn is_overdue(&self) -> bool {
        is_overdue(&self.task)
    }

    /// Whether the reader may begin it again.
    fn may_retry(&self) -> bool {
        self.task.state.has_ended() && self.task.state != TaskState::Done && self.viewer.changes(&self.task)
    }

    fn seconds(&self) -> Option<f64> {
        let (from, to) = (self.task.started_at?, self.task.finished_at?);
        Some((to.0 - from.0).max(0) as f64 / 1000.0)
    }

    fn encoding(&self) -> Option<&'static str> {
        self.task.encoding.map(|encoding| match encoding {
            Encoding::Utf8 => "plain text",
            Encoding::Hex => "hexadecimal",
            Encoding::Base64 => "base64",
        })
    }

    /// What stands around a search's candidates.
    fn around(&self) -> Vec<(&'static str, &BytesView)> {
        let both = self.task.search.as_deref().map(|search| {
            let SearchView { prefix, suffix, .. } = search;
            [("Before each", prefix.as_ref()), ("Behind each", suffix.as_ref())]
        });
        both.into_iter().flatten().filter_map(|(name, bytes)| Some((name, bytes?))).collect()
    }

    /// Whether it was given digests to search for.
    fn has_targets(&self) -> bool {
        self.task.search.as_ref().is_some_and(|search| matches!(search.sought, SoughtView::Targets { .. }))
    }

    /// What one of its items is.
    fn unit(&self) -> &'static str {
        match () {
            () if self.task.first_task.is_some() => "task",
            () if self.task.search.is_some() => "candidate",
            () => "string",
        }
    }

    /// Whether a part of a search was searched, so that its marks say something.
    fn is_searched_part(&self, part: &Span) -> bool {
        part.state.is_done() || part.state == SpanState::Suspect
    }

    /// Whether all candidates of a search were searched.
    fn is_searched(&self) -> bool {
        self.task.state == TaskState::Done && self.task.done == self.task.total
    }

    fn shown(&self) -> Range<u64> {
        self.offset..self.offset + self.rows.len() as u64
    }

    /// The task of a row, in a batch.
    fn member(&self, row: &Row) -> Option<u64> {
        self.task.first_task.map(|first| first.0 + row.index)
    }

    fn previous(&self) -> u64 {
        self.offset.min(self.ready).saturating_sub(PAGE)
    }

    fn last(&self) -> u64 {
        self.ready.saturating_sub(1) / PAGE * PAGE
    }
}

pub(super) async fn page(
    State(hive): State<Arc<dyn Hive>>,
    viewer: Viewer,
    curl: Curl,
    Id(id): Id,
    mut query: Query,
) -> Result<Page, Problem> {
    let offset = query.number("offset", 0..=u64::MAX)?.unwrap_or_default();
    let from = query.number("from", 0..=u64::MAX)?.unwrap_or_default();
    let find_from = query.number("find_from", 0..=u64::MAX)?.unwrap_or_default();
    let find = query.text("find")?.map(|text| (text, find_from));
    Page::of(&*hive, (viewer, curl), TaskId(id), Offsets { offset, from, find }, None).await
}

/// Which parts of long tables are shown.
#[derive(Debug, Clone, Default)]
struct Offsets {
    /// The first result.
    offset: u64,
    /// The first candidate of what was searched.
    from: u64,
    /// What is looked up among the results, from this one on.
    find: Option<(String, u64)>,
}

impl Page {
    async fn of(
        hive: &dyn Hive,
        (viewer, curl): (Viewer, Curl),
        id: TaskId,
        Offsets { offset, from, find }: Offsets,
        refused: Option<Refused<'_>>,
    ) -> Result<Self, Problem> {
        let found = own::results(hive, viewer.caller(), id, offset..offset.saturating_add(PAGE)).await?;
        let (rows, unreadable) = match rows(found.results).await {
            Ok(rows) => (rows, None),
            // What else is known of the task is worth showing.
            Err(problem) if problem.status.is_server_error() => (Vec::new(), Some(problem.detail)),
            Err(problem) => return Err(problem),
        };
        // Results may be there a moment before the task is known to be done.
        let task = hive.task(id).await?;
        let is_open = matches!(task.state, TaskState::Pending | TaskState::Running);
        let lacks_drones = is_open && viewer.sees_all() && hive.overview().await?.drones == 0;
        let ResultsFound { range, is_whole, .. } = hive.results(task.id, 0..task.results()).await?;
        let is_partial = task.state != TaskState::Done || !is_whole;
        let look_up = match find {
            Some((text, from)) => Some(LookUp::of(hive, &viewer, id, text, from).await?),
            None => None,
        };
        let again = match own::original(hive, viewer.caller(), id, FILLED_MAX).await {
            Ok(original) => Again::of(&original),
            // Its inputs cannot be read: somebody who wants the same again has to give them.
            Err(_) => Again::of(&Original { task: task.clone(), search: None, inputs: None }),
        };
        let commands = curl.of(&task, &again);
        let covered = Covered::of(hive, &task, from).await?;
        let course = Course::of(&task, &hive.task_history(task.id).await?, Timestamp::now());
        let form = match refused {
            Some(Refused { problem, values }) => Form::refused(problem, values, fields_of(&task)),
            None => Form::of(&task),
        };
        Ok(Self {
            viewer,
            lacks_drones,
            offset,
            rows,
            unreadable,
            ready: range.end,
            is_partial,
            covered,
            look_up,
            commands,
            shows_token: curl.shows_token(),
            course,
            task,
            form,
        })
    }
}

/// A form of the page that was sent, and why nothing came of it.
struct Refused<'a> {
    problem: &'a Problem,
    values: BTreeMap<String, String>,
}

/// The fields that the page has for a task.
fn fields_of(task: &TaskView) -> &'static [&'static str] {
    match task.state.has_ended() {
        false => &["name", "priority", "deadline_seconds"],
        true if task.state != TaskState::Done && task.deadline_at.is_some() => &["deadline_seconds"],
        true => &[],
    }
}

/// It would fail again at once.
fn is_overdue(task: &TaskView) -> bool {
    task.state != TaskState::Done && task.deadline_at.is_some_and(|at| at <= Timestamp::now())
}

async fn rows(mut results: Box<dyn Results>) -> Result<Vec<Row>, Problem> {
    let (mut rows, mut read) = (Vec::new(), 0);
    while read < PAGE_BYTES
        && let Some(batch) = results.next().await?
    {
        let (first, inputs, digests) = match batch {
            ResultBatch::Digest { first, inputs, digests } => (first, inputs, digests),
            ResultBatch::Findings { findings, .. } => {
                rows.extend(findings.into_iter().map(|finding| Row {
                    index: finding.index,
                    input: Shown::of(&finding.plain),
                    digest: const_hex::encode(finding.digest),
                }));
                continue;
            }
            // The page has a link to these instead.
            ResultBatch::NotFound { .. } => continue,
            ResultBatch::Detached { first, failed } => {
                rows.extend((first..).zip(failed).map(|(index, error)| Row {
                    index,
                    input: Shown::of("–".as_bytes()),
                    digest: error.map_or_else(|| "left the batch".to_owned(), |error| format!("failed: {error}")),
                }));
                continue;
            }
        };
        let inputs = inputs.as_blob();
        read += inputs.bytes().len();
        let digests = digests.as_chunks::<32>().0;
        rows.extend((first..).zip(inputs.iter().zip(digests)).map(|(index, (input, digest))| Row {
            index,
            input: Shown::of(input),
            digest: const_hex::encode(digest),
        }));
    }
    Ok(rows)
}

pub(super) async fn pause(control: Control, task: Changeable) -> Result<Response, Problem> {
    control.pause(task).await?;
    Ok(back(Did::Pause, task.id()))
}

pub(super) async fn resume(control: Control, task: Changeable) -> Result<Response, Problem> {
    control.resume(task).await?;
    Ok(back(Did::Resume, task.id()))
}

pub(super) async fn cancel(control: Control, task: Changeable) -> Result<Response, Problem> {
    control.cancel(task).await?;
    Ok(back(Did::Cancel, task.id()))
}

pub(super) async fn retry(
    State(hive): State<Arc<dyn Hive>>,
    State(room): State<Room>,
    control: Control,
    asker: (Viewer, Curl),
    task: Changeable,
    request: Request,
) -> Result<Response, Problem> {
    let values = submit::form_values(&room, request).await?;
    let retried = async { Ok(control.retry(task, submit::renewal_of_form(&values)?).await?) };
    answer(&*hive, asker, (Did::Retry, task.id()), retried.await, values).await
}

pub(super) async fn amend(
    State(hive): State<Arc<dyn Hive>>,
    State(room): State<Room>,
    control: Control,
    asker: (Viewer, Curl),
    task: Changeable,
    request: Request,
) -> Result<Response, Problem> {
    let values = submit::form_values(&room, request).await?;
    let amended = async { Ok(control.amend(task, submit::amendment_of_form(&values)?).await?) };
    answer(&*hive, asker, (Did::Change, task.id()), amended.await, values).await
}

/// Back to the page, or the page with what was typed into a form of it, and what is wrong with that.
async fn answer(
    hive: &dyn Hive,
    asker: (Viewer, Curl),
    (did, id): (Did, TaskId),
    done: Result<TaskView, Problem>,
    values: Vec<(String, String)>,
) -> Result<Response, Problem> {
    let Err(problem) = done else { return Ok(back(did, id)) };
    let refused = Refused { problem: &problem, values: values.into_iter().collect() };
    match Page::of(hive, asker, id, Offsets::default(), Some(refused)).await {
        Ok(page) => Ok(form::answer(&problem, page)),
        Err(_) => Err(problem),
    }
}

fn back(did: Did, id: TaskId) -> Response {
    done(did, id.0, &format!("/admin/tasks/{id}"))
}

pub(super) async fn delete(control: Control, task: Changeable) -> Result<Response, Problem> {
    control.remove(task).await?;
    Ok(done(Did::Delete, task.id().0, "/admin/tasks"))
}
