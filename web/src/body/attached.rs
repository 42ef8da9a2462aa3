//! A body to which something is attached that has to last as long.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

/// The body as it is; what is attached is dropped with it.
pub(crate) struct Attached<T> {
    body: Body,
    _attached: T,
}

impl<T> Attached<T> {
    /// Attaches something to a body.
    pub(crate) fn new(body: Body, attached: T) -> Self {
        Self { body, _attached: attached }
    }
}

impl<T: Unpin> HttpBody for Attached<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
