//! `/tasks/{id}/results`, and the few results that a task's own view shows.

mod format;
mod lookup;

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use wire::ids::TaskId;

use self::format::{Cursor, Format, PIECE, finding_json, torn};
use super::download::{attachment, no_end};
use crate::access::Caller;
use crate::client::Client;
use crate::entrance::Entrance;
use crate::error::Problem;
use crate::hive::{Hive, HiveError, NotFound, ResultBatch, Results, ResultsFound};
use crate::kinds::digest::{self, Row};
use crate::lookup::{Wanted, look_up};
use crate::model::{TaskState, TaskView};
use crate::own;
use crate::request::id::Id;
use crate::request::query::Query;

/// The most results that a task's view shows.
const INLINE_ROWS: u64 = 100;
/// And how long they may be in JSON, in bytes.
const INLINE_BYTES: usize = 64 << 10;

/// What a row of a short input takes in JSON, in bytes.
const ROW: usize = 160;

/// How far behind the start of its memory a piece begins, in bytes, so that its first record of TLS is not slow either:
/// see [`TLS_RECORD`](wire::greeting::TLS_RECORD).
const MARGIN: usize = 64;

/// `GET /tasks/{id}/results`: in index order, as far as they are there without a gap.
pub(crate) async fn show(
    State(hive): State<Arc<dyn Hive>>,
    State(entrance): State<Arc<Entrance>>,
    Id(id): Id,
    client: Client,
    mut query: Query,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked_format = query.one_of("format", &Format::ALL, Format::name)?;
    let offset = query.number("offset", 0..=u64::MAX)?.unwrap_or_default();
    let limit = query.number("limit", 0..=u64::MAX)?.unwrap_or(u64::MAX);
    let is_partial = query.flag("partial")?;
    let is_not_found = query.flag("not_found")?;
    let is_download = query.flag("download")?;
    let wanted = lookup::wanted(&mut query)?;
    query.end()?;
    let range = offset..offset.saturating_add(limit);
    let format = match asked_format {
        Some(format) => format,
        None => format::accepted(&headers.get_all(ACCEPT))?,
    };
    if version < Version::HTTP_11 && format != Format::Ndjson {
        return Err(no_end(format.name()));
    }
    let Asked { found, all, is_final } = match is_not_found {
        true => Asked::not_found(&*hive, &client.caller, TaskId(id), range).await?,
        false => Asked::results(&*hive, &client.caller, TaskId(id), range).await?,
    };
    if let Some(wanted) = wanted {
        return looked_up(found, (&wanted, is_not_found), format, is_final, is_partial).await;
    }
    let ResultsFound { task, range, is_whole, mut results } = found;
    if format != Format::Ndjson && !is_whole && !is_partial {
        return Err(not_whole(&task, format));
    }
    if format != Format::Ndjson && !is_final && !is_partial {
        return Err(unfinished(&task, format));
    }
    let first = results.next().await?;
    if let Some(ResultBatch::Digest { first, inputs, .. }) = &first
        && format == Format::Text
        && let Some(at) = digest::first_with_line_feed(inputs.as_blob())
    {
        return Err(torn(first + at as u64));
    }
    let header = if is_not_found { format.header_of_not_found() } else { format.header(&task.kind) };
    let is_complete = is_final && range.end >= all;
    let rows = Rows::new((format, header), task.first_task, (range, is_complete), first, results);
    let body = futures_util::stream::unfold((rows, client, entrance), async |(mut rows, client, entrance)| {
        let piece = rows.next(|| client.is_still_known(&entrance)).await?;
        if let Err(problem) = &piece {
            let (request, at) = (&client.request, rows.cursor.index);
            tracing::warn!(%request, at, "a download of results broke off: {problem}");
        }
        Some((piece, (rows, client, entrance)))
    });
    let mut response = Body::from_stream(body.fuse()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.append(VARY, HeaderValue::from_static("accept"));
    if is_download {
        headers.insert(
            CONTENT_DISPOSITION,
            attachment(&format!("task-{id}{}.{}", if is_not_found { "-not-found" } else { "" }, format.extension())),
        );
    }
    Ok(response)
}

/// What is found of what is wanted among results, which are not those that were `not_found`.
async fn looked_up(
    mut found: ResultsFound,
    (wanted, is_not_found): (&Wanted, bool),
    format: Format,
    is_final: bool,
    is_partial: bool,
) -> Result<Response, Problem> {
    if is_not_found {
        let detail = "nothing is looked up among digests that were not found: leave out `not_found`";
        return Err(Problem::invalid(detail).with("path", "not_found"));
    }
    let matches = look_up(&mut found, wanted).await?;
    let is_complete = is_final && found.is_whole && matches.next >= found.task.results();
    if format != Format::Ndjson && !is_complete && !is_partial {
        let (id, name, next, all) = (found.task.id, format.name(), matches.next, found.task.results());
        let detail = format!(
            "of task {id} results up to {next} of {all} were looked at, and {name} cannot say so: add `partial=1`, or \
             take `format=ndjson`"
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let body = lookup::body(format, &found.task, &matches, is_complete)?;
    let mut response = Body::from(body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Results, or what a search has not found.
struct Asked {
    found: ResultsFound,
    /// How many there are, in the range that was asked for and outside.
    all: u64,
    /// Whether no more will come, and none will go.
    is_final: bool,
}

impl Asked {
    async fn results(hive: &dyn Hive, caller: &Caller, id: TaskId, range: Range<u64>) -> Result<Self, HiveError> {
        let found = own::results(hive, caller, id, range).await?;
        let (all, is_final) = (found.task.results(), found.task.state == TaskState::Done);
        Ok(Self { found, all, is_final })
    }

    /// What a search that ended early has not found may be among the candidates that it did not search.
    async fn not_found(hive: &dyn Hive, caller: &Caller, id: TaskId, range: Range<u64>) -> Result<Self, HiveError> {
        let NotFound { results: found, count: all } = own::not_found(hive, caller, id, range).await?;
        let is_final = found.task.state == TaskState::Done && found.task.done == found.task.total;
        Ok(Self { found, all, is_final })
    }
}

/// The names of the forms that results can have.
pub(super) fn formats() -> [&'static str; 3] {
    Format::ALL.map(Format::name)
}

fn unfinished(task: &TaskView, format: Format) -> Problem {
    let TaskView { id, state, done, total, .. } = task;
    let name = format.name();
    let later = if state.has_ended() { "" } else { "ask again when it is done, " };
    let items = if task.search.is_some() { "candidates" } else { "inputs" };
    let detail = format!(
        "task {id} is {state} with {done} of {total} {items} done, and {name} cannot say that it is incomplete: \
         {later}add `partial=1`, or take `format=ndjson`"
    );
    Problem::new(StatusCode::CONFLICT, detail)
}

fn not_whole(task: &TaskView, format: Format) -> Problem {
    let (id, name) = (task.id, format.name());
    let detail = format!(
        "some tasks have left batch {id} or failed, and {name} cannot say which: add `partial=1` to leave them out, \
         or take `format=ndjson`"
    );
    Problem::new(StatusCode::CONFLICT, detail)
}

/// A body of results in the making.
struct Rows {
    format: Format,
    /// The batch under way.
    batch: Option<ResultBatch>,
    results: Box<dyn Results>,
    range: Range<u64>,
    cursor: Cursor,
    /// Whether nothing will ever be behind this range.
    is_complete: bool,
    /// The first of a batch's tasks.
    first_task: Option<TaskId>,
    /// What stands before all rows.
    header: &'static [u8],
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Rows,
    Over,
}

impl Rows {
    fn new(
        (format, header): (Format, &'static [u8]),
        first_task: Option<TaskId>,
        (range, is_complete): (Range<u64>, bool),
        first: Option<ResultBatch>,
        results: Box<dyn Results>,
    ) -> Self {
        let cursor = Cursor::at(range.start);
        let mut rows = Self {
            format,
            batch: first,
            results,
            range,
            cursor,
            is_complete,
            first_task,
            header,
            stage: Stage::Header,
        };
        rows.pause();
        rows
    }

    /// The next piece of the body, as long as its reader `may` have it. An error is its last word: the connection breaks off, so
    /// that what was sent does not look complete.
    async fn next(&mut self, may: impl FnOnce() -> bool) -> Option<Result<Bytes, Problem>> {
        if self.stage == Stage::Over {
            return None;
        }
        let piece = match may() {
            true => self.piece().await,
            false => Err(Problem::unauthorized()),
        };
        if piece.is_err() {
            self.stage = Stage::Over;
        }
        piece.transpose()
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        let mut out = Vec::with_capacity(PIECE + digest::OVER);
        out.resize(MARGIN, 0);
        if self.stage == Stage::Header {
            out.extend_from_slice(self.header);
            self.stage = Stage::Rows;
        }
        while out.len() < PIECE {
            if self.batch.is_none() {
                self.batch = self.results.next().await?;
            }
            match &self.batch {
                Some(batch) => {
                    if self.format.rows(&mut out, batch, &mut self.cursor, self.first_task)? {
                        self.batch = None;
                    }
                }
                None => {
                    self.finish(&mut out)?;
                    break;
                }
            }
        }
        self.pause();
        Ok((out.len() > MARGIN).then(|| Bytes::from(out).slice(MARGIN..)))
    }

    /// The client may take its time.
    fn pause(&mut self) {
        if !self.results.pause(self.cursor.index) {
            self.batch = None;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Problem> {
        self.stage = Stage::Over;
        if self.cursor.index != self.range.end {
            let detail = format!("results end at {} instead of {}", self.cursor.index, self.range.end);
            return Err(HiveError::Internal(detail).into());
        }
        if self.format == Format::Ndjson {
            let Range { start, end } = self.range;
            let (count, complete) = (end - start, self.is_complete);
            let end = format!("{{\"end\":true,\"count\":{count},\"next_offset\":{end},\"complete\":{complete}}}\n");
            out.extend_from_slice(end.as_bytes());
        }
        Ok(())
    }
}

/// The results of a finished task, or what a search has found, as a JSON array, if they are few.
pub(super) async fn inline(hive: &dyn Hive, task: &TaskView) -> Result<Option<Vec<u8>>, Problem> {
    match is_inline(task) {
        true => inline_of(&mut hive.results(task.id, 0..task.results()).await?).await,
        false => Ok(None),
    }
}

fn is_inline(task: &TaskView) -> bool {
    (task.state == TaskState::Done || task.search.is_some()) && task.results() <= INLINE_ROWS
}

/// The same of results that were found.
pub(super) async fn inline_of(found: &mut ResultsFound) -> Result<Option<Vec<u8>>, Problem> {
    let ResultsFound { task, results, .. } = found;
    if !is_inline(task) {
        return Ok(None);
    }
    let mut json = Vec::with_capacity(ROW * task.results() as usize);
    json.push(b'[');
    while let Some(batch) = results.next().await? {
        let (first, inputs, digests) = match batch {
            ResultBatch::Digest { first, inputs, digests } => (first, inputs, digests),
            ResultBatch::Findings { findings, .. } => {
                for finding in &findings {
                    if json.len() > 1 {
                        json.push(b',');
                    }
                    json.extend_from_slice(&finding_json(finding));
                    if json.len() > INLINE_BYTES {
                        return Ok(None);
                    }
                }
                continue;
            }
            ResultBatch::NotFound { .. } | ResultBatch::Detached { .. } => return Ok(None),
        };
        let (inputs, digests) = (inputs.as_blob(), digests.as_chunks::<32>().0);
        for (index, (input, digest)) in (first..).zip(inputs.iter().zip(digests)) {
            if json.len() > 1 {
                json.push(b',');
            }
            if !Row::json(input).write(&mut json, INLINE_BYTES, index, input, digest) || json.len() > INLINE_BYTES {
                return Ok(None);
            }
        }
    }
    json.push(b']');
    Ok(Some(json))
}
