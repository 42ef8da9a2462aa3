//! The beginning of a connection: TLS where the port has it, and the prefaces.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, join, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use wire::greeting::{Incoming, Outgoing};
use wire::preface::Preface;

use super::config::Config;
use super::disconnect::Disconnect;
use super::preface::{self, TLS_HANDSHAKE};

/// The most that is read until TLS has come about, in bytes: a Drone needs a tenth of it, and what is incomplete is
/// held in memory for anybody.
const MAX_TLS_HANDSHAKE_BYTES: u64 = 16 << 10;

/// The most that waits in a connection's TLS to be sent, in bytes.
const MAX_UNSENT_BYTES: usize = 32 << 10;

/// A connection whose prefaces have been exchanged.
pub(super) struct Accepted {
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    /// The preface that the Drone sent.
    pub(super) preface: Preface,
    /// SHA-256 of the certificate that it was shown; `None` without TLS.
    pub(super) leaf: Option<[u8; 32]>,
}

/// Speaks TLS with who begins with it, if the port has it, and exchanges prefaces. `None` if it was no Drone: it has
/// been answered.
pub(super) async fn accept(mut socket: TcpStream, config: &Config) -> Result<Option<Accepted>, Disconnect> {
    let page = page(&socket, config)?;
    let mut first = [0];
    if socket.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if let Some(protection) = &config.protection
        && first == [TLS_HANDSHAKE]
    {
        // Certificate and digest of one moment, since another certificate may come at any time.
        let served = Arc::clone(&protection.tls.borrow());
        let acceptor = TlsAcceptor::from(Arc::clone(&served.config));
        let (reader, writer) = socket.into_split();
        let socket = join(reader.take(MAX_TLS_HANDSHAKE_BYTES), writer);
        let accepted = acceptor.accept_with(socket, |tls| tls.set_buffer_limit(Some(MAX_UNSENT_BYTES))).await;
        let mut stream = accepted.map_err(Disconnect::Tls)?;
        stream.get_mut().0.reader_mut().set_limit(u64::MAX);
        let Some(preface) = preface::exchange(&mut stream, &page).await? else { return Ok(None) };
        let (incoming, outgoing) = split(stream);
        let (incoming, outgoing) = (Box::new(incoming), Box::new(outgoing));
        return Ok(Some(Accepted { incoming, outgoing, preface, leaf: Some(served.leaf) }));
    }
    let Some(preface) = preface::exchange(&mut socket, &page).await? else { return Ok(None) };
    let (incoming, outgoing) = socket.into_split();
    Ok(Some(Accepted { incoming: Box::new(incoming), outgoing: Box::new(outgoing), preface, leaf: None }))
}

/// Where the page is, as this peer can reach it.
fn page(socket: &TcpStream, config: &Config) -> Result<String, Disconnect> {
    let Config { http, http_has_tls, .. } = config;
    let ip = match http.ip().is_unspecified() {
        true => socket.local_addr()?.ip(),
        false => http.ip(),
    };
    let scheme = if *http_has_tls { "https" } else { "http" };
    Ok(format!("{scheme}://{}", SocketAddr::new(ip, http.port())))
}
