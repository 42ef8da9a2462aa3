//! The whole site as one service: what happens to every request and answer, around the routes.
//!
//! One future for each request. As layers of a router this would be five boxed ones, and would
//! not see the `Allow` of a 405.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::header::ACCEPT_ENCODING;
use axum::response::{IntoResponse as _, Response};
use axum::{Router, http};
use futures_util::FutureExt as _;
use rustls::ServerConfig;
use tower::Service;

use crate::api::prefer::PREFERENCE_APPLIED;
use crate::app::App;
use crate::body::bounded::{RequestBody, bounded};
use crate::body::lasting::lasting;
use crate::body::metered::metered;
use crate::body::whole;
use crate::budget::Reservation;
use crate::client::{Client, Connection};
use crate::compress::Compressor;
use crate::error::Problem;
use crate::limits::Limiter;
use crate::metrics::{Answered, RouteMetrics};
use crate::places::{Place, Port};
use crate::renderings::{Reading, Renderings};
use crate::request_id::{REQUEST_ID, RequestIds};
use crate::{guard, proxies};

/// When to try again while there is no place.
const CROWDED: Duration = Duration::from_secs(1);

/// What is served; clones share everything.
#[derive(Clone)]
pub struct Site {
    router: Router,
    app: App,
    limiter: Limiter,
    request_ids: Arc<RequestIds>,
    compressor: Compressor,
    renderings: Renderings,
    /// What is measured of answers that are of no route.
    elsewhere: RouteMetrics,
    /// Over which requests come.
    connection: Connection,
}

impl Site {
    pub(crate) fn new(router: Router, app: App, elsewhere: RouteMetrics) -> Self {
        let (limiter, request_ids) = (Limiter::new(app.config.limits), Arc::new(RequestIds::new()));
        let compressor = Compressor::new(app.config.compressing);
        let (renderings, connection) = (Renderings::default(), Connection::default());
        Self { router, app, limiter, request_ids, compressor, renderings, elsewhere, connection }
    }

    /// For a connection that comes from there and has this place.
    pub fn for_connection(&self, peer: SocketAddr, place: Place) -> Self {
        Self { connection: Connection { peer: Some(peer), place }, ..self.clone() }
    }

    /// The places of connections.
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.app.config.port
    }

    /// So much memory, in bytes, for a connection that is open.
    pub(crate) fn hold_memory(&self, bytes: u64) -> Reservation {
        self.app.config.memory.hold(bytes)
    }

    /// A place for who comes from there; a proxy that is trusted gives its own up to nobody, since everybody comes
    /// over it.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let port = self.port();
        match proxies::is_trusted(&self.app.config.trusted_proxies, address) {
            true => port.enter_to_stay(address),
            false => port.enter(address),
        }
    }

    /// Whether the port speaks TLS.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.app.config.tls.is_some()
    }

    /// With what TLS begins at present, if the port speaks it.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.app.config.tls.as_ref().map(|tls| Arc::clone(&tls.borrow()))
    }

    pub(crate) async fn answer<B: RequestBody>(self, request: http::Request<B>) -> Response {
        let began = Instant::now();
        let request_id = self.request_ids.of(request.headers());
        let client = Client::at(&self.app.config, &self.connection, request_id.clone(), request.headers());
        let mut asker = guard::Asker::of(&request, &client);
        let response = match self.admit(client, &mut asker, request) {
            Ok(request) => AssertUnwindSafe(read(self.renderings, self.router, self.compressor, request))
                .catch_unwind()
                .await
                .unwrap_or_else(|cause| guard::panicked(&request_id, &*cause)),
            Err(problem) => problem.into_response(),
        };
        let response = whole::counted(&self.app.config.readers, response).unwrap_or_else(Problem::into_response);
        let mut response = guard::problems(&asker, &request_id, response).await;
        guard::headers(&asker, &mut response);
        response.headers_mut().extend(request_id.header().map(|id| (REQUEST_ID, id)));
        let answered = response.extensions_mut().remove::<Answered>();
        let route = answered.as_ref().map_or(&self.elsewhere, |Answered(route)| route);
        let is_asked_to_wait = response.headers().contains_key(PREFERENCE_APPLIED);
        route.count(response.status(), began.elapsed(), is_asked_to_wait);
        response
    }

    fn admit<B: RequestBody>(
        &self,
        client: Client,
        asker: &mut guard::Asker,
        request: http::Request<B>,
    ) -> Result<Request, Problem> {
        let App { hive, config, entrance, room, .. } = &self.app;
        // Bounded first: what is refused is still read for a while.
        let mut request = bounded(config.max_body, room, &client.place, request)?;
        if client.place.is_spare() && !guard::is_probe(&request) {
            return Err(Problem::unavailable("every place is taken by a request that is being worked on", CROWDED));
        }
        guard::admit(config, client.is_secure, &request)?;
        let client = client.known(entrance, &self.limiter, &**hive, &request)?;
        asker.is_known(&client, &self.app);
        if !guard::is_probe(&request) {
            client.allowance.request(!request.body().is_end_stream())?;
            request = lasting(entrance, &client, metered(request, &client.allowance));
        }
        request.extensions_mut().insert(client);
        Ok(request)
    }
}

async fn read(renderings: Renderings, router: Router, compressor: Compressor, mut request: Request) -> Response {
    match Reading::of(&request) {
        Some(reading) => {
            // Others may wait for it longer than its own connection lasts.
            if let Some(client) = request.extensions_mut().get_mut::<Client>() {
                client.place = Place::default();
            }
            renderings.answer(reading, route(router, compressor, request)).await
        }
        None => route(router, compressor, request).await,
    }
}

async fn route(mut router: Router, compressor: Compressor, request: Request) -> Response {
    let accepted = request.headers().get_all(ACCEPT_ENCODING).iter().cloned().collect();
    let answer = router.call(request).await.unwrap_or_else(|never| match never {});
    compressor.compress(accepted, answer).await
}

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
