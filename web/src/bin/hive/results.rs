//! `hive results`: rows as they come, whole and each once, however often the connection breaks.

mod lookup;
mod rows;

use std::io::{self, Read as _};

use web::model::TaskView;
use wire::ids::TaskId;

use self::rows::Rows;
use crate::arguments::{Format, Output, Results};
use crate::connection::{Connection, Request, RequestError};
use crate::failure::Failure;
use crate::{outcome, tasks, wait};

/// What is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// Which results, and how they are written.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub format: Format,
    /// The first index.
    pub offset: u64,
    pub limit: Option<u64>,
    /// Incomplete ones, too.
    pub partial: bool,
    /// What a search has not found.
    pub not_found: bool,
}

/// # Errors
/// If they are not there, refused, or cannot be written.
pub fn run(connection: &Connection, results: &Results, output: Output) -> Result<(), Failure> {
    let id = tasks::resolve(connection, results.id)?;
    if let Some(sought) = lookup::Sought::of(results) {
        return lookup::run(connection, id, results, &sought, output);
    }
    let ended = match results.wait {
        true => Some(wait::until_ended(connection, id, results.progress, output)?),
        false => None,
    };
    if let Some(ended) = &ended
        && !ended.is_done()
    {
        return Err(Failure::of_task(&ended.task));
    }
    let is_lacking = ended.as_ref().is_some_and(|ended| ended.task.error.is_some());
    let format = results.format.unwrap_or(if output == Output::Json { Format::Ndjson } else { Format::Text });
    let (offset, limit, not_found) = (results.offset, results.limit, results.not_found);
    // What a search that is over has not found is told with how much of it was searched.
    let partial = results.partial || is_lacking || not_found && ended.is_some();
    print(connection, id, &Wanted { format, offset, limit, partial, not_found })?;
    if not_found {
        return outcome::tell_not_found(connection, id);
    }
    match ended {
        Some(ended) if is_lacking => Err(Failure::of_task(&ended.task)),
        Some(ended) => outcome::tell_findings(connection, &ended.task),
        None => Ok(()),
    }
}

/// Writes results to standard output.
///
/// # Errors
/// If they are not there, refused, or cannot be written.
pub fn print(connection: &Connection, id: TaskId, wanted: &Wanted) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    let mut rows = Rows::new(wanted.format, wanted.offset);
    let mut backoff = connection.backoff(true);
    // It cannot go on where rows do not say which they are and some may be left out, or be found meanwhile.
    let may_change = wanted.not_found && (wanted.partial || wanted.format == Format::Ndjson);
    let may_lack = may_change || wanted.partial && wanted.format == Format::Text && is_batch(connection, id)?;
    loop {
        let before = rows.next_index();
        match part(connection, id, wanted, &mut rows, &mut output) {
            Ok(()) => return Ok(()),
            Err(Stop::Output(error)) => return Err(Failure::of_output(&error)),
            Err(Stop::RequestError(error)) => {
                let has_begun = rows.next_index() > before;
                if may_lack && rows.next_index() > wanted.offset {
                    return Err(error.failure);
                }
                if has_begun {
                    backoff.reset();
                }
                backoff.wait(error)?;
                rows.go_on();
            }
        }
    }
}

fn is_batch(connection: &Connection, id: TaskId) -> Result<bool, Failure> {
    let task: TaskView = connection.ask(&Request::get(format!("/tasks/{id}")).long())?.read()?;
    Ok(task.first_task.is_some())
}

/// Why it does not go on.
enum Stop {
    RequestError(RequestError),
    Output(io::Error),
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        Self::RequestError(error)
    }
}

/// Writes what comes of one request.
fn part(
    connection: &Connection,
    id: TaskId,
    wanted: &Wanted,
    rows: &mut Rows,
    output: &mut impl io::Write,
) -> Result<(), Stop> {
    let mut path = format!("/tasks/{id}/results?format={}&offset={}", wanted.format.name(), rows.next_index());
    if let Some(limit) = wanted.limit {
        path += &format!("&limit={}", limit.saturating_sub(rows.next_index() - wanted.offset));
    }
    for (is_wanted, flag) in [(wanted.partial, "&partial=1"), (wanted.not_found, "&not_found=1")] {
        if is_wanted {
            path += flag;
        }
    }
    let mut body = connection.try_open(&Request::get(path).long())?.into_reader();
    let mut piece = vec![0; PIECE];
    loop {
        let read = body.read(&mut piece).map_err(|error| connection.request_error(ureq::Error::from(error)))?;
        if read == 0 {
            break;
        }
        rows.take(&piece[..read], output).map_err(Stop::Output)?;
    }
    output.flush().map_err(Stop::Output)?;
    match rows.is_whole() {
        true => Ok(()),
        false => {
            Err(Stop::RequestError(connection.request_error(io::Error::from(io::ErrorKind::UnexpectedEof).into())))
        }
    }
}
