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
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::places::Port;
use wire::codec::bound_unsent;

use self::complaints::{Complaints, PERIOD};
use crate::hive::SharedHive;

/// How long connections have to end when the Queen stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long to wait before accepting again when the system has no more sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(200);

/// Bytes that may have come and not be read yet. What does not fit waits at the Drone, where short
/// results overtake long ones, while the disk is behind.
const UNREAD: usize = 256 << 10;

/// Serves Drones until `shutdown`, then says goodbye and waits until all connections are closed.
/// `port` are the places for their connections, `http` is where somebody is sent who came here for the page.
pub async fn serve(listener: TcpListener, port: Port, hive: SharedHive, http: SocketAddr, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
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
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let Some(place) = port.enter(peer.ip()) else { continue };
                let (hive, shutdown, complaints) = (hive.clone(), shutdown.clone(), Arc::clone(&complaints));
                connections.spawn(async move {
                    prepare(&socket);
                    if let Err(error) = connection::serve(socket, peer, &hive, http, &place, shutdown).await
                        && lock(&complaints).add()
                    {
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
