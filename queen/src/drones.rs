//! The Drones' side: a TCP listener, and one connection for each Drone.

mod backlog;
mod complaints;
mod connection;
mod handshake;
mod hello;
mod speak;
mod stranger;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::codec::bound_unsent;

use self::complaints::{Complaints, PERIOD};
use crate::hive::{MAX_DRONES, SharedHive};

/// Connections at once, those included that are no Drones yet or never will be.
const MAX_CONNECTIONS: usize = MAX_DRONES + 256;

/// How long connections have to end when the Queen stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long to wait before accepting again when the system has no more sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(200);

/// Bytes that may have come and not be read yet. What does not fit waits at the Drone, where short
/// results overtake long ones, while the disk is behind.
const UNREAD: usize = 256 << 10;

/// Serves Drones until `shutdown`, then says goodbye and waits until all connections are closed.
/// `http` is where somebody is sent who came here for the page.
pub async fn serve(listener: TcpListener, hive: SharedHive, http: SocketAddr, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let complaints = Arc::new(Mutex::new(Complaints::default()));
    let mut periods = tokio::time::interval(PERIOD);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let (place, accepted) = tokio::select! {
            next = next => match next {
                Some(next) => next,
                None => break,
            },
            _ = periods.tick() => {
                match lock(&complaints).renew() {
                    0 => {}
                    count => tracing::info!(count, "more connections on the drones' port ended badly"),
                }
                continue;
            }
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (hive, shutdown, complaints) = (hive.clone(), shutdown.clone(), Arc::clone(&complaints));
                connections.spawn(async move {
                    prepare(&socket);
                    if let Err(error) = connection::serve(socket, peer, &hive, http, shutdown).await
                        && lock(&complaints).add()
                    {
                        tracing::info!(%peer, %error, "a connection on the drones' port ended");
                    }
                    drop(place);
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
    connections.close();
    if tokio::time::timeout(FAREWELL, connections.wait()).await.is_err() {
        tracing::warn!("some drones did not part in time and were cut off");
    }
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
