//! `hive log` and `hive stats`.

use web::model::LogList;

use crate::arguments::{Log, Output};
use crate::connection::{Connection, Request};
use crate::failure::Failure;
use crate::pages;
use crate::show::{self, Table, details};

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
    let mut table = Table::of_log();
    let most = if log.all { u64::MAX } else { log.limit };
    let came = pages::of(connection, "/log", &filters, most, |answer, page: LogList| {
        match output {
            Output::Json => show::print(&answer.text)?,
            Output::Text => table.print(&page.entries)?,
            Output::Quiet => {}
        }
        Ok((page.entries.len(), page.next_cursor))
    })?;
    if output == Output::Text {
        came.tell(&connection.notes, "there is nothing");
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
