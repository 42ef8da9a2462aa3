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
