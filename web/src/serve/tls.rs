//! How a connection begins where the port speaks TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// With what a connection begins that speaks TLS: the type of a handshake's record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// The most that waits in a connection's TLS to be sent, in bytes: more than is written at once of a long answer, whose
/// last bytes would leave in a record and a packet of their own.
const SEND_MAX: usize = 48 << 10;

/// What is still read of who speaks plain HTTP, in bytes: closing a connection with unread bytes resets it.
const LINGER_BYTES: u64 = 64 << 10;

/// How long that may take.
const LINGER: Duration = Duration::from_secs(2);

/// What who speaks plain HTTP is told.
const PLAIN: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
                     This port speaks TLS: its addresses begin with https://\n";

/// Begins TLS on a connection.
///
/// # Errors
/// If it does not begin in that time, or with something else: plain HTTP is told that this is no place for it.
pub(super) async fn accept(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    within: Duration,
) -> io::Result<TlsStream<TcpStream>> {
    let begun = async {
        let mut first = [0];
        match stream.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if first == [HANDSHAKE] => {
                TlsAcceptor::from(config).accept_with(stream, |tls| tls.set_buffer_limit(Some(SEND_MAX))).await
            }
            _ => {
                refuse(&mut stream).await?;
                Err(io::Error::new(io::ErrorKind::InvalidData, "it spoke without TLS"))
            }
        }
    };
    timeout(within, begun).await?
}

async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN.as_bytes()).await?;
    stream.shutdown().await?;
    let (mut rest, mut nowhere) = (stream.take(LINGER_BYTES), tokio::io::sink());
    // Whoever sends on is not waited for.
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await;
    Ok(())
}
