//! `/tasks/{id}/coverage`: what has become of each part of a task, and by whom.

use std::io::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Version;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use wire::ids::TaskId;

use super::download::{self, ListFormat as Format, Pages, headed, line};
use super::json::Json;
use crate::access::Caller;
use crate::client::Client;
use crate::entrance::Entrance;
use crate::error::Problem;
use crate::hive::{Coverage, Hive, Span};
use crate::honeycomb;
use crate::kinds::digest::csv_field;
use crate::model::{CELLS_MAX, CoverageList, PAGE_MAX};
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
    let cells = query.number("cells", 1..=CELLS_MAX)?;
    if let Some(cells) = cells {
        query.end()?;
        let task = own::task(&*hive, &client.caller, TaskId(id)).await?;
        let [honeycomb] = honeycomb::of(&*hive, &task, [cells], |_| ()).await?;
        return Ok(Json(honeycomb).into_response());
    }
    let format = query.one_of("format", &Format::ALL, Format::name)?.unwrap_or(Format::Json);
    let from = query.number("from", 0..=u64::MAX)?.unwrap_or_default();
    let limit = query.number("limit", 1..=PAGE_MAX)?;
    let is_download = query.flag("download")?;
    query.end()?;
    let found = own::coverage(&*hive, &client.caller, TaskId(id), from, limit.unwrap_or(PAGE_MAX) as usize).await?;
    let answer = match format {
        Format::Json => {
            let Coverage { task, spans, next } = found;
            Json(CoverageList { total: task.total, spans, next }).into_response()
        }
        Format::Ndjson | Format::Csv => {
            let ledger = Ledger { hive, caller: client.caller.clone(), page: found, count: 0 };
            download::whole(ledger, format, version, client, entrance)?
        }
    };
    Ok(headed(answer, format, is_download.then(|| format!("task-{id}-coverage")).as_deref()))
}

/// A ledger on its way out.
struct Ledger {
    hive: Arc<dyn Hive>,
    caller: Caller,
    /// What was read last.
    page: Coverage,
    /// Spans that are written.
    count: u64,
}

impl Pages for Ledger {
    const CSV_HEADER: &'static [u8] =
        b"from,to,drone,drone_name,marks,expected,verdict,rate,at,state,leases,attempts\r\n";

    fn write(&mut self, format: Format, out: &mut Vec<u8>) -> Option<u64> {
        for span in &self.page.spans {
            match format {
                Format::Csv => csv(out, span),
                Format::Json | Format::Ndjson => line(out, span),
            }
        }
        self.count += self.page.spans.len() as u64;
        self.page.next
    }

    async fn read(&mut self, from: u64) -> Result<(), Problem> {
        self.page = own::coverage(&*self.hive, &self.caller, self.page.task.id, from, PAGE_MAX as usize).await?;
        Ok(())
    }

    fn end(&self) -> Value {
        json!({ "end": true, "count": self.count, "total": self.page.task.total })
    }
}

// Writes into memory cannot fail.
fn csv(out: &mut Vec<u8>, span: &Span) {
    let Span { from, to, state, leases, attempts, drone, drone_name, marks, expected, verdict, rate, at } = span;
    let known = |text: Option<String>| text.unwrap_or_default();
    let _ = write!(out, "{from},{to},{},", known(drone.map(|drone| drone.to_string())));
    csv_field(out, drone_name.as_deref().unwrap_or_default().as_bytes());
    let rate = known(rate.map(|rate| format!("{rate:.3}")));
    let at = known(at.map(|at| at.to_string()));
    let (verdict, state) = (verdict.map_or("", |verdict| verdict.name()), state.name());
    let _ = write!(out, ",{marks},{expected:.3},{verdict},{rate},{at},{state},{leases},{attempts}\r\n");
}
