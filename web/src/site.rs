//! The whole site as one service: what happens to every request and answer, around the routes.
//!
//! One future for each request. As layers of a router this would be five boxed ones, and would
//! not see the `Allow` of a 405.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::ACCEPT_ENCODING;
use axum::response::{IntoResponse as _, Response};
use axum::{BoxError, Router, http};
use futures_util::FutureExt as _;
use tower::Service;

use crate::budget::Budget;
use crate::compress::Compressor;
use crate::deeds::Peer;
use crate::error::Problem;
use crate::places::Place;
use crate::room::Room;
use crate::{Config, body, guard, whole};

/// When to try again while there is no place.
const CROWDED: Duration = Duration::from_secs(1);

/// What is served; clones share everything.
#[derive(Clone)]
pub struct Site {
    router: Router,
    config: Arc<Config>,
    room: Room,
    compressor: Compressor,
    /// Who asks.
    peer: Peer,
    /// Where.
    place: Place,
}

impl Site {
    pub(crate) fn new(router: Router, config: Arc<Config>, room: Room) -> Self {
        let compressor = Compressor::new(config.compressing);
        Self { router, config, room, compressor, peer: Peer::default(), place: Place::default() }
    }

    /// For a connection that comes from there and has this place.
    pub fn for_connection(&self, peer: SocketAddr, place: Place) -> Self {
        Self { peer: Peer(Some(peer)), place, ..self.clone() }
    }

    /// The most open connections.
    pub(crate) fn connections(&self) -> usize {
        self.config.connections
    }

    /// What open connections take of memory.
    pub(crate) fn memory(&self) -> &Arc<Budget> {
        &self.config.memory
    }

    pub(crate) async fn answer<B: RequestBody>(self, request: http::Request<B>) -> Response {
        let asker = guard::Asker::of(&request);
        let response = match self.admit(request) {
            Ok(request) => AssertUnwindSafe(route(self.router, self.compressor, request))
                .catch_unwind()
                .await
                .unwrap_or_else(|cause| guard::panicked(&*cause)),
            Err(problem) => problem.into_response(),
        };
        let response = whole::counted(&self.config.readers, response).unwrap_or_else(Problem::into_response);
        let mut response = guard::problems(asker, response).await;
        guard::headers(response.headers_mut());
        response
    }

    fn admit<B: RequestBody>(&self, request: http::Request<B>) -> Result<Request, Problem> {
        // Bounded first: what is refused is still read for a while.
        let mut request = body::bound(&self.config, &self.room, &self.place, request)?;
        if self.place.is_spare() && !guard::is_probe(&request) {
            return Err(Problem::unavailable("every place is taken by a request that is being worked on", CROWDED));
        }
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.place.clone());
        guard::admit(&self.config, &request)?;
        Ok(request)
    }
}

async fn route(mut router: Router, compressor: Compressor, request: Request) -> Response {
    let accepted = request.headers().get_all(ACCEPT_ENCODING).iter().cloned().collect();
    let answer = router.call(request).await.unwrap_or_else(|never| match never {});
    compressor.compress(accepted, answer).await
}

/// What a request's body has to be like.
pub(crate) trait RequestBody: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static> RequestBody for B {}

impl<B: RequestBody> Service<http::Request<B>> for Site {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let site = self.clone();
        Box::pin(async move { Ok(site.answer(request).await) })
    }
}
