//! `hive submit`: one task of a file, a pipe or words.

mod inputs;
mod secret;

use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use web::model::TaskView;
use web::options::SECRET_HEADER_MAX;
use wire::ids::{Instance, TaskId};

use self::inputs::Inputs;
use self::secret::Secret;
use crate::arguments::{Each, Format, Options, Output, Submit, VerifyOption};
use crate::connection::{self, Answer, Connection, RequestError, Upload as _};
use crate::failure::Failure;
use crate::outcome;
use crate::results::{self, Wanted};
use crate::show;
use crate::wait;

/// # Errors
/// If it is not taken, or waited for in vain.
pub fn run(connection: &Connection, submit: &Submit, output: Output, no_retry: bool) -> Result<(), Failure> {
    let secrets = secret::given(&submit.options)?;
    let media_type = if submit.ndjson { "application/x-ndjson" } else { "text/plain" };
    let mut inputs = match &submit.file {
        Some(path) => Inputs::open(path, media_type, no_retry)?,
        None => Inputs::of_words(&submit.input)?,
    };
    inputs.show(wait::of_upload(&connection.notes, submit.progress, output, inputs.length()));
    let answer = send(connection, &submit.options, inputs, &secrets);
    connection.notes.show(None);
    let answer = answer?;
    if submit.options.dry_run {
        return outcome::tell_estimate(&answer, output);
    }
    let task: TaskView = answer.read()?;
    if !submit.wait {
        return outcome::tell_submitted(&answer, &task, output);
    }
    let ended = wait::until_ended(connection, task.id, submit.progress, output)?;
    hand_over(connection, task.id, &ended, submit.format, output)
}

/// What is printed of a task that was waited for.
fn hand_over(
    connection: &Connection,
    id: TaskId,
    ended: &wait::Ended,
    format: Option<Format>,
    output: Output,
) -> Result<(), Failure> {
    if !ended.is_done() {
        if output == Output::Json {
            show::print(&ended.answer.text)?;
        }
        return Err(Failure::of_task(&ended.task));
    }
    // Of a batch some tasks may have failed alone, and the others' results are there.
    let partial = ended.task.error.is_some();
    match (format, output) {
        (None, Output::Json) => show::print(&ended.answer.text)?,
        (None, Output::Quiet) => {}
        (format, _) => {
            let format = format.unwrap_or(Format::Text);
            results::print(connection, id, &Wanted { format, offset: 0, limit: None, partial, not_found: false })?;
        }
    }
    match partial {
        true => Err(Failure::of_task(&ended.task)),
        false => Ok(()),
    }
}

fn send(connection: &Connection, options: &Options, mut inputs: Inputs, secrets: &[Secret]) -> Result<Answer, Failure> {
    let mut headers = HeaderMap::new();
    let name = Instance::random().map_err(|error| Failure::Here(format!("the system has no randomness: {error}")))?;
    put(&mut headers, "idempotency-key", &name.to_string())?;
    // Two hexadecimal digits a byte; what is longer goes with the inputs as a form.
    let is_form = secrets.iter().any(|secret| 2 * secret.bytes.len() > SECRET_HEADER_MAX);
    match is_form {
        true => inputs.become_form(&name.to_string(), secrets),
        false => {
            for secret in secrets {
                put(&mut headers, secret.header, &const_hex::encode(&secret.bytes))?;
            }
        }
    }
    let media_type = HeaderValue::from_str(inputs.media_type());
    headers.insert(CONTENT_TYPE, media_type.map_err(|error| Failure::here("the request cannot be made", &error))?);
    let path = format!("/tasks{}", query(options));
    let mut backoff = connection.backoff(true);
    let mut furthest = 0;
    loop {
        let mut went = 0;
        let sent = connection.try_upload(&path, &headers, &mut inputs, &mut went).and_then(|body| {
            let text = body.into_with_config().read_to_string();
            text.map(|text| Answer { text }).map_err(|error| connection.request_error(error))
        });
        match sent {
            Ok(answer) => return Ok(answer),
            Err(error) if went > furthest => {
                // It came further than any before.
                furthest = went;
                backoff.reset();
                backoff.wait(under_way(error))?;
            }
            Err(error) => backoff.wait(under_way(error))?,
        }
    }
}

/// The first of two requests may not be over yet where its answer was lost; that passes.
fn under_way(error: RequestError) -> RequestError {
    RequestError { is_transient: error.is_transient || error.status == Some(409), ..error }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), Failure> {
    let mut value =
        HeaderValue::from_str(value).map_err(|error| Failure::here("the request cannot be made", &error))?;
    value.set_sensitive(true);
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// All options that are no secrets.
fn query(options: &Options) -> String {
    let Options { kind, algorithm, iterations, encoding, standing, each, verify, dry_run, .. } = options;
    let before = [
        ("kind", kind.clone()),
        ("algorithm", algorithm.clone()),
        ("iterations", iterations.map(|iterations| iterations.to_string())),
        ("encoding", encoding.clone()),
    ];
    let behind = [
        ("each", each.map(|Each::Task| "task".to_owned())),
        ("verify", verify.map(VerifyOption::name).map(str::to_owned)),
        ("dry_run", dry_run.then(|| "1".to_owned())),
    ];
    connection::query(before.iter().chain(&standing.named()).chain(&behind))
}

#[cfg(test)]
mod tests {
    use drone::cli::Span;

    use super::*;
    use crate::arguments::Standing;

    #[test]
    fn options_go_into_the_query() {
        assert_eq!(query(&Options::default()), "");
        let options = Options {
            standing: Standing {
                name: Some("a&b ä".to_owned()),
                priority: Some(-5),
                deadline: Some(Span(std::time::Duration::from_secs(90))),
            },
            each: Some(Each::Task),
            verify: Some(VerifyOption::All),
            ..Options::default()
        };
        assert_eq!(query(&options), "?name=a%26b%20%C3%A4&priority=%2D5&deadline_seconds=90&each=task&verify=all");
    }
}
