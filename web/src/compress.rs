//! Answers are compressed for who asks for it, a few at once: each keeps a core busy for as long as its reader
//! takes in what comes, and the others' requests would wait for that core.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderValue, Request};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Service as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;

/// Compresses answers, as many at once as there are turns. Clones share these.
#[derive(Clone)]
pub(crate) struct Compressor {
    turns: Arc<Semaphore>,
}

impl Compressor {
    /// For at most so many answers at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(most)) }
    }

    /// The answer in a coding that is `accepted`, by the values of `Accept-Encoding`; as it is if there are none, it
    /// is not worth it, or all turns are taken.
    pub(crate) async fn compress(&self, accepted: Vec<HeaderValue>, answer: Response) -> Response {
        if accepted.is_empty() {
            return answer;
        }
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else { return answer };
        let compressed = compressed(accepted, answer).await;
        match compressed.headers().contains_key(CONTENT_ENCODING) {
            true => compressed.map(|body| Body::new(Compressed { body, _turn: turn })),
            false => compressed,
        }
    }
}

/// The answer as the layer for it leaves it, which stands around a service.
async fn compressed(accepted: Vec<HeaderValue>, answer: Response) -> Response {
    let mut answer = Some(answer);
    let answering = service_fn(move |_| ready(Ok::<_, Infallible>(answer.take().unwrap_or_default())));
    let mut request = Request::new(());
    accepted.into_iter().for_each(|value| _ = request.headers_mut().append(ACCEPT_ENCODING, value));
    let compressed = Compression::new(answering).quality(CompressionLevel::Fastest).call(request).await;
    compressed.unwrap_or_else(|never| match never {}).map(Body::new)
}

/// A body that is compressed as it is read. Its turn is over when it is dropped.
struct Compressed {
    body: Body,
    _turn: OwnedSemaphorePermit,
}

impl HttpBody for Compressed {
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
