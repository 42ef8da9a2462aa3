//! Request bodies: bounded in length, and in how long the next frame may take.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use futures_util::StreamExt as _;
use hyper::body::Frame;
use tokio::runtime::Handle;
use tower_http::timeout::TimeoutBody;

use crate::Config;
use crate::error::Problem;

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

/// Bounds a request's body.
///
/// # Errors
/// If it announces too much, before it is read.
pub(crate) fn bound(config: &Config, request: Request) -> Result<Request, Problem> {
    let limit = config.max_body;
    let headers = request.headers();
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_expectant = headers.contains_key(EXPECT);
    let request = request.map(|body| Bounded::new(body, limit, is_expectant));
    if announced.is_some_and(|length| length > limit) {
        return Err(Problem::too_large(limit));
    }
    Ok(request.map(Body::new))
}

struct Bounded {
    frames: Option<Body>,
    left: u64,
    limit: u64,
    /// Whether its sender sends it, or still waits for `100 Continue`.
    is_coming: bool,
}

impl Bounded {
    fn new(body: Body, limit: u64, is_expectant: bool) -> Self {
        let frames = (!body.is_end_stream()).then(|| Body::new(TimeoutBody::new(FRAME_TIMEOUT, body)));
        Self { frames, left: limit, limit, is_coming: !is_expectant }
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_coming = true;
        let Some(frames) = &mut self.frames else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(frames).poll_frame(context));
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

impl Drop for Bounded {
    fn drop(&mut self) {
        let (Some(frames), true) = (self.frames.take(), self.is_coming) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(LINGER, async move {
            let mut frames = frames.into_data_stream();
            let mut read = 0;
            while let Some(Ok(frame)) = frames.next().await
                && read < LINGER_BYTES
            {
                read += frame.len();
            }
        }));
    }
}
