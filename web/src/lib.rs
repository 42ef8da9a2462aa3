//! The control plane: REST and pages over a [`Hive`], knowing nothing of scheduling.
#![forbid(unsafe_code)]

pub mod access;
mod api;
mod assets;
mod attached;
mod body;
pub mod budget;
mod client;
mod compress;
mod deeds;
mod entrance;
pub mod error;
mod guard;
pub mod hive;
pub mod kinds;
pub mod limits;
mod map;
pub mod metrics;
pub mod model;
mod own;
mod pages;
pub mod places;
mod proxies;
mod request_id;
mod room;
pub mod serve;
mod session;
mod site;
mod whole;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::response::Redirect;
use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::api::{description, drones, events, log, results, secrets, stats, tasks, tokens};
use crate::budget::Budget;
use crate::entrance::Entrance;
use crate::hive::Hive;
use crate::limits::{Limiter, Limits};
use crate::map::Map;
pub use crate::map::{Needs, Route};
use crate::metrics::RouteMetrics;
use crate::places::Port;
use crate::request_id::RequestIds;
use crate::room::Room;
pub use crate::site::Site;

/// What the control plane has to know besides the Queen.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where HTTP is served, as bound; what a `Host` header is checked against.
    pub address: SocketAddr,
    /// The longest request body in bytes.
    pub max_body: u64,
    /// What all requests' bodies may take of memory together, in bytes; a part of it is for small ones.
    pub room: usize,
    /// Names that are served besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Peers that are believed whom they ask for, and whether that one came over TLS.
    pub trusted_proxies: Vec<IpNet>,
    /// What is served beyond loopback is not protected, which the page warns of.
    pub insecure: bool,
    /// With what the port speaks TLS, at each moment; plain HTTP if `None`.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    /// The places of HTTP connections; more wait to be accepted.
    pub port: Arc<Port>,
    /// Those of Drones, of which it is only told how many are taken.
    pub drone_port: Arc<Port>,
    /// The most answers that are compressed at once; the others go as they are.
    pub compressing: usize,
    /// What open connections take of memory: [`CONNECTION`](serve::CONNECTION) bytes each.
    pub memory: Arc<Budget>,
    /// What long answers may take of memory that are there as a whole, while their clients take them: half of it.
    pub readers: Arc<Budget>,
    /// What may be asked for with one token, or from one address without one.
    pub limits: Limits,
    /// Ends event streams, so that a graceful stop does not wait for them.
    pub shutdown: CancellationToken,
}

impl Config {
    /// Where people find what is served: a name or an address, and the port.
    pub fn shown_address(&self) -> String {
        guard::shown_address(self.address, &self.hosts)
    }
}

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hive: Arc<dyn Hive>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) config: Arc<Config>,
    /// For people: sessions, and logins that failed.
    pub(crate) entrance: Arc<Entrance>,
    /// For all requests' bodies.
    room: Room,
    limiter: Limiter,
    request_ids: Arc<RequestIds>,
    /// What is measured of each route, and of what is answered elsewhere.
    pub(crate) routes: Arc<[RouteMetrics]>,
}

/// The site map.
fn map() -> Map {
    let api = Map::new()
        .get("/tasks", Needs::SeeTasks, tasks::list)
        .post("/tasks", Needs::Submit, tasks::create)
        .get("/tasks/{id}", Needs::SeeTasks, tasks::show)
        .patch("/tasks/{id}", Needs::ChangeTask, tasks::amend)
        .delete("/tasks/{id}", Needs::ChangeTask, tasks::remove)
        .post("/tasks/{id}/pause", Needs::ChangeTask, tasks::pause)
        .post("/tasks/{id}/resume", Needs::ChangeTask, tasks::resume)
        .post("/tasks/{id}/cancel", Needs::ChangeTask, tasks::cancel)
        .post("/tasks/{id}/retry", Needs::ChangeTask, tasks::retry)
        .get("/tasks/{id}/results", Needs::SeeTasks, results::show)
        .get("/drones", Needs::Read, drones::list)
        .get("/drones/{id}", Needs::Read, drones::show)
        .post("/drones/{id}/drain", Needs::Control, drones::drain)
        .post("/drones/{id}/resume", Needs::Control, drones::resume)
        .get("/tokens", Needs::Admin, tokens::list)
        .post("/tokens", Needs::Admin, tokens::create)
        .delete("/tokens/{id}", Needs::Admin, tokens::revoke)
        .get("/secrets", Needs::Admin, secrets::list)
        .post("/secrets", Needs::Admin, secrets::create)
        .delete("/secrets/{name}", Needs::Admin, secrets::revoke)
        .get("/log", Needs::Admin, log::list)
        .get("/stats", Needs::Read, stats::stats)
        .get("/metrics", Needs::Read, metrics::show)
        .get("/events", Needs::SeeTasks, events::events)
        .get("/healthz", Needs::Nothing, stats::healthz)
        .get("/readyz", Needs::Nothing, stats::readyz)
        .get("/openapi.json", Needs::Nothing, description::show);
    Map::new()
        .get("/", Needs::Nothing, async || Redirect::temporary("/admin"))
        .merge(api)
        .merge(pages::routes())
        .merge(assets::routes())
}

/// All routes, with what each needs of who asks.
pub fn routes() -> Vec<Route> {
    map().into_routes()
}

/// What is served.
pub fn site(hive: Arc<dyn Hive>, access: Arc<dyn Access>, config: Config) -> Site {
    let room = Room::new(config.room);
    let (limiter, entrance) = (Limiter::new(config.limits), Arc::new(Entrance::new()));
    let (map, elsewhere) = (map(), RouteMetrics::elsewhere());
    let routes = map.metrics().chain([elsewhere.clone()]).collect();
    let (config, request_ids) = (Arc::new(config), Arc::new(RequestIds::new()));
    let app = App { hive, access, config, entrance, room, limiter, request_ids, routes };
    let router = map.into_router().fallback(guard::nothing_here).with_state(app.clone());
    Site::new(router, app, elsewhere)
}
