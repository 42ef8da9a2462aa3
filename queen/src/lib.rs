//! The Hive's server: hands work to Drones, keeps the shared state, serves the control plane.
//!
//! [`core`] decides, [`kinds`] knows what the work is, [`store`] keeps what has to outlive the
//! process, [`hive`] holds all of it together behind one lock, [`drones`] speaks with the
//! Drones, and the `web` crate with everybody else. [`run`] is the wiring.
#![forbid(unsafe_code)]

pub mod access;
pub mod args;
pub mod clock;
pub mod core;
pub mod crash;
pub mod demo;
pub mod drones;
pub mod hive;
pub mod kinds;
pub mod store;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use drone::story;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use web::access::Open;
use web::budget::Budget;
use web::places::{Port, SPARE_MAX};

use crate::clock::Clock;
use crate::core::Patience;
use crate::hive::{Lost, MAX_DRONES, Settings, SharedHive};
use crate::store::{Location, StoreError};

/// What a Queen has to know before she starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest request body in bytes.
    pub max_body: u64,
    /// What may be held in memory, in bytes.
    pub memory_limit: u64,
    /// Serve any `Host` where HTTP is not on a loopback address: its names are not known.
    pub any_host: bool,
    /// Where everything is kept; nothing is if `None`.
    pub data: Option<Location>,
    /// How long finished tasks are kept.
    pub keep_finished: Duration,
    /// How long Drones are waited for.
    pub patience: Patience,
    /// Tasks of one token that may not have ended; a batch is one.
    pub max_queued: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// From how many bytes on disk on finished tasks go earlier; by default new tasks are refused from some on.
    pub max_data: Option<u64>,
    /// How many files she may have open, of which each connection is one.
    pub open_files: u64,
}

/// Where a Queen listens: bound by the caller, so that a port can be free to choose.
#[derive(Debug)]
pub struct Listeners {
    /// For Drones.
    pub drones: TcpListener,
    /// For REST and the pages.
    pub http: TcpListener,
}

/// Why a Queen does not serve, or not any longer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The data directory cannot be used.
    #[error("{}{}", .0, .0.advice())]
    Store(StoreError),
    /// Something could not be written at last.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// There is nothing to make secrets from.
    #[error("the system has no randomness to give: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl From<StoreError> for Error {
    /// It says all that is known, so that it is no source besides.
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What request bodies may take of memory together, in bytes: a part of the memory limit, but
/// enough for the longest that is read as a whole, beside what is kept for small ones.
const ROOM: std::ops::RangeInclusive<u64> = 72 << 20..=256 << 20;

/// The most sockets of each port, however many files may be open: so that there are as many places as there may be
/// Drones.
const SOCKETS_MAX: usize = MAX_DRONES + 2 * SPARE_MAX;

/// And the least, with which she answers at all.
const SOCKETS_MIN: usize = 4;

/// So many files are left for the disk and all else, or a quarter of all if that is more: an idle Queen has some 20 open.
const REST_MIN: u64 = 32;

/// Serves until `shutdown`, then stops gracefully: requests finish, Drones are told, and
/// everything is on disk.
///
/// # Errors
/// If the data directory cannot be used, or a listener fails.
pub async fn run(mut config: Config, listeners: Listeners, shutdown: CancellationToken) -> Result<(), Error> {
    let settings = Settings {
        memory_limit: config.memory_limit,
        drone_addr: listeners.drones.local_addr()?.to_string(),
        keep_finished: config.keep_finished,
        max_data: config.max_data,
        max_queued: config.max_queued,
        patience: config.patience,
        clock: Arc::clone(&config.clock),
        show_words: true,
    };
    let result = match config.data.clone() {
        None => serve(SharedHive::ephemeral(settings)?, config, listeners, shutdown).await,
        Some(location) => {
            let store = blocking(move || location.open()).await?;
            if let Some(data) = &mut config.data {
                // Perhaps a folder in the one that was asked for.
                data.directory = store.directory.path().to_owned();
            }
            let (hive, keeper) = SharedHive::durable_over(settings, store)?;
            let mut served = Ok(());
            keeper
                .keep(&hive, async {
                    served = serve(hive.clone(), config, listeners, shutdown).await;
                })
                .await?;
            served
        }
    };
    if result.is_ok() {
        story!("🌙", "The Queen has stopped");
    }
    result
}

/// HTTP answers at once, and says how far she is while she takes over what there is on disk;
/// Drones are served when she has.
async fn serve(
    hive: SharedHive,
    config: Config,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Listeners { drones, http } = listeners;
    let (drone_addr, http_addr) = (drones.local_addr()?, http.local_addr()?);
    let sockets = sockets(config.open_files);
    let web = web::Config {
        address: http_addr,
        max_body: config.max_body,
        room: (config.memory_limit / 2).clamp(*ROOM.start(), *ROOM.end()) as usize,
        any_host: config.any_host && !http_addr.ip().is_loopback(),
        connections: sockets.min(affordable(hive.memory().connections())),
        compressing: compressing(),
        memory: Arc::clone(hive.memory().connections()),
        readers: Arc::clone(hive.memory().readers()),
        shutdown: shutdown.clone(),
    };
    let site = web::site(Arc::new(hive.clone()), Arc::new(Open), web);
    let working = async {
        let (taking, stop) = (hive.clone(), shutdown.clone());
        if let Err(error) = blocking(move || taking.take_over(&stop)).await {
            shutdown.cancel();
            return Err(error);
        }
        if shutdown.is_cancelled() {
            return Ok(());
        }
        tokio::select! {
            () = hive.begin_epoch() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        story!("👑", "The Queen is listening for drones on {drone_addr}");
        story!("🍯", "The admin page and the REST API are at http://{http_addr}/");
        match &config.data {
            Some(location) => {
                let most = hive.max_data().unwrap_or_default() >> 20;
                story!("📜", "Everything is kept in {}, at most {most} MiB", location.directory.display());
            }
            None => story!("📜", "Everything is in memory, and ends with the Queen"),
        }
        let working = drones::serve(drones, Port::new(sockets), hive.clone(), http_addr, shutdown.clone());
        tokio::select! {
            () = working => {}
            () = hive.keep_time() => {}
            () = hive.keep_in_bounds() => {}
            () = hive.keep_trail() => {}
            () = hive.tell_pace() => {}
        }
        Ok(())
    };
    let serving = async { tokio::join!(web::serve::serve(http, site, shutdown.clone()), working) };
    tokio::select! {
        (served, worked) = serving => worked.and(served.map_err(Error::from)),
        () = hive.tell_watchers() => Ok(()),
    }
}

/// The most sockets of each port, of so many files that may be open in all.
fn sockets(open_files: u64) -> usize {
    let rest = (open_files / 4).max(REST_MIN);
    let sockets = open_files.saturating_sub(rest) / 2;
    usize::try_from(sockets).map_or(SOCKETS_MAX, |sockets| sockets.clamp(SOCKETS_MIN, SOCKETS_MAX))
}

/// The most HTTP connections for which there is memory.
fn affordable(memory: &Budget) -> usize {
    usize::try_from(memory.limit() / web::serve::CONNECTION).unwrap_or(SOCKETS_MAX)
}

/// The most answers that are compressed at once: each takes a core, and one is left for everybody else.
fn compressing() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores - 1).max(1)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(io::Error::other(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ports_leave_files_for_the_rest() {
        assert_eq!([0, 32, 64, 1024].map(sockets), [4, 4, 16, 384]);
        assert_eq!([1 << 20, u64::MAX].map(sockets), [SOCKETS_MAX; 2]);
    }
}
