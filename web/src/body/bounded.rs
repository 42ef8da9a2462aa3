//! Request bodies, bounded in length, and in how slowly they may come.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::{BoxError, http};
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use crate::error::{BodyError, Problem, shown};
use crate::places::{Activity, Place};
use crate::room::Room;

/// In each so long that a body is waited for, something of it has to come.
const PERIOD: Duration = Duration::from_secs(30);

/// And while room for bodies is short, so many bytes: 1 KiB a second.
const PERIOD_BYTES: usize = 30 << 10;

/// How long, and how many bytes, of a refused body are still read, so that its sender gets
/// to read why: closing a connection with unread bytes resets it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// What a request's body has to be like.
pub(crate) trait RequestBody: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static> RequestBody for B {}

/// Bounds a request's body to `limit` bytes.
///
/// # Errors
/// Before it is read: if it announces too much, is coded in another way than in chunks, or its sender
/// expects what is not known here.
pub(crate) fn bounded<B: RequestBody>(
    limit: u64,
    room: &Room,
    place: &Place,
    request: http::Request<B>,
) -> Result<Request, Problem> {
    let headers = request.headers();
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let known = known(headers);
    let is_expectant = headers.contains_key(EXPECT);
    let request = request.map(|body| Bounded::new(body, limit, room.clone(), place.clone(), is_expectant));
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
    /// The present one, once the body was waited for.
    period: Option<Period>,
    room: Room,
    /// Of the connection that it comes over.
    place: Place,
    left: u64,
    limit: u64,
    /// Whether its sender sends it, or still waits for `100 Continue`.
    is_coming: bool,
}

impl<B: RequestBody> Bounded<B> {
    fn new(body: B, limit: u64, room: Room, place: Place, is_expectant: bool) -> Self {
        let frames = (!body.is_end_stream()).then_some(body);
        Self { frames, period: None, room, place, left: limit, limit, is_coming: !is_expectant }
    }

    /// The next frame, or why it is not waited for.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(frames) = &mut self.frames else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(frames).poll_frame(context) {
            if let Some(period) = &mut self.period {
                period.pause(frame.as_ref().map_or(0, length));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        loop {
            let period = self.period.get_or_insert_default();
            let is_over = ready!(period.poll_end(&self.place, context));
            let came = period.came;
            self.period = None;
            let error = match came {
                _ if !is_over => axum::Error::new(BodyError::Displaced),
                0 => axum::Error::new(BodyError::Stopped),
                ..PERIOD_BYTES if self.room.is_short() => axum::Error::new(BodyError::Crawls),
                _ => continue,
            };
            return Poll::Ready(Some(Err(error)));
        }
    }

    /// Nothing more of it is wanted.
    fn end(&mut self) -> Option<B> {
        let frames = self.frames.take()?;
        self.place.set(Activity::Working);
        Some(frames)
    }
}

/// Bytes of data in a frame, if it came.
fn length<E>(frame: &Result<Frame<Bytes>, E>) -> usize {
    frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len)
}

/// Whether the period is over, or else the place is lost.
type End = Pin<Box<dyn Future<Output = bool> + Send>>;

/// A [`PERIOD`] in which a body is waited for; while what came of it is worked on, time stands still.
struct Period {
    left: Duration,
    /// In bytes.
    came: usize,
    /// Since when it is waited for, and until when.
    waiting: Option<(Instant, End)>,
}

impl Default for Period {
    fn default() -> Self {
        Self { left: PERIOD, came: 0, waiting: None }
    }
}

impl Period {
    /// So many bytes came, and nothing is waited for.
    fn pause(&mut self, came: usize) {
        self.came += came;
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
    }

    /// Goes on waiting, until it is over, which is true, or the place is lost.
    fn poll_end(&mut self, place: &Place, context: &mut Context<'_>) -> Poll<bool> {
        let (place, left) = (place.clone(), self.left);
        let (_, end) = self.waiting.get_or_insert_with(|| {
            let end = async move { timeout(left, place.lost()).await.is_err() };
            (Instant::now(), Box::pin(end) as End)
        });
        end.as_mut().poll(context)
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
        if !matches!(frame, Some(Ok(_))) {
            self.end();
        }
        Poll::Ready(match self.left.checked_sub(frame.as_ref().map_or(0, length) as u64) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(axum::Error::new(BodyError::TooLong { limit: self.limit }))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_none()
    }
}

impl<B: RequestBody> Drop for Bounded<B> {
    fn drop(&mut self) {
        let (Some(mut frames), true) = (self.end(), self.is_coming) else { return };
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
