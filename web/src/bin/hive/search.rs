//! `hive search`: candidates whose digests are sought.

pub mod coverage;
mod findings;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use web::model::TaskView;
use wire::ids::{Instance, TaskId};

use self::findings::Findings;
use crate::arguments::{Format, Output, Search};
use crate::connection::{Answer, Connection, Request};
use crate::failure::Failure;
use crate::outcome;
use crate::results::{self, Wanted};
use crate::show;
use crate::wait::{Ended, Look, Wait};

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Between two looks for findings.
const LOOK: Duration = Duration::from_secs(1);

/// # Errors
/// If it is not taken, waited for in vain, or finds nothing.
pub fn run(connection: &Connection, search: &Search, output: Output) -> Result<(), Failure> {
    let is_standard_input = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new(STANDARD_INPUT));
    if is_standard_input(&search.masks) && is_standard_input(&search.targets) {
        let text = "--masks and --targets are both standard input (-), which can be read only once: give one of them as \
                    a file";
        return Err(Failure::Here(text.to_owned()));
    }
    let answer = send(connection, search)?;
    if search.dry_run {
        return outcome::tell_estimate(&answer, output);
    }
    let task: TaskView = answer.read()?;
    if !search.wait {
        return outcome::tell_submitted(&answer, &task, output);
    }
    let format = match output {
        Output::Text => Some(search.format.unwrap_or(Format::Text)),
        Output::Json | Output::Quiet => search.format,
    };
    let ended = follow(connection, task.id, search, format, output)?;
    if output == Output::Json && (format.is_none() || !ended.is_done()) {
        show::print(&ended.answer.text)?;
    }
    if !ended.is_done() {
        return Err(Failure::of_task(&ended.task));
    }
    outcome::tell_findings(connection, &ended.task)
}

/// Waits for it, and prints what it finds.
fn follow(
    connection: &Connection,
    id: TaskId,
    search: &Search,
    format: Option<Format>,
    output: Output,
) -> Result<Ended, Failure> {
    let mut findings = format.and_then(Findings::new);
    let mut wait = Wait::new(connection, id, search.progress, output);
    let ended = loop {
        match wait.look(LOOK)? {
            Look::Ended(ended) => break ended,
            Look::Open(task) => {
                if let Some(findings) = &mut findings {
                    findings.catch_up(connection, &task)?;
                }
            }
        }
    };
    drop(wait);
    match (findings, format) {
        (Some(findings), _) => findings.finish(connection, &ended.task)?,
        (None, Some(format)) if ended.is_done() => {
            results::print(
                connection,
                id,
                &Wanted { format, offset: 0, limit: None, partial: false, not_found: false },
            )?;
        }
        (None, _) => {}
    }
    Ok(ended)
}

fn send(connection: &Connection, search: &Search) -> Result<Answer, Failure> {
    let name = Instance::random().map_err(|error| Failure::Here(format!("the system has no randomness: {error}")))?;
    let name = name.to_string();
    let fields = search.fields().into_iter().map(|(field, value)| (field, value.into_bytes()));
    let mut fields: Vec<(&str, Vec<u8>)> = fields.collect();
    if !search.target.is_empty() {
        fields.push(("targets", search.target.join("\n").into_bytes()));
    }
    for (field, path) in [("targets", &search.targets), ("masks", &search.masks)] {
        if let Some(path) = path {
            fields.push((field, read(path)?));
        }
    }
    let mut body = Vec::new();
    for (field, value) in fields {
        let head = format!("--{name}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n");
        for part in [head.as_bytes(), &value, b"\r\n"] {
            body.extend_from_slice(part);
        }
    }
    body.extend_from_slice(format!("--{name}--\r\n").as_bytes());
    let media_type = format!("multipart/form-data; boundary={name}");
    connection.ask(&Request::post("/tasks").header("idempotency-key", &name).body(&media_type, body).long())
}

/// What is in a file, or in standard input where the path is `-`.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new(STANDARD_INPUT) {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        return read.map(|_| bytes).map_err(|error| Failure::here("standard input cannot be read", &error));
    }
    fs::read(path).map_err(|error| Failure::here(format!("{} cannot be read", path.display()), &error))
}
