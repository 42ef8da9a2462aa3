//! The Hive's worker. It connects to a Queen, computes what she leases to it, and sends back
//! the results; see `ARCHITECTURE.md` for the whole.
#![deny(unsafe_code)]

pub mod bench;
pub mod cli;
mod config;
mod connection;
pub mod console;
mod join;
pub mod kernel;
pub mod limits;
mod narrator;
mod nice;
pub mod pool;
pub mod session;
pub mod signals;

pub use config::{Config, NICE, NameError, QueenAddr, QueenAddrError, Shutdown, check_name};
pub use join::{Join, JoinError};

use crate::kernel::Unfit;
use crate::pool::Pool;

/// Why a Drone cannot work. A Queen that is not there is no error: it tries again for ever.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name in the configuration is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// This machine must not take part.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The operating system gives no more threads.
    #[error("cannot start the compute threads: {0}")]
    Threads(#[from] std::io::Error),
}

/// Connects to the Queen, works, and reconnects for ever. Returns after a graceful stop.
///
/// # Errors
/// If this machine is not fit to work at all.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), Error> {
    check_name(&config.name)?;
    let (choice, threads, nice) = (config.kernel, config.threads, config.nice);
    let chosen = tokio::task::spawn_blocking(move || choice.kernels(threads, nice)).await;
    let kernels = chosen.map_err(|error| Unfit::Wrong(error.to_string()))??;
    narrator::tell_kernels(&kernels);
    let rates = kernels.rates();
    let (pool, reports) = Pool::start(threads, kernels, nice)?;
    connection::run(&config, &rates, &pool, reports, &shutdown).await;
    Ok(())
}
