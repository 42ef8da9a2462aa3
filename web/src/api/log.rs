//! `/log`: what was done, and what happened by itself.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde_json::json;

use super::cursor;
use super::download::{ListFormat, attachment, line, no_end};
use super::json::Json;
use crate::access::{Caller, LogEntry, LogFilter, LogKind, LogPage};
use crate::client::Client;
use crate::entrance::Entrance;
use crate::error::Problem;
use crate::hive::Access;
use crate::kinds::digest::csv_field;
use crate::model::{LogList, PAGE_DEFAULT, PAGE_MAX};
use crate::request::query::Query;

/// `GET /log`: newest first.
pub(crate) async fn list(
    State(access): State<Arc<dyn Access>>,
    State(entrance): State<Arc<Entrance>>,
    client: Client,
    mut query: Query,
    version: Version,
) -> Result<Response, Problem> {
    let format = query.one_of("format", &ListFormat::ALL, ListFormat::name)?.unwrap_or(ListFormat::Json);
    let filter = filter(&mut query, &client.caller)?;
    let limit = query.number("limit", 1..=PAGE_MAX)?;
    let before = cursor::take(&mut query)?;
    let is_download = query.flag("download")?;
    query.end()?;
    let all = if format == ListFormat::Json { PAGE_DEFAULT } else { PAGE_MAX };
    let filter = LogFilter { before, limit: limit.unwrap_or(all) as usize, ..filter };
    let left = limit.unwrap_or(u64::MAX);
    if format == ListFormat::Csv && version < Version::HTTP_11 {
        return Err(no_end(format.name()));
    }
    let page = access.log(filter.clone()).await?;
    let mut response = match format {
        ListFormat::Json => {
            Json(LogList { entries: page.entries, next_cursor: page.next.map(cursor::of) }).into_response()
        }
        ListFormat::Ndjson | ListFormat::Csv => {
            let lines =
                Lines { access, client, entrance, format, filter, page: Some(page), is_begun: false, count: 0, left };
            let body = futures_util::stream::unfold(lines, async |mut lines| {
                let piece = lines.next().await?;
                Some((piece, lines))
            });
            Body::from_stream(body.fuse()).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if is_download {
        headers.insert(CONTENT_DISPOSITION, attachment(&format!("log.{}", format.name())));
    }
    Ok(response)
}

/// The log on its way out, page by page.
struct Lines {
    access: Arc<dyn Access>,
    client: Client,
    entrance: Arc<Entrance>,
    format: ListFormat,
    filter: LogFilter,
    /// What is to be written next; `None` when it is over.
    page: Option<LogPage>,
    is_begun: bool,
    /// Lines that are written, and those that may still be.
    count: u64,
    left: u64,
}

impl Lines {
    /// The next piece of the body. An error is its last word: the connection breaks off, so that what was sent does not
    /// look complete.
    async fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        let LogPage { entries, next } = self.page.take()?;
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) && self.format == ListFormat::Csv {
            out.extend_from_slice(CSV_HEADER);
        }
        for entry in &entries {
            match self.format {
                ListFormat::Csv => csv(&mut out, entry),
                ListFormat::Json | ListFormat::Ndjson => line(&mut out, entry),
            }
        }
        self.count += entries.len() as u64;
        self.left = self.left.saturating_sub(entries.len() as u64);
        match next.filter(|_| self.left > 0) {
            None if self.format == ListFormat::Csv => {}
            None => line(&mut out, &json!({ "end": true, "count": self.count })),
            Some(_) if !self.client.is_still_known(&self.entrance) => return Some(Err(Problem::unauthorized())),
            Some(before) => {
                self.filter.before = Some(before);
                match self.access.log(self.filter.clone()).await {
                    Ok(page) => self.page = Some(page),
                    Err(error) => return Some(Err(error.into())),
                }
            }
        }
        Some(Ok(out.into()))
    }
}

/// The first line of a CSV file.
const CSV_HEADER: &[u8] = b"at,kind,who,address,action,target,outcome,request_id,count\r\n";

// Writes into memory cannot fail.
fn csv(out: &mut Vec<u8>, entry: &LogEntry) {
    let LogEntry { at, kind, who, address, action, target, outcome, request_id, count } = entry;
    let _ = write!(out, "{at},{}", kind.name());
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    for text in [&known(who), &known(address), action, target, outcome, &known(request_id)] {
        out.push(b',');
        csv_field(out, text.as_bytes());
    }
    let _ = write!(out, ",{count}\r\n");
}

/// Takes which lines are wanted, of those that the caller may see.
pub(crate) fn filter(query: &mut Query, caller: &Caller) -> Result<LogFilter, Problem> {
    let seen = LogFilter::seen_by(caller);
    let kind = query.one_of("kind", LogKind::seen_by(caller), LogKind::name)?;
    Ok(LogFilter {
        kinds: kind.map_or(seen.kinds, |kind| vec![kind]),
        who: query.text("who")?,
        target: query.text("target")?,
        since: query.moment("since")?,
        until: query.moment("until")?,
        ..LogFilter::default()
    })
}
