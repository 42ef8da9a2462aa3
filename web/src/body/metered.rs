//! A body that is read no faster than its sender may send.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::limits::Allowance;

/// Waiting for less is not worth a timer, which is no finer than a millisecond.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// The request with its body counted, if that has to be.
pub(crate) fn metered(request: Request, allowance: &Allowance) -> Request {
    match allowance.is_limited() && !request.body().is_end_stream() {
        true => request.map(|body| Body::new(Metered { body, allowance: allowance.clone(), pause: None })),
        false => request,
    }
}

struct Metered {
    body: Body,
    allowance: Allowance,
    /// Until when no more is read.
    pause: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let came = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        let ahead = self.allowance.came(came);
        self.pause = (ahead >= PAUSE_MIN).then(|| Box::pin(sleep(ahead)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
