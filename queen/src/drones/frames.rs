//! Frames of one connection, whether it has TLS or not.

use std::io;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use wire::codec::{FrameReader, FrameWriter};
use wire::greeting::{Greeting, Incoming, Outgoing};

use super::disconnect::Disconnect;
use super::timeouts::FAREWELL_TIMEOUT;

/// What is still read from a peer that is told why the connection ends, in bytes.
const MAX_REST_BYTES: u64 = 1 << 20;

/// What a Drone sends.
pub(super) type Reader = FrameReader<Incoming>;

/// What it is sent.
pub(super) type Writer = FrameWriter<Outgoing>;

/// The next message of the handshake.
pub(super) async fn hear(greeting: &mut Greeting) -> Result<Bytes, Disconnect> {
    let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
    Ok(greeting.hear().await?.ok_or_else(end)?)
}

/// Reads what a peer still sends, for a little while: closing with unread bytes would reset the
/// connection before the peer has read why.
pub(super) async fn read_rest(reader: Reader) {
    let mut rest = reader.into_inner().take(MAX_REST_BYTES);
    let _ = timeout(FAREWELL_TIMEOUT, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}
