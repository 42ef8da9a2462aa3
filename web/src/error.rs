//! One door from errors to `application/problem+json` (RFC 9457), or to an HTML page under `/admin`.

mod body;

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::Extension;
use axum::extract::multipart::MultipartError;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::body::BodyError;
use crate::hive::HiveError;

/// When to send again what lost its place on the way.
const DISPLACED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How who asks can say who they are (RFC 6750, 3).
pub(crate) const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"hive\"");

/// An error as its reader sees it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What kind of problem it is, in words that a person understands.
    pub(crate) title: String,
    /// What was wrong here, and what to do.
    pub(crate) detail: String,
    /// When trying again may help.
    pub(crate) retry_after: Option<Duration>,
    /// Extension members: where the fault is, such as `line` or `path`.
    pub(crate) members: Map<String, Value>,
}

impl Problem {
    /// A problem with the usual title of its status.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = title(status).to_owned();
        Self { status, title, detail: detail.into(), retry_after: None, members: Map::new() }
    }

    /// 400: it cannot be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 422: it can be read, but not done.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 401: it has to be known who asks.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "this needs a token: send `Authorization: Bearer TOKEN`, or log in at /login",
        )
    }

    /// 413: the body is longer than `limit` bytes.
    pub(crate) fn too_large(limit: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than the {limit} bytes that are allowed"))
            .with("limit", limit)
    }

    /// 503: not now.
    pub(crate) fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// Adds an extension member.
    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// What is answered of it.
    pub(crate) fn body(&self) -> ProblemView<'_> {
        let Self { title, detail, members, .. } = self;
        ProblemView {
            about: "about:blank".into(),
            title: title.into(),
            status: self.status.as_u16(),
            detail: detail.into(),
            members: Cow::Borrowed(members),
        }
    }

    /// The answer that says it to a program.
    pub(crate) fn answer(&self) -> Response {
        let mut body = serde_json::to_vec(&self.body()).unwrap_or_default();
        body.push(b'\n');
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// When trying again may help, in whole seconds.
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        self.retry_after.map(|after| (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1))
    }

    /// What broke a request's body off: its length, its slowness, or the connection.
    pub(crate) fn of_body(error: &(dyn Error + 'static)) -> Self {
        let mut causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
        let Some(cause) = causes.find_map(|error| error.downcast_ref::<BodyError>()) else {
            return Self::malformed(format!("the body broke off: {error}; nothing was created"));
        };
        let detail = format!("{cause}; nothing was created");
        match *cause {
            BodyError::TooLong { limit } => Self::too_large(limit),
            BodyError::NoGzip => Self::malformed(detail),
            BodyError::LongHead { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
            BodyError::Stopped | BodyError::Crawls => Self::new(StatusCode::REQUEST_TIMEOUT, detail),
            BodyError::Displaced => Self::unavailable(detail, DISPLACED_RETRY_AFTER),
            BodyError::Unknown => Self::unauthorized(),
        }
    }
}

/// The longest part of a request that an answer repeats, in characters.
const SHOWN_MAX: usize = 50;

/// What an answer repeats of a request: not all of it, however long that is.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// What a status means, to a person.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request cannot be understood",
        StatusCode::FORBIDDEN => "This request is not allowed",
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::METHOD_NOT_ALLOWED => "This address does not take that method",
        StatusCode::NOT_ACCEPTABLE => "It cannot be shown in the form that was asked for",
        StatusCode::REQUEST_TIMEOUT => "The request took too long to arrive",
        StatusCode::CONFLICT => "Its present state does not allow that",
        StatusCode::GONE => "It was removed",
        StatusCode::PAYLOAD_TOO_LARGE => "The request is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "A body of this type cannot be read",
        StatusCode::MISDIRECTED_REQUEST => "This host is not served here",
        StatusCode::TOO_MANY_REQUESTS => "That is more than one may ask for at a time",
        StatusCode::UNAUTHORIZED => "It has to be known who asks",
        StatusCode::UNPROCESSABLE_ENTITY => "The request is not valid",
        StatusCode::INTERNAL_SERVER_ERROR => "Something went wrong on this side",
        StatusCode::SERVICE_UNAVAILABLE => "The Queen cannot do that now",
        other => other.canonical_reason().unwrap_or("The request failed"),
    }
}

impl From<HiveError> for Problem {
    fn from(error: HiveError) -> Self {
        let detail = error.to_string();
        match error {
            HiveError::NoTask(_) | HiveError::NoDrone(_) | HiveError::NoToken(_) | HiveError::NoSecret(_) => {
                Self::new(StatusCode::NOT_FOUND, detail)
            }
            HiveError::TaskGone(_) => Self::new(StatusCode::GONE, detail),
            HiveError::Conflict(_) => Self::new(StatusCode::CONFLICT, detail),
            HiveError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
            HiveError::Empty | HiveError::Invalid(_) => Self::invalid(detail),
            HiveError::TooMany { retry_after, .. } => {
                Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
            }
            HiveError::Unavailable { retry_after, .. } => Self::unavailable(detail, retry_after),
            HiveError::Internal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(error: PathRejection) -> Self {
        Self::new(error.status(), error.body_text())
    }
}

impl From<MultipartError> for Problem {
    fn from(error: MultipartError) -> Self {
        match Self::of_body(&error) {
            problem if problem.status == StatusCode::BAD_REQUEST => Self::malformed(error.body_text()),
            problem => problem,
        }
    }
}

/// The body of an answer that says what went wrong (RFC 9457), in the order that people read it in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProblemView<'a> {
    /// What names its kind: `about:blank`, as its status says all that a program needs.
    #[serde(rename = "type")]
    pub about: Cow<'a, str>,
    /// What kind of problem it is, in words that a person understands.
    pub title: Cow<'a, str>,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong here, and what to do.
    pub detail: Cow<'a, str>,
    /// Extension members: where the fault is, such as `line` or `path`.
    #[serde(flatten)]
    pub members: Cow<'a, Map<String, Value>>,
}

/// What a handler answers. It is written once it is known how the request is called, and who reads it: until then the
/// problem goes in the answer's extensions.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Extension(self)).into_response()
    }
}
