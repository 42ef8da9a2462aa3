//! The forms that results can have, and which of them a client accepts.

use axum::http::header::GetAll;
use axum::http::{HeaderValue, StatusCode};
use wire::blob::Blob;
use wire::ids::TaskId;

use crate::api::download;
use crate::error::Problem;
use crate::hive::{Finding, HiveError, ResultBatch};
use crate::kinds::digest::{self, Row};
use crate::kinds::search;

/// A piece of a body is sent when it is so long, in bytes: what its client does not take yet stays in memory.
pub(super) const PIECE: usize = 32 << 10;

/// A form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// An object a line, and a last one that says how far it goes.
    Ndjson,
    /// RFC 4180, with a header line.
    Csv,
    /// `digest  input` lines; of a search lines of a potfile: `digest:plain`.
    Text,
}

impl Format {
    pub(super) const ALL: [Self; 3] = [Self::Ndjson, Self::Csv, Self::Text];

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => download::NDJSON,
            Self::Csv => download::CSV,
            Self::Text => download::TEXT,
        }
    }

    /// As `?format=` says it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Text => "text",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Text => "txt",
        }
    }

    /// What stands before digests that were not found.
    pub(super) fn header_of_not_found(self) -> &'static [u8] {
        match self {
            Self::Csv => search::NOT_FOUND_CSV_HEADER,
            Self::Ndjson | Self::Text => b"",
        }
    }

    /// What stands before the rows of a task of this kind.
    pub(super) fn header(self, kind: &str) -> &'static [u8] {
        match self {
            Self::Csv if kind == search::KIND => search::CSV_HEADER,
            Self::Csv => digest::CSV_HEADER,
            Self::Ndjson | Self::Text => b"",
        }
    }

    /// Names under which it is accepted.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Ndjson => &[download::NDJSON, "application/ndjson", "application/jsonl", "application/json"],
            Self::Csv => &["text/csv"],
            Self::Text => &["text/plain"],
        }
    }

    /// Writes rows of `batch` from the cursor on, until `out` is a whole piece; whether that was all of it.
    /// `first_task` is the task of index 0, in a batch of tasks.
    pub(super) fn rows(
        self,
        out: &mut Vec<u8>,
        batch: &ResultBatch,
        cursor: &mut Cursor,
        first_task: Option<TaskId>,
    ) -> Result<bool, Problem> {
        match batch {
            ResultBatch::Digest { first, inputs, digests } => {
                self.digests(out, cursor, *first, inputs.as_blob(), digests.as_chunks::<32>())
            }
            ResultBatch::Findings { first, findings } => {
                for finding in findings.get(cursor.behind(*first)?..).unwrap_or_default() {
                    if out.len() >= PIECE {
                        return Ok(false);
                    }
                    self.finding(out, finding);
                    cursor.index += 1;
                }
                Ok(true)
            }
            ResultBatch::NotFound { first, digests } => {
                for digest in digests.get(cursor.behind(*first)?..).unwrap_or_default() {
                    if out.len() >= PIECE {
                        return Ok(false);
                    }
                    self.not_found(out, digest);
                    cursor.index += 1;
                }
                Ok(true)
            }
            ResultBatch::Detached { first, failed } => {
                for error in failed.get(cursor.behind(*first)?..).unwrap_or_default() {
                    if out.len() >= PIECE {
                        return Ok(false);
                    }
                    if self == Self::Ndjson {
                        detached(out, cursor.index, first_task, error.as_deref());
                    }
                    cursor.index += 1;
                }
                Ok(true)
            }
        }
    }

    fn digests(
        self,
        out: &mut Vec<u8>,
        cursor: &mut Cursor,
        first: u64,
        inputs: Blob<'_>,
        (digests, rest): (&[[u8; 32]], &[u8]),
    ) -> Result<bool, Problem> {
        let written = cursor.behind(first)?;
        if inputs.len() != digests.len() || !rest.is_empty() || written > inputs.len() {
            return Err(apart(cursor.index));
        }
        for (input, digest) in inputs.slice(written..inputs.len()).iter().zip(&digests[written..]) {
            if out.len() >= PIECE {
                return Ok(false);
            }
            let row = match &mut cursor.row {
                Some(row) => row,
                None => cursor.row.insert(self.row(input, cursor.index)?),
            };
            if !row.write(out, PIECE, cursor.index, input, digest) {
                return Ok(false);
            }
            if self == Self::Ndjson {
                out.push(b'\n');
            }
            *cursor = Cursor { index: cursor.index + 1, row: None };
        }
        Ok(true)
    }

    fn finding(self, out: &mut Vec<u8>, finding: &Finding) {
        match self {
            Self::Ndjson => {
                out.extend_from_slice(&finding_json(finding));
                out.push(b'\n');
            }
            Self::Csv => {
                let Finding { index, plain, digest } = finding;
                Row::csv(plain).write(out, usize::MAX, *index, plain, digest);
            }
            Self::Text => out.extend_from_slice(finding.potfile().as_bytes()),
        }
    }

    fn not_found(self, out: &mut Vec<u8>, digest: &[u8; 32]) {
        let (before, after): (&[u8], &[u8]) = match self {
            Self::Ndjson => (b"{\"digest\":\"", b"\"}\n"),
            Self::Csv => (b"", b"\r\n"),
            Self::Text => (b"", b"\n"),
        };
        for part in [before, const_hex::encode(digest).as_bytes(), after] {
            out.extend_from_slice(part);
        }
    }

    /// A row that is about to be written.
    fn row(self, input: &[u8], index: u64) -> Result<Row, Problem> {
        match self {
            Self::Ndjson => Ok(Row::json(input)),
            Self::Csv => Ok(Row::csv(input)),
            Self::Text if memchr::memchr(b'\n', input).is_some() => Err(torn(index)),
            Self::Text => Ok(Row::text()),
        }
    }
}

