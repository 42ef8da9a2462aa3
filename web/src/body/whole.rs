//! Answers that are there as a whole: a long one counts against the memory limit until its client has taken it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use crate::budget::{Budget, Reservation};
use crate::error::Problem;

/// A body of so many bytes is within what each connection may take.
const SHORT: u64 = 32 << 10;

/// When to ask again that was refused for want of memory.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Counts a long answer.
///
/// # Errors
/// If there is no room for it; half of it is left for answers that come piece by piece.
pub(crate) fn counted(readers: &Arc<Budget>, answer: Response) -> Result<Response, Problem> {
    let length = answer.body().size_hint().exact().unwrap_or_default();
    if length <= SHORT {
        return Ok(answer);
    }
    let mut room = readers.reserve();
    let has_room = readers.used().saturating_add(length) <= readers.limit() / 2 && room.grow(length).is_ok();
    match has_room {
        true => Ok(answer.map(|body| Body::new(Whole { body, room: Some(room) }))),
        false => {
            let detail = "other clients do not take their answers, and the memory for these is full; try again later, \
                          or ask for less (`limit`)";
            Err(Problem::unavailable(detail, RETRY_AFTER))
        }
    }
}

/// A body, and the room that it takes until its bytes are gone.
struct Whole {
    body: Body,
    room: Option<Reservation>,
}

/// Bytes on their way to a client.
struct ReservedBytes {
    bytes: Bytes,
    _room: Reservation,
}

impl AsRef<[u8]> for ReservedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, room } = &mut *self;
        Pin::new(body).poll_frame(context).map_ok(|frame| {
            frame.map_data(|bytes| match room.take() {
                Some(_room) => Bytes::from_owner(ReservedBytes { bytes, _room }),
                None => bytes,
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
