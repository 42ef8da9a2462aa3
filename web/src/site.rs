//! The whole site as one service: what happens to every request and answer, around the routes.
//!
//! One future for each request. As layers of a router this would be five boxed ones, and would
//! not see the `Allow` of a 405.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::{BoxError, Router};
use futures_util::FutureExt as _;
use tower::Service;

use crate::{Config, body, guard};

/// What is served; clones share everything.
#[derive(Clone)]
pub struct Site {
    router: Router,
    config: Arc<Config>,
}

impl Site {
    pub(crate) fn new(router: Router, config: Arc<Config>) -> Self {
        Self { router, config }
    }

    async fn answer(mut self, request: Request) -> Response {
        let asker = guard::Asker::of(&request);
        let response = match self.admit(request) {
            Ok(request) => {
                AssertUnwindSafe(async { self.router.call(request).await }).catch_unwind().await.map_or_else(
                    |cause| guard::panicked(&*cause),
                    |response| response.unwrap_or_else(|never| match never {}),
                )
            }
            Err(problem) => problem.into_response(),
        };
        let mut response = guard::problems(asker, response).await;
        guard::headers(response.headers_mut());
        response
    }

    fn admit(&self, request: Request) -> Result<Request, crate::error::Problem> {
        // Bounded first: what is refused is still read for a while.
        let request = body::bound(&self.config, request)?;
        guard::admit(&self.config, &request)?;
        Ok(request)
    }
}

impl<B> Service<axum::http::Request<B>> for Site
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::http::Request<B>) -> Self::Future {
        let site = self.clone();
        Box::pin(async move { Ok(site.answer(request.map(Body::new)).await) })
    }
}
