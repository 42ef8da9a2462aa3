//! `hive`: the Hive's client, for people and pipes.
#![forbid(unsafe_code)]

mod arguments;
mod bulk;
mod connection;
mod drones;
mod each;
mod failure;
mod log;
mod login;
mod notes;
mod outcome;
mod pages;
mod profile;
mod results;
mod search;
mod show;
mod submit;
mod target;
mod tasks;
mod text;
mod wait;
mod watch;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::arguments::{Cli, Command, RETRY_FOR};
use crate::connection::{Connection, Retries};
use crate::failure::Failure;
use crate::notes::Notes;

/// How long it is tried again where somebody waits at a terminal.
const BRIEF: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let notes = Notes::default();
    match run(drone::cli::parse(), &notes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Unread) {
                notes.note(&failure.to_string());
            }
            failure.code()
        }
    }
}

fn run(Cli { command, reach }: Cli, notes: &Notes) -> Result<(), Failure> {
    let retries = match (reach.no_retry, reach.retry_for) {
        (true, _) => Retries { brief: Duration::ZERO, long: Duration::ZERO },
        (false, Some(span)) => Retries { brief: span.0, long: span.0 },
        (false, None) => Retries { brief: BRIEF, long: RETRY_FOR.0 },
    };
    match &command {
        Command::Documents(documents) => {
            return documents
                .write::<Cli>()
                .map_err(|error: io::Error| Failure::here("they cannot be written", &error));
        }
        Command::Login(_) => return login::run(&reach, retries, notes),
        _ => {}
    }
    let connection = &Connection::new(target::resolve(&reach, notes)?, retries, notes.clone())?;
    let output = reach.output;
    match &command {
        Command::Submit(submit) => submit::run(connection, submit, output, reach.no_retry),
        Command::Search(search) => search::run(connection, search, output),
        Command::Coverage(coverage) => search::coverage::run(connection, coverage, output),
        Command::Results(results) => results::run(connection, results, output),
        Command::Watch(watch) => watch::run(connection, watch, output),
        Command::Tasks(tasks) => tasks::list(connection, tasks, output),
        Command::Task(ids) => tasks::show(connection, ids, output),
        Command::Cancel(ids) => tasks::cancel(connection, ids, output),
        Command::Pause(ids) => tasks::pause(connection, ids, output),
        Command::Resume(ids) => tasks::resume(connection, ids, output),
        Command::Delete(ids) => tasks::delete(connection, ids, output),
        Command::Retry(retry) => tasks::retry(connection, retry, output),
        Command::Change(change) => tasks::change(connection, change, output),
        Command::Bulk(many) => bulk::run(connection, many, output),
        Command::Drones(drones) => drones::list(connection, drones, output),
        Command::Drain(ids) => drones::drain(connection, ids, output),
        Command::Disconnect(ids) => drones::disconnect(connection, ids, output),
        Command::Pardon(ids) => drones::pardon(connection, ids, output),
        Command::Stats => log::stats(connection, output),
        Command::Log(log) => log::log(connection, log, output),
        Command::Login(_) | Command::Documents(_) => Ok(()),
    }
}
