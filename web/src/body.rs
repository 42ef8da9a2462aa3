//! Request bodies: bounded in length, and in how long the next frame may take.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http;
use axum::http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

use crate::Config;
use crate::error::{Problem, shown};
use crate::site::RequestBody;

/// How long the next frame of a body may take.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// How long, and how many bytes, of a refused body are still read, so that its sender gets
/// to read why: closing a connection with unread bytes resets it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// The body is longer than it may be.
#[derive(Debug, thiserror::Error)]
#[error("the body is longer than {limit} bytes")]
pub(crate) struct TooLong {
    /// In bytes.
    pub(crate) limit: u64,
}

/// The next frame did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body stopped coming")]
pub(crate) struct TooSlow;

/// Bounds a request's body.
///
/// # Errors
/// Before it is read: if it announces too much, is coded in another way than in chunks, or its sender
/// expects what is not known here.
pub(crate) fn bound<B: RequestBody>(config: &Config, request: http::Request<B>) -> Result<Request, Problem> {
    let limit = config.max_body;
    let headers = request.headers();
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let known = known(headers);
    let is_expectant = headers.contains_key(EXPECT);
    let request = request.map(|body| Bounded::new(body, limit, is_expectant));
    if announced.is_some_and(|length| length > limit) {
        return Err(Problem::too_large(limit));
    }
    known.map(|()| request.map(Body::new))
}

/// Whether what a request says of its transfer is known here (RFC 9110, 10.1.1; RFC 9112, 6.1).
fn known(headers: &HeaderMap) -> Result<(), Problem> {
    // Below this, chunks are put together, and no other coding is undone.
    if let Some(coding) = other_than(headers, TRANSFER_ENCODING, "chunked") {
        let detail = format!("`Transfer-Encoding: {coding}` is not undone here; send the body as it is, or in chunks");
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
    }
    match other_than(headers, EXPECT, "100-continue") {
        Some(expectation) => {
            let detail = format!("`Expect: {expectation}` is not known here; only `100-continue` is");
            Err(Problem::new(StatusCode::EXPECTATION_FAILED, detail))
        }
        None => Ok(()),
    }
}

/// What a header says that is not just `known`, to be shown.
fn other_than(headers: &HeaderMap, name: HeaderName, known: &str) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let said = values.join(", ");
    (!values.is_empty() && !said.eq_ignore_ascii_case(known)).then(|| shown(&said).into_owned())
}

struct Bounded<B: RequestBody> {
    frames: Option<B>,
    /// While the next frame is waited for.
    patience: Option<Pin<Box<Sleep>>>,
    left: u64,
    limit: u64,
    /// Whether its sender sends it, or still waits for `100 Continue`.
    is_coming: bool,
}

impl<B: RequestBody> Bounded<B> {
    fn new(body: B, limit: u64, is_expectant: bool) -> Self {
        let frames = (!body.is_end_stream()).then_some(body);
        Self { frames, patience: None, left: limit, limit, is_coming: !is_expectant }
    }

    /// The next frame, or why there is none in time.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(frames) = &mut self.frames else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(frames).poll_frame(context) {
            self.patience = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(FRAME_TIMEOUT)));
        ready!(patience.as_mut().poll(context));
        Poll::Ready(Some(Err(axum::Error::new(TooSlow))))
    }
}

impl<B: RequestBody> HttpBody for Bounded<B> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_coming = true;
        let frame = ready!(self.poll_next(context));
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) | None => {
                self.frames = None;
                0
            }
        };
        Poll::Ready(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(axum::Error::new(TooLong { limit: self.limit }))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_none()
    }
}

impl<B: RequestBody> Drop for Bounded<B> {
    fn drop(&mut self) {
        let (Some(mut frames), true) = (self.frames.take(), self.is_coming) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(timeout(LINGER, async move {
            let mut read = 0;
            while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut frames).poll_frame(context)).await
                && read < LINGER_BYTES
            {
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        }));
    }
}
