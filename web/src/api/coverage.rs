//! `/tasks/{id}/coverage`: what was searched, and by whom.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use wire::ids::TaskId;

use super::download::{ListFormat as Format, attachment, line, no_end};
use super::json::Json;
use crate::client::Client;
use crate::entrance::Entrance;
use crate::error::Problem;
use crate::hive::{Coverage, Hive, Span};
use crate::kinds::digest::csv_field;
use crate::model::{CoverageList, PAGE_MAX};
use crate::own;
use crate::request::id::Id;
use crate::request::query::Query;

/// `GET /tasks/{id}/coverage`
pub(crate) async fn show(
    State(hive): State<Arc<dyn Hive>>,
    State(entrance): State<Arc<Entrance>>,
    Id(id): Id,
    client: Client,
    mut query: Query,
    version: Version,
) -> Result<Response, Problem> {
    let format = query.one_of("format", &Format::ALL, Format::name)?.unwrap_or(Format::Json);
    let from = query.number("from", 0..=u64::MAX)?.unwrap_or_default();
    let limit = query.number("limit", 1..=PAGE_MAX)?;
    let is_download = query.flag("download")?;
    query.end()?;
    let found = own::coverage(&*hive, &client.caller, TaskId(id), from, limit.unwrap_or(PAGE_MAX) as usize).await?;
    let mut response = match format {
        Format::Json => {
            let Coverage { task, spans, next } = found;
            Json(CoverageList { total: task.total, spans, next }).into_response()
        }
        Format::Csv if version < Version::HTTP_11 => return Err(no_end(format.name())),
        Format::Ndjson | Format::Csv => {
            let ledger = Ledger { hive, client, entrance, format, page: Some(found), is_begun: false, count: 0 };
            let body = futures_util::stream::unfold(ledger, async |mut ledger| {
                let piece = ledger.next().await?;
                Some((piece, ledger))
            });
            Body::from_stream(body.fuse()).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if is_download {
        headers.insert(CONTENT_DISPOSITION, attachment(&format!("task-{id}-coverage.{}", format.name())));
    }
    Ok(response)
}

/// A ledger on its way out, page by page.
struct Ledger {
    hive: Arc<dyn Hive>,
    client: Client,
    entrance: Arc<Entrance>,
    format: Format,
    /// What is to be written next; `None` when it is over.
    page: Option<Coverage>,
    is_begun: bool,
    /// Spans that are written.
    count: u64,
}

impl Ledger {
    /// The next piece of the body. An error is its last word: the connection breaks off, so that what was sent does not
    /// look complete.
    async fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        let Coverage { task, spans, next } = self.page.take()?;
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) && self.format == Format::Csv {
            out.extend_from_slice(CSV_HEADER);
        }
        for span in &spans {
            match self.format {
                Format::Csv => csv(&mut out, span),
                Format::Json | Format::Ndjson => line(&mut out, span),
            }
        }
        self.count += spans.len() as u64;
        match next {
            None if self.format == Format::Csv => {}
            None => line(&mut out, &serde_json::json!({ "end": true, "count": self.count, "total": task.total })),
            Some(_) if !self.client.is_still_known(&self.entrance) => return Some(Err(Problem::unauthorized())),
            Some(from) => {
                let page = own::coverage(&*self.hive, &self.client.caller, task.id, from, PAGE_MAX as usize).await;
                match page {
                    Ok(page) => self.page = Some(page),
                    Err(error) => return Some(Err(error.into())),
                }
            }
        }
        Some(Ok(out.into()))
    }
}

/// The first line of a CSV file.
const CSV_HEADER: &[u8] = b"from,to,drone,drone_name,marks,expected,verdict,rate,at\r\n";

// Writes into memory cannot fail.
fn csv(out: &mut Vec<u8>, span: &Span) {
    let Span { from, to, drone, drone_name, marks, expected, verdict, rate, at } = span;
    let known = |text: Option<String>| text.unwrap_or_default();
    let _ = write!(out, "{from},{to},{},", known(drone.map(|drone| drone.to_string())));
    csv_field(out, drone_name.as_deref().unwrap_or_default().as_bytes());
    let rate = known(rate.map(|rate| format!("{rate:.3}")));
    let at = known(at.map(|at| at.to_string()));
    let _ = write!(out, ",{marks},{expected:.3},{},{rate},{at}\r\n", verdict.name());
}
