//! What all downloads have in common: what they are, what their file is called, and where none can be had.

use axum::http::{HeaderValue, StatusCode};

use crate::error::Problem;

/// An object a line (<https://github.com/ndjson/ndjson-spec>).
pub(super) const NDJSON: &str = "application/x-ndjson";

/// RFC 4180, with a header line.
pub(super) const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Lines.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// What has a browser keep a body as a file of this name.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let value = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    value.unwrap_or(HeaderValue::from_static("attachment"))
}

/// Only the connection says there that a body is over, whether or not it broke off.
pub(super) fn no_end(format: &str) -> Problem {
    let detail = format!(
        "over HTTP/1.0 a download as {format} that breaks off looks complete: ask over HTTP/1.1 (nginx: \
         `proxy_http_version 1.1`), or take `format=ndjson`, whose last line says that it is over"
    );
    Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, detail)
}

/// A form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListFormat {
    /// One page of it.
    Json,
    /// All of it: an object a line, and a last one that says that it is over.
    Ndjson,
    /// All of it: RFC 4180, with a header line.
    Csv,
}

impl ListFormat {
    pub(super) const ALL: [Self; 3] = [Self::Json, Self::Ndjson, Self::Csv];

    /// As `?format=` says it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// All names.
    pub(super) fn names() -> [&'static str; 3] {
        Self::ALL.map(Self::name)
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => NDJSON,
            Self::Csv => CSV,
        }
    }
}

/// Adds a line of NDJSON.
pub(super) fn line(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Writes into memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, value);
    out.push(b'\n');
}
