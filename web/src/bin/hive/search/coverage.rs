//! `hive coverage`: what has become of each part of a task, and by whom.

use std::io::{self, Read as _, Write as _};

use web::model::{CoverageList, PAGE_MAX};
use wire::ids::TaskId;

use crate::arguments::{Coverage, CoverageFormat, Output};
use crate::connection::{Connection, Request};
use crate::failure::Failure;
use crate::show::{self, Table};
use crate::tasks;

/// How the last line of NDJSON begins, without which it is not whole.
const END: &[u8] = b"{\"count\":";

/// What is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// # Errors
/// If it cannot be had, or not be written.
pub fn run(connection: &Connection, coverage: &Coverage, output: Output) -> Result<(), Failure> {
    let id = tasks::resolve(connection, coverage.id)?;
    if let Some(format) = coverage.format {
        return copy(connection, id, coverage.from, format);
    }
    let mut table = Table::of_coverage();
    let (mut from, mut left) = (coverage.from, coverage.limit.unwrap_or(u64::MAX));
    loop {
        let limit = left.min(PAGE_MAX);
        let answer = connection.ask(&Request::get(format!("/tasks/{id}/coverage?from={from}&limit={limit}")))?;
        let CoverageList { spans, next, .. } = answer.read()?;
        match output {
            Output::Text => table.print(&spans)?,
            Output::Json => show::print(&answer.text)?,
            Output::Quiet => {}
        }
        left -= limit.min(spans.len() as u64);
        match next {
            Some(next) if left > 0 => from = next,
            Some(next) if output == Output::Text => {
                connection.notes.note(&format!("there is more: --from {next}, or --format csv for all of it"));
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
}

/// Copies all of it from the Queen to standard output.
fn copy(connection: &Connection, id: TaskId, from: u64, format: CoverageFormat) -> Result<(), Failure> {
    let path = format!("/tasks/{id}/coverage?format={}&from={from}", format.name());
    let broken = |error: crate::connection::RequestError| error.failure;
    let mut body = connection.try_open(&Request::get(path)).map_err(broken)?.into_reader();
    let mut output = io::stdout().lock();
    let (mut piece, mut end) = (vec![0; PIECE], Vec::new());
    loop {
        let read = body.read(&mut piece).map_err(|error| broken(connection.request_error(ureq::Error::from(error))))?;
        if read == 0 {
            break;
        }
        output.write_all(&piece[..read]).map_err(|error| Failure::of_output(&error))?;
        // Of what was written the last line is kept.
        end.extend_from_slice(&piece[..read]);
        let last = end.strip_suffix(b"\n").unwrap_or(&end);
        if let Some(start) = memchr::memrchr(b'\n', last) {
            end.drain(..=start);
        }
    }
    output.flush().map_err(|error| Failure::of_output(&error))?;
    let is_whole = format == CoverageFormat::Csv || end.starts_with(END) && end.ends_with(b"\n");
    match is_whole {
        true => Ok(()),
        false => Err(Failure::Unreachable("the connection broke off before all had come".to_owned())),
    }
}
