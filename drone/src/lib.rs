//! The Hive's worker. It connects to a Queen, computes what she leases to it, and sends back
//! the results; see `ARCHITECTURE.md` for the whole.
#![deny(unsafe_code)]

pub mod bench;
mod config;
mod connection;
pub mod console;
pub mod kernel;
pub mod pool;
pub mod session;
mod story;

pub use config::{Config, NICE, NameError, QueenAddr, QueenAddrError, Shutdown, check_name};

use wire::handshake::Rate;

use crate::kernel::{Kernel, selftest};
use crate::pool::Pool;

#[doc(hidden)]
pub use tracing as __tracing;

/// Why a Drone cannot work. A Queen that is not there is no error: it tries again for ever.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name in the configuration is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// This machine gets SHA-256 wrong; it must not take part.
    #[error("this machine computes wrongly and must not work: {0}")]
    SelfTest(String),
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
    let kernel = config.kernel;
    let tested = tokio::task::spawn_blocking(move || test(kernel)).await;
    let rates = tested.unwrap_or_else(|error| Err(error.to_string())).map_err(Error::SelfTest)?;
    let (pool, reports) = Pool::start(config.threads, kernel, config.nice)?;
    connection::keep(&config, &rates, &pool, reports, &shutdown).await;
    Ok(())
}

/// Proves that this machine computes rightly, and measures what one thread does of each class of work.
fn test(kernel: Kernel) -> Result<Vec<Rate<'static>>, String> {
    selftest::check(kernel)?;
    selftest::measure(kernel)
}
