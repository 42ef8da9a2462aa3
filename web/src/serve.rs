//! The HTTP listener: many connections, none of which can hold up the rest.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::Site;

/// The longest head of a request, in bytes, and what is read or written at once besides.
const HEAD_MAX: usize = 32 << 10;

/// What an open connection may take of memory, in bytes: a head, what is read behind it, and the piece of an
/// answer that its client has not taken yet. Bodies have [room](crate::Config::room) of their own.
pub const CONNECTION: u64 = 128 << 10;

/// How long a request's head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long who asked may take nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

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
    let graceful = GracefulShutdown::new();
    let (mut connections, most) = (JoinSet::new(), site.connections());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < most => accepted,
            Some(_) = connections.join_next() => continue,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(&http, stream, site.for_peer(peer));
                let connection = graceful.watch(connection);
                let memory = site.memory().hold(CONNECTION);
                connections.spawn(async move {
                    let _memory = memory;
                    if let Err(error) = connection.await {
                        tracing::debug!("an HTTP connection ended: {error}");
                    }
                });
            }
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
    if tokio::time::timeout(FINISH_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some HTTP requests did not finish in time and were broken off");
    }
    connections.shutdown().await;
    Ok(())
}

type Stream = TokioIo<Pin<Box<TimeoutStream<TcpStream>>>>;

fn connection(
    http: &http1::Builder,
    stream: TcpStream,
    site: Site,
) -> http1::Connection<Stream, TowerToHyperService<Site>> {
    // Failing leaves it slower, no more.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    http.serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(site))
}
