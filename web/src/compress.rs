//! Answers are compressed for who asks for it, a few at once: each keeps a core busy for as long as its reader
//! takes in what comes, and the others' requests would wait for that core.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderValue, Request};
use axum::response::Response;
use tokio::sync::Semaphore;
use tower::{Service as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;

use crate::body::attached::Attached;

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
            // The turn is over when the body is dropped, which is compressed as it is read.
            true => compressed.map(|body| Body::new(Attached::new(body, turn))),
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
