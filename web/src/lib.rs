//! The control plane: REST and pages over a [`Hive`], knowing nothing of scheduling.
#![forbid(unsafe_code)]

pub mod hive;
pub mod kinds;
pub mod model;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::hive::Hive;

/// What the control plane has to know besides the Queen.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where HTTP is served, as bound; what a `Host` header is checked against.
    pub address: SocketAddr,
    /// The longest request body in bytes.
    pub max_body: u64,
    /// Serve any `Host`: for a bind address that is not loopback.
    pub any_host: bool,
    /// Ends event streams, so that a graceful stop does not wait for them.
    pub shutdown: CancellationToken,
}

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hive: Arc<dyn Hive>,
    pub(crate) config: Arc<Config>,
}
