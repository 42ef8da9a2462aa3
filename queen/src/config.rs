//! What a Queen has to know before she starts, and where she listens.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::access::exposure::Exposure;
use crate::clock::Clock;
use crate::core::Timeouts;
use crate::drones::Protection;
use crate::store::Location;

/// What a Queen has to know before she starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest request body in bytes.
    pub max_body: u64,
    /// What may be held in memory, in bytes.
    pub memory_limit: u64,
    /// Where everything is kept; nothing is if `None`.
    pub data: Option<Location>,
    /// How long finished tasks are kept.
    pub keep_finished: Duration,
    /// How long Drones are waited for.
    pub timeouts: Timeouts,
    /// Tasks of one token that may not have ended; a batch is one.
    pub max_queued: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// From how many bytes on disk on finished tasks go earlier; by default new tasks are refused from some on.
    pub max_data: Option<u64>,
    /// How many files she may have open, of which each connection is one.
    pub open_files: u64,
    /// To whom she shows herself, and as whom.
    pub exposure: Exposure,
    /// Who is let in at the Drones' port where the data directory has no secrets; anybody if `None`.
    pub protection: Option<Protection>,
}

/// Where a Queen listens: bound by the caller, so that a port can be free to choose.
#[derive(Debug)]
pub struct Listeners {
    /// For Drones.
    pub drones: TcpListener,
    /// For REST and the pages.
    pub http: TcpListener,
}
