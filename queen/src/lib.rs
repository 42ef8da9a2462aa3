//! The Hive's server: hands work to Drones, keeps the shared state, serves the control plane.
//!
//! [`core`] decides, [`work`] says what a task is, [`kinds`] knows how each kind of work is done,
//! [`store`] keeps what has to outlive the process, [`history`] is what was measured over time, [`hive`] holds
//! all of it together behind one lock, [`drones`] speaks with the Drones, and the `web` crate with everybody
//! else. [`run`] is the wiring.
#![forbid(unsafe_code)]

pub mod access;
pub mod administration;
pub mod args;
pub mod clock;
mod config;
pub mod core;
pub mod crash;
pub mod demo;
pub mod drones;
pub mod history;
pub mod hive;
pub mod kinds;
mod lru;
pub mod store;
pub mod work;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drone::story;
use tokio_util::sync::CancellationToken;
use web::budget::Budget;
use web::limits::Limits;
use web::places::{Port, SPARE_MAX};

use crate::access::exposure::{Situation, Unprotected};
use crate::access::{Authority, Certificates, certificates};
use crate::administration::Socket;
pub use crate::config::{Config, Listeners};
use crate::drones::Protection;
use crate::hive::{MAX_DRONES, PersistError, Settings, SharedHive};
use crate::store::{Store, StoreError};

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
    Persist(#[from] PersistError),
    /// Others could use the Hive.
    #[error(transparent)]
    Unprotected(#[from] Unprotected),
    /// There is no certificate for a port.
    #[error(transparent)]
    Certificates(#[from] certificates::Error),
    /// A port is closed, and there is no authority to sign a certificate for it.
    #[error(
        "{} has a {what} and no certificate authority, so that there is no TLS to ask for it with: it is damaged, of \
         which `queen check --data-dir {0}` says more; restore a backup",
        directory.display()
    )]
    NoAuthority {
        /// The data directory.
        directory: PathBuf,
        /// What was made in it: a secret or a token.
        what: &'static str,
    },
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

/// The least sockets of each port, with which she answers at all.
const SOCKETS_MIN: usize = 4;

/// The most sockets for HTTP, however many files may be open.
const HTTP_SOCKETS: usize = 4096 + 2 * SPARE_MAX;

/// As many Drones have a place whatever memory there is.
const DRONES_MIN: usize = 4096;

/// So much of the memory limit, in bytes, is asked for each place beyond those: four times what a Drone's connection
/// takes with TLS, since that is not counted in the limit.
const DRONE_SHARE: u64 = 256 << 10;

/// So many files are left for the disk and all else, or a quarter of all if that is more: an idle Queen has some 20 open.
const REST_MIN: u64 = 32;

/// Serves until `shutdown`, then stops gracefully: requests finish, Drones are told, and
/// everything is on disk.
///
/// # Errors
/// If the data directory cannot be used, or a listener fails.
pub async fn run(mut config: Config, listeners: Listeners, shutdown: CancellationToken) -> Result<(), Error> {
    let mut situation = Situation {
        drones: listeners.drones.local_addr()?,
        http: listeners.http.local_addr()?,
        has_secret: config.protection.is_some(),
        has_token: false,
        data_dir: config.data.as_ref().map(|location| location.directory.clone()),
    };
    let mut settings = Settings {
        memory_limit: config.memory_limit,
        drone_addr: listeners.drones.local_addr()?.to_string(),
        keep_finished: config.keep_finished,
        max_data: config.max_data,
        max_queued: config.max_queued,
        timeouts: config.timeouts,
        clock: Arc::clone(&config.clock),
        show_words: config.exposure.may_show_words(situation.drones, situation.http),
    };
    let store = match config.data.clone() {
        None => Store::in_memory()?,
        Some(location) => {
            if let Err(StoreError::Missing { .. }) = store::find_used(&location.directory) {
                // Nothing is set up, and nothing is made where she will not serve.
                config.exposure.check(&situation)?;
            }
            blocking(move || location.open()).await?
        }
    };
    situation.has_secret |= store.access.has_secret();
    situation.has_token = store.access.has_token();
    config.exposure.hosts.extend(store.access.hosts.iter().cloned());
    settings.show_words = config.exposure.may_show_words(situation.drones, situation.http);
    let ports = Ports::new(&config, &situation, store.access.authority.clone())?;
    ports.require(&store)?;
    if let (Some(data), Some(path)) = (&mut config.data, store.path()) {
        // Perhaps a folder in the one that was asked for.
        data.directory = path.to_owned();
    }
    let is_closed = store.access.has_secret();
    let (hive, driver) = SharedHive::over(settings, store)?;
    if let Some(tls) = ports.certificates.drones().filter(|_| is_closed) {
        config.protection = Some(Protection { tls, secrets: hive.join_secrets() });
    }
    let mut result = Ok(());
    driver
        .run(&hive, async {
            result = serve(hive.clone(), config, ports, listeners, shutdown).await;
            hive.end_history().await;
        })
        .await?;
    if result.is_ok() {
        story!("🌙", "The Queen has stopped");
    }
    result
}

/// What the ports prove, and whether they ask for anything.
struct Ports {
    certificates: Certificates,
    authority: Option<Authority>,
    /// They are open to others.
    are_open: bool,
}

impl Ports {
    fn new(config: &Config, situation: &Situation, authority: Option<Authority>) -> Result<Self, Error> {
        let exposure = &config.exposure;
        let are_open = exposure.check(situation)?;
        if are_open {
            tracing::warn!("--insecure: anybody who reaches this Queen can use her");
        }
        let bound = [situation.drones.ip(), situation.http.ip()].into_iter().filter(|ip| !ip.is_unspecified());
        let always = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut names: Vec<String> = always.into_iter().chain(bound.map(|ip| ip.to_string())).collect();
        names.extend(exposure.hosts.iter().cloned());
        names.sort();
        names.dedup();
        let now = config.clock.wall();
        let certificates = Certificates::begin(authority.clone(), names, exposure.files.clone(), now)?;
        Ok(Self { certificates, authority, are_open })
    }

    /// Looks whether there is TLS where a secret or a token is asked for: no port goes on without because the
    /// authority was lost.
    fn require(&self, store: &Store) -> Result<(), Error> {
        let lacks = |what| Error::NoAuthority { directory: store.path().map(Path::to_owned).unwrap_or_default(), what };
        if store.access.has_secret() && self.certificates.drones().is_none() {
            return Err(lacks("secret"));
        }
        if store.access.has_token() && self.certificates.http().is_none() {
            return Err(lacks("token"));
        }
        Ok(())
    }
}

/// Takes over what there is, and begins the epoch; returns whether the Hive serves now, which it does not when it is
/// told to stop before.
async fn begin(hive: &SharedHive, shutdown: &CancellationToken) -> Result<bool, Error> {
    let (taking, stop) = (hive.clone(), shutdown.clone());
    if let Err(error) = blocking(move || taking.take_over(&stop)).await {
        shutdown.cancel();
        return Err(error);
    }
    if shutdown.is_cancelled() {
        return Ok(false);
    }
    tokio::select! {
        () = hive.begin_epoch() => Ok(true),
        () = shutdown.cancelled() => Ok(false),
    }
}

/// HTTP answers at once, and says how far she is while she takes over what there is on disk;
/// Drones are served when she has.
async fn serve(
    hive: SharedHive,
    config: Config,
    ports: Ports,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Ports { certificates, authority, are_open } = ports;
    let http_has_tls = certificates.http().is_some();
    let scheme = if http_has_tls { "https" } else { "http" };
    let socket = config.data.as_ref().and_then(|location| listen_to_commands(&location.directory));
    let Listeners { drones, http } = listeners;
    let (drone_addr, http_addr) = (drones.local_addr()?, http.local_addr()?);
    let sockets = Sockets::new(config.open_files, config.memory_limit);
    let drone_port = Arc::new(Port::new(sockets.drones));
    let web = web::Config {
        address: http_addr,
        max_body: config.max_body,
        room: (config.memory_limit / 2).clamp(*ROOM.start(), *ROOM.end()) as usize,
        hosts: config.exposure.hosts.clone(),
        trusted_proxies: config.exposure.trusted_proxies.clone(),
        insecure: are_open,
        tls: certificates.http(),
        port: Arc::new(Port::new(sockets.http.min(affordable(hive.memory().connections(), http_has_tls)))),
        drone_port: Arc::clone(&drone_port),
        compressing: compressing(),
        memory: Arc::clone(hive.memory().connections()),
        readers: Arc::clone(hive.memory().readers()),
        limits: Limits::default(),
        shutdown: shutdown.clone(),
    };
    let shown_address = web.shown_address();
    let site = web::site(Arc::new(hive.clone()), Arc::new(hive.clone()), web);
    // In memory there is nothing to take over: who asks at once waits for a moment, and is not refused.
    let has_begun = config.data.is_none() && begin(&hive, &shutdown).await?;
    let working = async {
        if !has_begun && !begin(&hive, &shutdown).await? {
            return Ok(());
        }
        if let (Some(location), Some(authority)) = (&config.data, authority) {
            publish(location.directory.clone(), authority).await;
        }
        story!("👑", "The Queen is listening for drones on {drone_addr}");
        story!("🍯", "The admin page and the REST API are at {scheme}://{shown_address}/");
        match &config.data {
            Some(location) => {
                let most = hive.max_data().unwrap_or_default() >> 20;
                story!("📜", "Everything is kept in {}, at most {most} MiB", location.directory.display());
            }
            None => story!("📜", "Everything is in memory, and ends with the Queen"),
        }
        let port = drones::Config { http: http_addr, http_has_tls, protection: config.protection };
        let working = drones::serve(drones, drone_port, hive.clone(), port, shutdown.clone());
        tokio::select! {
            () = working => {}
            () = hive.run_timer() => {}
            () = hive.run_retention() => {}
            () = hive.run_trail() => {}
            () = hive.tell_pace() => {}
            () = hive.run_token_upkeep() => {}
            () = hive.run_history() => {}
        }
        Ok(())
    };
    let commands = async {
        if let Some(socket) = &socket {
            socket.serve(&hive, &shutdown).await;
        }
    };
    let serving = async { tokio::join!(web::serve::serve(http, site, shutdown.clone()), working, commands) };
    tokio::select! {
        (served, worked, ()) = serving => worked.and(served.map_err(Error::from)),
        () = hive.tell_watchers() => Ok(()),
        () = certificates.maintain(config.clock, config.exposure.reload) => Ok(()),
    }
}

/// Where `queen token` and `queen secret` ask her. Without that they work while she is stopped.
fn listen_to_commands(directory: &Path) -> Option<Socket> {
    let socket = Socket::bind(directory);
    let warn = |error: &io::Error| {
        tracing::warn!(%error, "queen token and queen secret cannot be used while she runs");
    };
    socket.inspect_err(warn).ok()
}

/// Leaves the authority's certificate where others find it.
async fn publish(directory: PathBuf, authority: Authority) {
    if let Err(error) = blocking(move || store::publish_authority(&directory, &authority.pem())).await {
        tracing::warn!("the authority's certificate is not there for others to find: {error}");
    }
}

/// The most sockets of each port.
struct Sockets {
    drones: usize,
    http: usize,
}

impl Sockets {
    /// Of so many files that may be open in all, and so many bytes of memory.
    fn new(open_files: u64, memory_limit: u64) -> Self {
        let rest = (open_files / 4).max(REST_MIN);
        let sockets = usize::try_from(open_files.saturating_sub(rest)).unwrap_or(usize::MAX);
        let http = (sockets / 2).clamp(SOCKETS_MIN, HTTP_SOCKETS);
        let affordable = usize::try_from(memory_limit / DRONE_SHARE).unwrap_or(MAX_DRONES);
        let most = affordable.clamp(DRONES_MIN, MAX_DRONES) + 2 * SPARE_MAX;
        Self { drones: sockets.saturating_sub(http).clamp(SOCKETS_MIN, most), http }
    }
}

/// The most HTTP connections for which there is memory.
fn affordable(memory: &Budget, has_tls: bool) -> usize {
    let each = web::serve::CONNECTION + if has_tls { web::serve::TLS } else { 0 };
    usize::try_from(memory.limit() / each).unwrap_or(HTTP_SOCKETS)
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
        let each = |open_files| Sockets::new(open_files, u64::MAX);
        assert_eq!([0, 32, 64, 1024].map(each).map(|of| (of.drones, of.http)), [(4, 4), (4, 4), (16, 16), (384, 384)]);
        for open_files in [1 << 20, u64::MAX] {
            let of = each(open_files);
            assert_eq!((of.drones, of.http), (MAX_DRONES + 2 * SPARE_MAX, HTTP_SOCKETS));
        }
        assert_eq!(each(16_384).drones, 8_064, "HTTP leaves to Drones what it does not need");
    }

    #[test]
    fn places_of_drones_are_a_part_of_the_memory() {
        let places = |memory_limit| Sockets::new(u64::MAX, memory_limit).drones - 2 * SPARE_MAX;
        assert_eq!([0, 1 << 30, 2 << 30, 1 << 40].map(places), [DRONES_MIN, DRONES_MIN, 8192, MAX_DRONES]);
    }
}
