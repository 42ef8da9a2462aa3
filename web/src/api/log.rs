//! `/log`: what was done, and what happened by itself.

use std::io::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Version;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::cursor;
use super::download::{self, ListFormat, Pages, headed, line};
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
    let page = access.log(filter.clone()).await?;
    let answer = match format {
        ListFormat::Json => {
            Json(LogList { entries: page.entries, next_cursor: page.next.map(cursor::of) }).into_response()
        }
        ListFormat::Ndjson | ListFormat::Csv => {
            let lines = Lines { access, filter, page, count: 0, left: limit.unwrap_or(u64::MAX) };
            download::whole(lines, format, version, client, entrance)?
        }
    };
    Ok(headed(answer, format, is_download.then_some("log")))
}

/// The log on its way out.
struct Lines {
    access: Arc<dyn Access>,
    filter: LogFilter,
    /// What was read last.
    page: LogPage,
    /// Lines that are written, and those that may still be.
    count: u64,
    left: u64,
}

impl Pages for Lines {
    const CSV_HEADER: &'static [u8] = b"at,kind,who,address,action,target,outcome,request_id,count,changes\r\n";

    fn write(&mut self, format: ListFormat, out: &mut Vec<u8>) -> Option<u64> {
        for entry in &self.page.entries {
            match format {
                ListFormat::Csv => csv(out, entry),
                ListFormat::Json | ListFormat::Ndjson => line(out, entry),
            }
        }
        let lines = self.page.entries.len() as u64;
        self.count += lines;
        self.left = self.left.saturating_sub(lines);
        self.page.next.filter(|_| self.left > 0)
    }

    async fn read(&mut self, before: u64) -> Result<(), Problem> {
        self.filter.before = Some(before);
        self.page = self.access.log(self.filter.clone()).await?;
        Ok(())
    }

    fn end(&self) -> Value {
        json!({ "end": true, "count": self.count })
    }
}

// Writes into memory cannot fail.
fn csv(out: &mut Vec<u8>, entry: &LogEntry) {
    let LogEntry { at, kind, who, address, action, target, outcome, changes, request_id, count } = entry;
    let _ = write!(out, "{at},{}", kind.name());
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    for text in [&known(who), &known(address), action, target, outcome, &known(request_id)] {
        out.push(b',');
        csv_field(out, text.as_bytes());
    }
    let _ = write!(out, ",{count},");
    csv_field(out, known(changes).as_bytes());
    out.extend_from_slice(b"\r\n");
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
