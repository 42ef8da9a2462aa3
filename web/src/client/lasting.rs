//! A body counts only as long as what its sender showed at the head does: it may take long to come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};

use super::Client;
use crate::App;
use crate::access::Caller;

/// What was shown at a request's head does not count any more.
#[derive(Debug, thiserror::Error)]
#[error("the token or session that this request began with has ended")]
pub(crate) struct Ended;

/// The request, whose body breaks off when its sender is not known any more.
pub(crate) fn lasting(app: &App, client: &Client, request: Request) -> Request {
    // Who has shown nothing has nothing that can end.
    if client.caller == Caller::Unknown || request.body().is_end_stream() {
        return request;
    }
    let (app, client) = (app.clone(), client.clone());
    request.map(|body| Body::new(Lasting { body, app, client, is_broken: false }))
}

struct Lasting {
    body: Body,
    app: App,
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
        self.is_broken = !self.client.is_still_known(&self.app);
        match self.is_broken {
            true => Poll::Ready(Some(Err(axum::Error::new(Ended)))),
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
