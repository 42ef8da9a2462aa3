//! Bodies of lines, streamed.

use axum::http::StatusCode;

use super::asker::Asker;
use super::frames::Frames;
use super::intake::{BadInput, Intake, Outcome, Pieces};
use super::json;
use super::resources::Resources;
use crate::error::Problem;
use crate::kinds::digest::MAX_INPUT;
use crate::options::Options;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Its bytes are an input; one CR before the LF is not a part of it.
    Text,
    /// JSON: a string, or `{"input":"…"}`.
    Ndjson,
}

impl Form {
    /// The longest line in bytes: a byte of an input is at most six of JSON.
    fn limit(self) -> usize {
        match self {
            Self::Text => MAX_INPUT + 1,
            Self::Ndjson => 6 * MAX_INPUT + 64,
        }
    }

    fn add(self, pieces: &mut Pieces, line: &[u8], is_ended: bool) -> Result<(), Problem> {
        match self {
            Self::Text if is_ended => pieces.add(line.strip_suffix(b"\r").unwrap_or(line)),
            Self::Text => pieces.add(line),
            Self::Ndjson => return json::line(pieces, line),
        }
        .map_err(|error| Problem::invalid(error.to_string()))
    }
}

/// Cuts frames into lines, and lines into inputs. Only a line that a frame's end cuts in two is copied.
#[derive(Debug)]
pub(super) struct Lines {
    form: Form,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// Lines before that one.
    count: u64,
}

impl Lines {
    pub(super) fn new(form: Form) -> Self {
        Self { form, begun: Vec::new(), count: 0 }
    }

    /// Bytes held back.
    pub(super) fn held(&self) -> usize {
        self.begun.capacity()
    }

    /// Adds the inputs of the lines that end in `frame`.
    pub(super) fn feed(&mut self, frame: &[u8], pieces: &mut Pieces) -> Result<(), Problem> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', frame) {
            let line = &frame[start..end];
            if self.begun.is_empty() {
                self.form.add(pieces, line, true).map_err(|problem| self.at(problem))?;
            } else {
                self.begin(line)?;
                self.form.add(pieces, &self.begun, true).map_err(|problem| self.at(problem))?;
                self.begun.clear();
            }
            self.count += 1;
            start = end + 1;
        }
        self.begin(&frame[start..])
    }

    /// Adds the last line, if it did not end.
    pub(super) fn end(&mut self, pieces: &mut Pieces) -> Result<(), Problem> {
        match std::mem::take(&mut self.begun) {
            line if line.is_empty() => Ok(()),
            line => self.form.add(pieces, &line, false).map_err(|problem| self.at(problem)),
        }
    }

    fn begin(&mut self, part: &[u8]) -> Result<(), Problem> {
        if self.begun.len() + part.len() > self.form.limit() {
            return Err(self.at(Problem::invalid(BadInput::TooLong.to_string())));
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }

    fn at(&self, problem: Problem) -> Problem {
        let line = self.count + 1;
        Problem { detail: format!("line {line}: {}", problem.detail), ..problem }.with("line", line)
    }
}

/// Creates a task of a body of lines.
pub(super) async fn read(
    resources: &Resources,
    options: Options,
    asker: Asker,
    form: Form,
    mut frames: Frames,
) -> Result<Outcome, Problem> {
    let mut intake = Intake::new(resources, options.new_task()?, asker);
    if !intake.has_inputs() {
        let detail = "a search has no lines to hash: ask for it in JSON, or in a form, as curl does with `-F`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let mut lines = Lines::new(form);
    while let Some(frame) = frames.next().await? {
        lines.feed(&frame, &mut intake.pieces)?;
        intake.pass_on(lines.held()).await?;
    }
    lines.end(&mut intake.pieces)?;
    intake.finish().await
}
