//! The Drones' side: a TCP listener, and one connection for each Drone.

mod backlog;
mod complaints;
mod connection;
mod door;
mod guard;
mod handshake;
mod hello;
mod speak;
mod stranger;

use std::fmt;
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

use self::complaints::{Complaints, PERIOD};
use self::connection::Broken;
use crate::access::{JoinSecrets, Served};
use crate::hive::SharedHive;

/// How long connections have to end when the Queen stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long to wait before accepting again when the system has no more sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(200);

/// Bytes that may have come and not be read yet. What does not fit waits at the Drone, where short
/// results overtake long ones, while the disk is behind.
const UNREAD: usize = 256 << 10;

/// Who is let in, and how they know the Queen: with TLS and a secret alone.
#[derive(Clone)]
pub struct Protection {
    /// What proves that the Queen is the Queen, at present; connections keep what they began with.
    pub tls: watch::Receiver<Arc<Served>>,
    /// What Drones prove to know. When one is revoked, the connections that came with it end.
    pub secrets: watch::Receiver<Arc<JoinSecrets>>,
}

/// Not the secrets: what is logged may be read by others.
impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").finish_non_exhaustive()
    }
}

/// What all connections on this port have in common.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where somebody is sent who came here for the page.
    pub http: SocketAddr,
    /// Whether that speaks TLS.
    pub http_has_tls: bool,
    /// Anybody is let in, without TLS, if `None`.
    pub protection: Option<Protection>,
}

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
    let complaints = Arc::new(Mutex::new(Complaints::default()));
    let mut periods = tokio::time::interval(PERIOD);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < port.sockets() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = periods.tick() => {
                match lock(&complaints).renew() {
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
                let (hive, shutdown, complaints) = (hive.clone(), shutdown.clone(), Arc::clone(&complaints));
                let config = Arc::clone(&config);
                connections.spawn(async move {
                    prepare(&socket);
                    let Err(error) = connection::serve(socket, peer, &hive, &config, &place, shutdown).await else {
                        return;
                    };
                    if config.protection.is_some() && error.is_refusal() {
                        hive.tell(refused(peer, &error));
                    } else if lock(&complaints).add() {
                        tracing::info!(%peer, %error, "a connection on the drones' port ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a drone's connection");
                tokio::time::sleep(OUT_OF_SOCKETS).await;
            }
        }
    }
    drop(listener);
    hive.dismiss("the Queen stops");
    let parted = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, parted).await.is_err() {
        tracing::warn!("some drones did not part in time and were cut off");
    }
}

/// A Drone, or who wanted to be one, was not let in.
fn refused(peer: SocketAddr, why: &Broken) -> Deed {
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

/// A count is as good as it was wherever somebody stopped.
fn lock(complaints: &Mutex<Complaints>) -> std::sync::MutexGuard<'_, Complaints> {
    complaints.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Small messages leave at once, the system queues little, and notices as well that a peer vanished.
fn prepare(socket: &TcpStream) {
    let options = socket2::SockRef::from(socket);
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(30));
    let kept = options.set_tcp_keepalive(&keepalive);
    let bounded = options.set_recv_buffer_size(UNREAD).and(bound_unsent(socket));
    if let Err(error) = socket.set_nodelay(true).and(kept).and(bounded) {
        tracing::debug!(%error, "cannot set a socket's options");
    }
}
