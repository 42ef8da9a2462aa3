//! The forms that results can have, and which of them a client accepts.

use axum::http::header::GetAll;
use axum::http::{HeaderValue, StatusCode};
use wire::ids::TaskId;

use super::{PIECE, torn};
use crate::error::Problem;
use crate::hive::{HiveError, ResultBatch};
use crate::kinds::digest;

/// A form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// An object a line, and a last one that says how far it goes.
    Ndjson,
    /// RFC 4180, with a header line.
    Csv,
    /// `digest  input` lines.
    Text,
}

impl Format {
    pub(super) const ALL: [Self; 3] = [Self::Ndjson, Self::Csv, Self::Text];

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Text => "text/plain; charset=utf-8",
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

    pub(super) fn header(self) -> &'static [u8] {
        match self {
            Self::Csv => digest::CSV_HEADER,
            Self::Ndjson | Self::Text => b"",
        }
    }

    /// Names under which it is accepted.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Ndjson => &["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"],
            Self::Csv => &["text/csv"],
            Self::Text => &["text/plain"],
        }
    }

    /// Writes rows of `batch` after the first `written`, until `out` is a whole piece; says
    /// how many, and whether that was all. `index` is that of the first row; `first_task` is of
    /// index 0, in a batch.
    pub(super) fn rows(
        self,
        out: &mut Vec<u8>,
        batch: &ResultBatch,
        written: usize,
        (index, first_task): (u64, Option<TaskId>),
    ) -> Result<(usize, bool), Problem> {
        let (first, inputs, digests) = match batch {
            ResultBatch::Digest { first, inputs, digests } => (first, inputs, digests),
            ResultBatch::Detached { failed, .. } => {
                let tasks = (index..).zip(failed);
                if self == Self::Ndjson {
                    tasks.for_each(|(index, error)| detached(out, index, first_task, error.as_deref()));
                }
                return Ok((failed.len(), true));
            }
        };
        let (inputs, (digests, rest)) = (inputs.as_blob(), digests.as_chunks::<32>());
        if inputs.len() != digests.len() || !rest.is_empty() || first + written as u64 != index {
            return Err(HiveError::Internal(format!("the results at {index} do not fit together")).into());
        }
        let torn_at = if self == Self::Text { digest::first_with_line_feed(inputs) } else { None };
        if let Some(at) = torn_at {
            return Err(torn(first + at as u64));
        }
        let all = inputs.len() - written;
        let inputs = inputs.slice(written..inputs.len());
        for (row, (input, digest)) in inputs.iter().zip(&digests[written..]).enumerate() {
            if out.len() >= PIECE {
                return Ok((row, false));
            }
            match self {
                Self::Ndjson => {
                    digest::ndjson(out, index + row as u64, input, digest);
                    out.push(b'\n');
                }
                Self::Csv => digest::csv(out, index + row as u64, input, digest),
                Self::Text => digest::text(out, input, digest),
            }
        }
        Ok((all, true))
    }
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