/// A finding as an object of JSON.
pub(super) fn finding_json(finding: &Finding) -> Vec<u8> {
    serde_json::to_vec(finding).unwrap_or_default()
}

/// An input of this index would tear lines of text apart.
pub(super) fn torn(index: u64) -> Problem {
    let detail = format!(
        "input {index} contains a line feed, so that lines of text are ambiguous; take `format=ndjson` or `csv`"
    );
    Problem::new(StatusCode::NOT_ACCEPTABLE, detail).with("index", index)
}

/// How far a body is.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The index of the row that is next, or under way.
    pub(super) index: u64,
    /// The one that is under way.
    row: Option<Row>,
}

impl Cursor {
    pub(super) fn at(index: u64) -> Self {
        Self { index, row: None }
    }

    /// How many rows of a batch it has passed that begins with index `first`.
    fn behind(&self, first: u64) -> Result<usize, Problem> {
        self.index.checked_sub(first).map(|rows| rows as usize).ok_or_else(|| apart(self.index))
    }
}

fn apart(index: u64) -> Problem {
    HiveError::Internal(format!("the results at {index} do not fit together")).into()
}

/// A line of NDJSON in place of a result: a task has left its batch.
fn detached(out: &mut Vec<u8>, index: u64, first_task: Option<TaskId>, error: Option<&str>) {
    let task = first_task.map_or(0, |first| first.0 + index);
    let state = if error.is_some() { "failed" } else { "detached" };
    let line = serde_json::json!({ "index": index, "task": task, "state": state, "error": error });
    out.extend_from_slice(line.to_string().as_bytes());
    out.push(b'\n');
}

/// The form that a client likes best (RFC 9110, section 12.5.1); NDJSON among equals.
pub(super) fn accepted(accept: &GetAll<'_, HeaderValue>) -> Result<Format, Problem> {
    let values: Vec<&str> = accept.iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges: Vec<(String, f32)> = values.iter().flat_map(|value| value.split(',')).filter_map(range).collect();
    if ranges.is_empty() {
        return Ok(Format::Ndjson);
    }
    let mut best = None;
    for format in Format::ALL {
        let quality = format.media_types().iter().map(|name| quality(&ranges, name)).fold(0.0, f32::max);
        if quality > best.map_or(0.0, |(quality, _)| quality) {
            best = Some((quality, format));
        }
    }
    best.map(|(_, format)| format).ok_or_else(|| {
        let detail = "results can be had as application/x-ndjson, text/csv and text/plain, or with `format=`";
        Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
    })
}

/// A media range and its quality.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let quality = quality.map_or(1.0, |quality| quality.trim().parse().unwrap_or(0.0));
    Some((name, quality))
}

/// What the most specific range that fits says of a media type.
fn quality(ranges: &[(String, f32)], media_type: &str) -> f32 {
    let family = media_type.split('/').next().unwrap_or_default();
    let found = |name: &str| ranges.iter().find(|(range, _)| range == name).map(|(_, quality)| *quality);
    found(media_type).or_else(|| found(&format!("{family}/*"))).or_else(|| found("*/*")).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::http::header::ACCEPT;

    use super::*;

    #[test]
    fn the_best_accepted_form_is_chosen() {
        let choose = |values: &[&'static str]| {
            let headers: HeaderMap = values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect();
            accepted(&headers.get_all(ACCEPT)).ok()
        };
        assert_eq!(choose(&[]), Some(Format::Ndjson));
        assert_eq!(choose(&["*/*"]), Some(Format::Ndjson));
        assert_eq!(choose(&["application/json"]), Some(Format::Ndjson));
        assert_eq!(choose(&["text/csv"]), Some(Format::Csv));
        assert_eq!(choose(&["text/*;q=0.5", "text/plain;q=0.9"]), Some(Format::Text));
        assert_eq!(choose(&["text/csv;q=0.2, text/plain; q=0.3"]), Some(Format::Text));
        assert_eq!(choose(&["text/html,application/xml;q=0.9,*/*;q=0.8"]), Some(Format::Ndjson));
        assert_eq!(choose(&["application/x-ndjson;q=0, */*;q=0.1, application/*;q=0"]), Some(Format::Csv));
        assert_eq!(choose(&["text/html"]), None);
        assert_eq!(choose(&["*/*;q=0"]), None);
    }
}
