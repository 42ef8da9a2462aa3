//! `hive log` and `hive stats`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use web::model::LogList;

use crate::arguments::{Log, Output};
use crate::connection::{Connection, Request};
use crate::failure::Failure;
use crate::show::{self, Table, details};

/// The most lines of a page.
const PAGE: u64 = 1000;

/// # Errors
/// If it cannot be had.
pub fn log(connection: &Connection, log: &Log, output: Output) -> Result<(), Failure> {
    let filters = [
        ("kind", log.kind.map(|kind| kind.name().to_owned())),
        ("who", log.who.clone()),
        ("target", log.target.clone()),
        ("since", log.since.as_ref().map(ToString::to_string)),
        ("until", log.until.as_ref().map(ToString::to_string)),
    ];
    let filters: String = filters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", utf8_percent_encode(&value?, NON_ALPHANUMERIC))))
        .collect();
    let mut left = if log.all { u64::MAX } else { log.limit };
    let mut cursor = String::new();
    let mut table = Table::of_log();
    let mut shown = 0;
    while left > 0 {
        let answer = connection.ask(&Request::get(format!("/log?limit={}{filters}{cursor}", left.min(PAGE))))?;
        let page: LogList = answer.read()?;
        match output {
            Output::Json => show::print(&answer.text)?,
            Output::Text => table.print(&page.entries)?,
            Output::Quiet => {}
        }
        left = left.saturating_sub(page.entries.len() as u64);
        shown += page.entries.len();
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                if shown == 0 && output == Output::Text {
                    connection.notes.note("there is nothing");
                }
                return Ok(());
            }
        }
    }
    if output == Output::Text {
        connection.notes.note("there are more: --all, or --limit N");
    }
    Ok(())
}

/// # Errors
/// If they cannot be had.
pub fn stats(connection: &Connection, output: Output) -> Result<(), Failure> {
    let answer = connection.ask(&Request::get("/stats"))?;
    match output {
        Output::Text => show::print(&details::overview(&answer.read()?)),
        Output::Json => show::print(&answer.text),
        Output::Quiet => Ok(()),
    }
}
