//! What went wrong, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use web::error::ProblemView;
use web::model::{TaskState, TaskView};
use web::options::flat;

use crate::text::visible;

/// Who pressed Ctrl-C gets this exit code, as a shell would say it.
pub const INTERRUPTED: u8 = 130;

/// Why a command did not do what it was to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A task that was waited for failed or was cancelled.
    #[error("{0}")]
    Task(String),
    /// A mistake on this side: an option, a profile, a file that cannot be read or written.
    #[error("{0}")]
    Here(String),
    /// The Queen cannot be reached, or something is wrong on her side (5xx).
    #[error("{0}")]
    Unreachable(String),
    /// She refused it (4xx).
    #[error("{text}")]
    Refused {
        /// What she said.
        text: String,
        /// With which status.
        status: u16,
    },
    /// A search that was waited for found nothing.
    #[error("{0}")]
    Nothing(String),
    /// Nobody reads what is written any more, as behind `| head`.
    #[error("nobody reads the output")]
    Unread,
}

impl Failure {
    /// A file, or something else of this machine, that does not work: `what` names it and what was to be done.
    pub fn here(what: impl Into<String>, error: &dyn std::error::Error) -> Self {
        Self::Here(format!("{}: {error}", what.into()))
    }

    /// What became of writing to standard output.
    pub fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::here("the output cannot be written", error),
        }
    }

    /// What an answer says that is none of 2xx, to a request with a token or without one.
    pub fn of_answer(status: u16, body: &[u8], has_token: bool) -> Self {
        let text = match serde_json::from_slice::<ProblemView<'_>>(body) {
            Ok(problem) if status == 401 && !has_token => {
                let title = visible(&problem.title);
                format!(
                    "{title} ({status}): a token is taken from `hive login`, HIVE_TOKEN, or the file of --token-file"
                )
            }
            Ok(problem) => {
                let (title, detail) = (visible(&problem.title), in_options(&visible(&problem.detail)));
                format!("{title} ({status}): {detail}")
            }
            // It is not an answer of the API: a port that speaks something else, a proxy, or somebody else altogether.
            Err(_) => match sentence(body) {
                Some(said) => format!("the answer is {status}: {said}"),
                None => format!("the answer is {status}, and says no more: is this address a Queen's?"),
            },
        };
        match status {
            400..500 => Self::Refused { text, status },
            _ => Self::Unreachable(text),
        }
    }

    /// That a task ended without being done.
    pub fn of_task(task: &TaskView) -> Self {
        let TaskView { id, state, done, total, error, search, .. } = task;
        let why = match error {
            Some(error) => format!(": {}", visible(error)),
            None => String::new(),
        };
        let how = match state {
            TaskState::Failed => "failed",
            TaskState::Cancelled => "was cancelled",
            _ => "is done, but not all of it",
        };
        let rest = match (*done, *state) {
            (0, _) | (_, TaskState::Done) => String::new(),
            (done, _) if search.is_some() => {
                format!("\n{done} of {total} candidates were searched: hive coverage {id}")
            }
            (done, _) => format!("\n{done} of {total} results are there: hive results {id} --partial"),
        };
        Self::Task(format!("task {id} {how}{why}{rest}"))
    }

    /// What the process ends with.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Unread => ExitCode::SUCCESS,
            Self::Task(_) => ExitCode::from(1),
            Self::Here(_) => ExitCode::from(2),
            Self::Unreachable(_) => ExitCode::from(3),
            Self::Refused { .. } => ExitCode::from(4),
            Self::Nothing(_) => ExitCode::from(5),
        }
    }
}

/// What the API says, with what it takes called as the command line calls it.
fn in_options(detail: &str) -> String {
    let options = flat().map(|name| (format!("`{name}`"), format!("`{}`", option(name))));
    let others = [("`partial=1`", "`--partial`"), ("`format=ndjson`", "`--format ndjson`")];
    let others = others.map(|(name, option)| (name.to_owned(), option.to_owned()));
    options.chain(others).fold(detail.to_owned(), |detail, (name, option)| detail.replace(&name, &option))
}

/// The option of the command line for one of the API. Keys and salts are always sent in hexadecimal.
pub fn option(name: &str) -> String {
    let name = match name {
        "key_hex" => "key",
        "salt_hex" => "salt",
        "counter_from" | "counter_to" => "counter",
        name => name.trim_end_matches("_seconds"),
    };
    format!("--{}", name.replace('_', "-"))
}

/// The longest sentence that is repeated of somebody who is no Queen, in bytes.
const SENTENCE_MAX: usize = 200;

/// A line of text that says what is wrong, and is no page.
fn sentence(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_one = (1..=SENTENCE_MAX).contains(&text.len()) && !text.contains(['\n', '<', '{']);
    is_one.then(|| visible(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_what_it_says() {
        let body = br#"{"type":"about:blank","title":"The request is not valid","status":422,"detail":"line 3: \u001b[2J","line":3}"#;
        let failure = Failure::of_answer(422, body, false);
        assert_eq!(failure.to_string(), "The request is not valid (422): line 3: \\u{1b}[2J");
        assert!(matches!(failure, Failure::Refused { status: 422, .. }));
        assert!(matches!(Failure::of_answer(502, b"<html>", false), Failure::Unreachable(_)));
        assert!(Failure::of_answer(404, b"<html>", false).to_string().contains("404"));
        let unknown = br#"{"type":"about:blank","title":"It has to be known who asks","status":401,"detail":"this needs a token"}"#;
        assert!(Failure::of_answer(401, unknown, false).to_string().contains("hive login"));
        assert!(!Failure::of_answer(401, unknown, true).to_string().contains("hive login"));
        let tls = Failure::of_answer(400, b"This port speaks TLS: its addresses begin with https://\n", false);
        assert!(tls.to_string().ends_with("its addresses begin with https://"), "{tls}");
    }

    #[test]
    fn what_the_api_takes_is_called_as_the_command_line_calls_it() {
        let said = "add `partial=1`, or take `format=ndjson`; `key_hex` does not belong to sha256; `deadline_seconds`";
        let expected = "add `--partial`, or take `--format ndjson`; `--key` does not belong to sha256; `--deadline`";
        assert_eq!(in_options(said), expected);
    }
}
