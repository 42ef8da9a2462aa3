//! The HTTP listener: many connections, none of which can hold up the rest.

mod connection;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::site::Site;

/// The longest head of a request, in bytes, and what is read or written at once besides.
const HEAD_MAX: usize = 32 << 10;

/// What an open connection may take of memory, in bytes: a head, what is read behind it, and the piece of an
/// answer that its client has not taken yet. Bodies have [room](crate::Config::room) of their own.
pub const CONNECTION: u64 = 128 << 10;

/// What it may take besides where the port speaks TLS, in bytes: records on their way in and out.
pub const TLS: u64 = 80 << 10;

/// How long a request's head may take to arrive, and TLS to begin.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The same on a spare place, which others need.
const SPARE_HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How long requests under way have to finish when the server stops.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a failed accept: without file descriptors left, trying at once only spins.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `site` until `shutdown`, then lets requests under way finish.
///
/// # Errors
/// None at present: what fails is one connection, or one attempt to accept.
pub async fn serve(listener: TcpListener, site: Site, shutdown: CancellationToken) -> io::Result<()> {
    let mut http = http1::Builder::new();
    // Some clients, such as `nc -N`, close their sending side behind a request and wait for the answer.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).half_close(true).max_buf_size(HEAD_MAX);
    let mut spare = http.clone();
    spare.header_read_timeout(SPARE_HEAD_TIMEOUT).keep_alive(false);
    let (mut connections, port) = (JoinSet::new(), Arc::clone(site.port()));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < port.sockets() => accepted,
            Some(_) = connections.join_next() => continue,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => match site.enter(peer.ip()) {
                Some(place) => {
                    let memory = site.hold_memory(CONNECTION + if site.speaks_tls() { TLS } else { 0 });
                    let (http, head) = match place.is_spare() {
                        false => (&http, HEAD_TIMEOUT),
                        true => (&spare, SPARE_HEAD_TIMEOUT),
                    };
                    let site = site.for_connection(peer, place.clone());
                    let serving = connection::serve(http.clone(), stream, site, place, head, shutdown.clone());
                    connections.spawn(async move {
                        let _memory = memory;
                        serving.await;
                    });
                }
                None => tracing::debug!(%peer, "every place for HTTP is taken, and nobody yields"),
            },
            Err(error) => {
                tracing::warn!("an HTTP connection could not be accepted: {error}");
                tokio::select! {
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    () = shutdown.cancelled() => break,
                }
            }
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FINISH_TIMEOUT, finished).await.is_err() {
        tracing::warn!("some HTTP requests did not finish in time and were broken off");
    }
    connections.shutdown().await;
    Ok(())
}
