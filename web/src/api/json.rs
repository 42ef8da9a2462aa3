//! JSON as an answer.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::Problem;

/// Most answers are shorter, in bytes, so that nothing is copied while they are written.
const USUAL: usize = 1 << 10;

/// Every answer has about so many headers in the end.
const HEADERS: usize = 12;

/// Something that is answered as JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        object(&self.0, None)
    }
}

/// An object as the answer; `more` is one more member of it, and its value in JSON.
pub(super) fn object(value: &impl Serialize, more: Option<(&str, &[u8])>) -> Response {
    let mut body = Vec::with_capacity(USUAL + more.map_or(0, |(_, value)| value.len()));
    if let Err(error) = serde_json::to_writer(&mut body, value) {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
    }
    if let Some((name, value)) = more
        && body.pop_if(|last| *last == b'}').is_some()
    {
        for part in [b",\"", name.as_bytes(), b"\":", value, b"}"] {
            body.extend_from_slice(part);
        }
    }
    // So that a terminal's prompt is not behind it.
    body.push(b'\n');
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
