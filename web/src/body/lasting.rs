//! A body counts only as long as what its sender showed at the head does: it may take long to come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};

use crate::access::Caller;
use crate::client::Client;
use crate::entrance::Entrance;
use crate::error::BodyError;

/// The request, whose body breaks off when its sender is not known any more.
pub(crate) fn lasting(entrance: &Arc<Entrance>, client: &Client, request: Request) -> Request {
    // Who has shown nothing has nothing that can end.
    if client.caller == Caller::Unknown || request.body().is_end_stream() {
        return request;
    }
    let (entrance, client) = (Arc::clone(entrance), client.clone());
    request.map(|body| Body::new(Lasting { body, entrance, client, is_broken: false }))
}

struct Lasting {
    body: Body,
    entrance: Arc<Entrance>,
    client: Client,
    /// It was told that it breaks off.
    is_broken: bool,
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_broken {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // Each frame may be the one that makes a request whole.
        self.is_broken = !self.client.is_still_known(&self.entrance);
        match self.is_broken {
            true => Poll::Ready(Some(Err(axum::Error::new(BodyError::Unknown)))),
            false => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_broken || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
