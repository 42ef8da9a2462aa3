//! The control plane: REST and pages over a [`Hive`], knowing nothing of scheduling.
#![forbid(unsafe_code)]

pub mod access;
mod api;
mod assets;
mod attached;
mod body;
pub mod budget;
mod compress;
mod deeds;
mod error;
mod guard;
pub mod hive;
pub mod kinds;
pub mod model;
mod pages;
pub mod places;
mod room;
pub mod serve;
mod site;
mod whole;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::api::{drones, events, results, stats, tasks};
use crate::budget::Budget;
use crate::hive::Hive;
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
    /// Serve any `Host`: for a bind address that is not loopback.
    pub any_host: bool,
    /// The most open connections; more wait to be accepted.
    pub connections: usize,
    /// The most answers that are compressed at once; the others go as they are.
    pub compressing: usize,
    /// What open connections take of memory: [`CONNECTION`](serve::CONNECTION) bytes each.
    pub memory: Arc<Budget>,
    /// What long answers may take of memory that are there as a whole, while their clients take them: half of it.
    pub readers: Arc<Budget>,
    /// Ends event streams, so that a graceful stop does not wait for them.
    pub shutdown: CancellationToken,
}

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hive: Arc<dyn Hive>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) config: Arc<Config>,
    /// For all requests' bodies.
    room: Room,
}

/// The site map.
pub fn site(hive: Arc<dyn Hive>, access: Arc<dyn Access>, config: Config) -> Site {
    let room = Room::new(config.room);
    let app = App { hive, access, config: Arc::new(config), room };
    let api = Router::new()
        .route("/tasks", get(tasks::list).post(tasks::create))
        .route("/tasks/{id}", get(tasks::show).patch(tasks::amend).delete(tasks::remove))
        .route("/tasks/{id}/pause", post(tasks::pause))
        .route("/tasks/{id}/resume", post(tasks::resume))
        .route("/tasks/{id}/cancel", post(tasks::cancel))
        .route("/tasks/{id}/retry", post(tasks::retry))
        .route("/tasks/{id}/results", get(results::show))
        .route("/drones", get(drones::list))
        .route("/drones/{id}", get(drones::show))
        .route("/drones/{id}/drain", post(drones::drain))
        .route("/drones/{id}/resume", post(drones::resume))
        .route("/stats", get(stats::stats))
        .route("/events", get(events::events))
        .route("/healthz", get(stats::healthz))
        .route("/readyz", get(stats::readyz));
    let router = Router::new()
        .route("/", get(async || Redirect::temporary("/admin")))
        .merge(api)
        .merge(pages::routes())
        .merge(assets::routes())
        .fallback(guard::nothing_here)
        .with_state(app.clone());
    Site::new(router, app.config, app.room)
}
