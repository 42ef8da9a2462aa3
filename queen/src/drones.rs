//! The Drones' side: a TCP listener, and one connection for each Drone.

mod accept;
mod authentication;
mod backlog;
mod config;
mod connection;
mod disconnect;
mod frames;
mod handshake;
mod hello;
mod loading;
mod log_limit;
mod preface;
mod sending;
mod sent_material;
mod step;
mod text;
mod timeouts;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::hive::{Action, By, Deed, Hive};
use web::places::Port;
use wire::codec::bound_unsent;

pub use self::config::{Config, Protection};
use self::disconnect::Disconnect;
use self::log_limit::{LogLimit, PERIOD};
use crate::access::JoinSecrets;
use crate::hive::SharedHive;

/// How long connections have to end when the Queen stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before accepting again when the system has no more sockets.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Bytes that may have come and not be read yet. What does not fit waits at the Drone, where short
/// results overtake long ones, while the disk is behind.
const RECEIVE_BUFFER_BYTES: usize = 256 << 10;

/// Serves Drones until `shutdown`, then says goodbye and waits until all connections are closed.
/// `port` are the places for their connections.
pub async fn serve(
    listener: TcpListener,
    port: Arc<Port>,
    hive: SharedHive,
    config: Config,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let config = Arc::new(config);
    let mut secrets = config.protection.as_ref().map(|protection| protection.secrets.clone());
    let limit = Arc::new(Mutex::new(LogLimit::default()));
    let mut periods = tokio::time::interval(PERIOD);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < port.sockets() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = periods.tick() => {
                match lock(&limit).renew() {
                    0 => {}
                    count => tracing::info!(count, "more connections on the drones' port ended badly"),
                }
                continue;
            }
            valid = changed(&mut secrets) => {
                hive.expel(&valid);
                continue;
            }
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let Some(place) = port.enter(peer.ip()) else { continue };
                let (hive, shutdown, limit) = (hive.clone(), shutdown.clone(), Arc::clone(&limit));
                let config = Arc::clone(&config);
                connections.spawn(async move {
                    prepare(&socket);
                    let Err(error) = connection::serve(socket, peer, &hive, &config, &place, shutdown).await else {
                        return;
                    };
                    if config.protection.is_some() && error.is_refusal() {
                        hive.tell(refused(peer, &error));
                    } else if lock(&limit).admit() {
                        tracing::info!(%peer, %error, "a connection on the drones' port ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a drone's connection");
                tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
            }
        }
    }
    drop(listener);
    hive.dismiss("the Queen stops");
    let parted = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, parted).await.is_err() {
        tracing::warn!("some drones did not part in time and were cut off");
    }
}

/// A Drone, or who wanted to be one, was not let in.
fn refused(peer: SocketAddr, why: &Disconnect) -> Deed {
    let by = By { address: Some(peer.ip().to_canonical()), ..By::default() };
    Deed { by, action: Action::Join, target: "drones' port".into(), refused: Some(why.to_string()) }
}

/// The secrets that are valid now, when they have changed; never done where there are none, or will be no others.
async fn changed(secrets: &mut Option<watch::Receiver<Arc<JoinSecrets>>>) -> Arc<JoinSecrets> {
    if let Some(secrets) = secrets
        && secrets.changed().await.is_ok()
    {
        return Arc::clone(&secrets.borrow_and_update());
    }
    std::future::pending().await
}

/// The count is right even after a panic of who held the lock, since nothing is changed in two steps.
fn lock(limit: &Mutex<LogLimit>) -> std::sync::MutexGuard<'_, LogLimit> {
    limit.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Small messages leave at once, the system queues little, and notices as well that a peer vanished.
fn prepare(socket: &TcpStream) {
    let options = socket2::SockRef::from(socket);
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(30));
    let kept = options.set_tcp_keepalive(&keepalive);
    let bounded = options.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).and(bound_unsent(socket));
    if let Err(error) = socket.set_nodelay(true).and(kept).and(bounded) {
        tracing::debug!(%error, "cannot set a socket's options");
    }
}
