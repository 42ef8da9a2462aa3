//! One HTTP connection, which says at each moment what it is at, and ends when its place goes to somebody else.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::tls;
use crate::body::attached::Attached;
use crate::places::{Activity, Place};
use crate::site::Site;

/// How long who asked may take nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an answer that is given early, for want of places, may take to leave.
const PARTING: Duration = Duration::from_secs(5);

/// The same of the end of an event stream, which can be taken up again elsewhere.
const STREAM_PARTING: Duration = Duration::from_secs(1);

/// Serves a connection until it ends. `within`: how long TLS may take to begin, where that is spoken.
pub(super) async fn serve(
    http: http1::Builder,
    stream: TcpStream,
    site: Site,
    place: Place,
    within: Duration,
    shutdown: CancellationToken,
) {
    // Failing leaves it slower, no more.
    let _ = stream.set_nodelay(true);
    let Some(config) = site.tls() else { return speak(http, stream, site, place, shutdown).await };
    let accepted = tokio::select! {
        accepted = tls::accept(stream, config, within) => accepted,
        () = shutdown.cancelled() => return,
        () = place.lost() => return,
    };
    match accepted {
        Ok(stream) => speak(http, stream, site, place, shutdown).await,
        Err(error) => tracing::debug!("TLS did not begin on an HTTP connection: {error}"),
    }
}

/// Speaks HTTP on a connection until it ends.
async fn speak<S: AsyncRead + AsyncWrite>(
    http: http1::Builder,
    socket: S,
    site: Site,
    place: Place,
    shutdown: CancellationToken,
) {
    let stream = Stream::new(socket, place.clone());
    let service = service_fn(|request| answer(site.clone(), place.clone(), request));
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = &mut serving => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
        () = place.lost() => loop {
            let Some(time) = parting(&place) else { break Ok(()) };
            // What there is to answer is answered, and nothing behind it.
            serving.as_mut().graceful_shutdown();
            match timeout(time, serving.as_mut()).await {
                Ok(ended) => break ended,
                // All of its request was there already, and nobody may be left in doubt of that.
                Err(_) if is_at_work(&place) => {}
                Err(_) => break Ok(()),
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!("an HTTP connection ended: {error}");
    }
}

/// How long a connection may still take to end whose place has gone to somebody else; `None` if nothing is asked on it.
fn parting(place: &Place) -> Option<Duration> {
    if place.is(Activity::Idle) {
        None
    } else if place.is(Activity::Watching) {
        Some(STREAM_PARTING)
    } else {
        Some(PARTING)
    }
}

/// Whether a request is being worked on, or its answer is leaving.
fn is_at_work(place: &Place) -> bool {
    place.is(Activity::Working) || place.is(Activity::Answered)
}

/// Answers a request, whose connection is at work until the answer has left.
async fn answer(
    site: Site,
    place: Place,
    request: Request<Incoming>,
) -> Result<Response<Attached<Answering>>, Infallible> {
    place.set(if request.body().is_end_stream() { Activity::Working } else { Activity::Receiving });
    Ok(site.answer(request).await.map(|body| Attached::new(body, Answering(place))))
}

/// An answer is complete when this is dropped, which is with its body.
struct Answering(Place);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Activity::Answered);
    }
}

/// A socket. When all that was written has left, and the answer was complete, its connection is idle.
struct Stream<S> {
    socket: Pin<Box<TimeoutStream<S>>>,
    place: Place,
}

impl<S: AsyncRead + AsyncWrite> Stream<S> {
    fn new(socket: S, place: Place) -> Self {
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(WRITE_TIMEOUT));
        Self { socket: Box::pin(socket), place }
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.socket.as_mut().poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket.as_mut().poll_flush(context))?;
        if self.place.is(Activity::Answered) {
            self.place.set(Activity::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.as_mut().poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.as_mut().poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
