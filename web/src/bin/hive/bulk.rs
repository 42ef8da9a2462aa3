//! `hive bulk`: something is done to many tasks.

use std::time::Duration;

use serde_json::{Map, Value};
use web::model::{BulkState, BulkView};

use crate::arguments::{Bulk, Output};
use crate::connection::{Answer, Connection, Request};
use crate::failure::Failure;
use crate::show;

/// How often it is asked how far it is.
const PAUSE: Duration = Duration::from_millis(500);

/// # Errors
/// If nothing says which tasks, it is refused, or stops early.
pub fn run(connection: &Connection, bulk: &Bulk, output: Output) -> Result<(), Failure> {
    let filter = bulk.filter.values().into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let filter: Map<String, Value> = filter.collect();
    if filter.is_empty() && !bulk.all {
        return Err(Failure::Here("say which tasks, such as --state failed, or --all".to_owned()));
    }
    let mut members = Map::new();
    members.insert("action".to_owned(), bulk.action.name().into());
    members.insert("filter".to_owned(), filter.into());
    if let Some(priority) = bulk.priority {
        members.insert("priority".to_owned(), priority.into());
    }
    if let Some(deadline) = bulk.deadline {
        members.insert("deadline_seconds".to_owned(), deadline.0.into());
    }
    let dry = if bulk.dry_run { "?dry_run=1" } else { "" };
    let mut answer = connection.ask(&Request::post(format!("/tasks/bulk{dry}")).json(&Value::Object(members)))?;
    let view = loop {
        let view: BulkView = answer.read()?;
        let Some(id) = view.id.filter(|_| view.state == BulkState::Running) else { break view };
        std::thread::sleep(PAUSE);
        answer = connection.ask(&Request::get(format!("/tasks/bulk/{id}")))?;
    };
    tell(&answer, &view, output)
}

fn tell(answer: &Answer, view: &BulkView, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => show::print(&words(view))?,
        Output::Json => show::print(&answer.text)?,
        Output::Quiet => {}
    }
    match &view.error {
        Some(error) => Err(Failure::Unreachable(format!("it stopped early: {error}"))),
        None => Ok(()),
    }
}

fn words(view: &BulkView) -> String {
    let BulkView { action, state, matched, changed, skipped, skipped_because, .. } = view;
    let would = if *state == BulkState::Counted { " would be" } else { "" };
    let because = skipped_because.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let s = if *matched == 1 { "" } else { "s" };
    format!("{}: of {matched} task{s} {changed}{would} changed, {skipped}{would} skipped{because}\n", action.name())
}
