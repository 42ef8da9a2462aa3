//! What all downloads have in common: what they are, what their file is called, where none can be had, and how a list is
//! sent as a whole.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::client::Client;
use crate::entrance::Entrance;
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

/// A list that can be sent as a whole, page by page.
pub(super) trait Pages: Send + 'static {
    /// The first line of a CSV file.
    const CSV_HEADER: &'static [u8];

    /// Writes the page that was read last, as CSV or as NDJSON, and says where the next one begins.
    fn write(&mut self, format: ListFormat, out: &mut Vec<u8>) -> Option<u64>;

    /// Reads the page that begins there.
    fn read(&mut self, from: u64) -> impl Future<Output = Result<(), Problem>> + Send;

    /// What the last line of NDJSON says.
    fn end(&self) -> Value;
}

/// All of a list as an answer, from the page on that was read; it breaks off when its client is not known any more.
///
/// # Errors
/// If what breaks off would look complete.
pub(super) fn whole(
    pages: impl Pages,
    format: ListFormat,
    version: Version,
    client: Client,
    entrance: Arc<Entrance>,
) -> Result<Response, Problem> {
    if format == ListFormat::Csv && version < Version::HTTP_11 {
        return Err(no_end(format.name()));
    }
    let sent = Sent { pages, format, client, entrance, from: None, is_begun: false, is_over: false };
    let body = futures_util::stream::unfold(sent, async |mut sent| {
        let piece = sent.next().await?;
        Some((piece, sent))
    });
    Ok(Body::from_stream(body.fuse()).into_response())
}

/// Says what an answer is, and has a browser keep it under this name, if that is wanted.
pub(super) fn headed(mut answer: Response, format: ListFormat, file: Option<&str>) -> Response {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if let Some(name) = file {
        headers.insert(CONTENT_DISPOSITION, attachment(&format!("{name}.{}", format.name())));
    }
    answer
}

/// A list on its way out.
struct Sent<P> {
    pages: P,
    format: ListFormat,
    client: Client,
    entrance: Arc<Entrance>,
    /// Where the next page begins; `None` while the first one is not written.
    from: Option<u64>,
    is_begun: bool,
    is_over: bool,
}

impl<P: Pages> Sent<P> {
    /// The next piece of the body. An error is its last word: the connection breaks off, so that what was sent does not
    /// look complete.
    async fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        if self.is_over {
            return None;
        }
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) && self.format == ListFormat::Csv {
            out.extend_from_slice(P::CSV_HEADER);
        }
        if let Some(from) = self.from {
            let read = match self.client.is_still_known(&self.entrance) {
                true => self.pages.read(from).await,
                false => Err(Problem::unauthorized()),
            };
            if let Err(problem) = read {
                self.is_over = true;
                return Some(Err(problem));
            }
        }
        self.from = self.pages.write(self.format, &mut out);
        self.is_over = self.from.is_none();
        if self.is_over && self.format != ListFormat::Csv {
            line(&mut out, &self.pages.end());
        }
        Some(Ok(out.into()))
    }
}

/// Adds a line of NDJSON.
pub(super) fn line(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Writes into memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, value);
    out.push(b'\n');
}
