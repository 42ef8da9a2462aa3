//! The Hive's server: hands work to Drones, keeps the shared state, serves the control plane.
//!
//! [`core`] decides, [`kinds`] knows what the work is, [`store`] keeps its bytes, [`hive`]
//! holds all of it together behind one lock, [`drones`] speaks with the Drones, and the `web`
//! crate with everybody else. [`run`] is the wiring.
#![forbid(unsafe_code)]

pub mod args;
pub mod core;
pub mod demo;
pub mod drones;
pub mod hive;
pub mod kinds;
pub mod store;

use std::io;
use std::sync::Arc;

use drone::story;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wire::ids::Epoch;

use crate::hive::SharedHive;
use crate::store::Budget;

/// What a Queen has to know before she starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest request body in bytes.
    pub max_body: u64,
    /// What tasks may take of memory, in bytes.
    pub memory_limit: u64,
    /// Serve any `Host`: for bind addresses that are not loopback.
    pub any_host: bool,
}

/// Where a Queen listens: bound by the caller, so that a port can be free to choose.
#[derive(Debug)]
pub struct Listeners {
    /// For Drones.
    pub drones: TcpListener,
    /// For REST and the pages.
    pub http: TcpListener,
}

/// The epoch of a Queen that keeps nothing from one start to the next.
const EPHEMERAL: Epoch = Epoch(1);

/// Serves until `shutdown`, then stops gracefully: requests finish, Drones are told.
///
/// # Errors
/// If a listener fails.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> io::Result<()> {
    let Listeners { drones, http } = listeners;
    let (drone_addr, http_addr) = (drones.local_addr()?, http.local_addr()?);
    let hive = SharedHive::new(EPHEMERAL, Budget::new(config.memory_limit), drone_addr.to_string());
    let web = web::Config {
        address: http_addr,
        max_body: config.max_body,
        any_host: config.any_host,
        shutdown: shutdown.clone(),
    };
    let router = web::router(Arc::new(hive.clone()), web);
    story!("👑", "The Queen is listening for drones on {drone_addr}");
    story!("🍯", "The admin page and the REST API are at http://{http_addr}/");
    let serving = async {
        let drones = drones::serve(drones, hive.clone(), http_addr, shutdown.clone());
        let (served, ()) = tokio::join!(web::serve::serve(http, router, shutdown.clone()), drones);
        served
    };
    let result = tokio::select! {
        served = serving => served,
        () = hive.keep_time() => Ok(()),
        () = hive.tell_watchers() => Ok(()),
    };
    story!("🌙", "The Queen has stopped");
    result
}
