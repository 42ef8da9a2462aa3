//! A connection during the handshake, for either side: frames each way, and the [`Transcript`] of them.

use std::io;

use bincode::Encode;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::codec::{ConnectionError, FrameReader, FrameWriter};
use crate::frame::{self, HEADER, MAX_HANDSHAKE};
use crate::preface::{Preface, Role};
use crate::proof::{Keys, MAC_BYTES, Transcript};

/// The receiving side of a connection, with TLS or without.
pub type Incoming = Box<dyn AsyncRead + Send + Unpin>;

/// The sending side.
pub type Outgoing = Box<dyn AsyncWrite + Send + Unpin>;

/// The longest record of TLS that is sent, in bytes: 64 less than there may be (RFC 8446, 5.1). To a place that is less
/// than 16 bytes behind the source's, modulo a page, glibc before 2.40 copies fifteen times as slowly as to any other
/// on AMD's Zen 4, by its `rep movsb`. What is sent begins where memory does, and in a record five bytes behind that:
/// so the first record of it is slow, and the others are not.
pub const TLS_RECORD: usize = (16 << 10) - 64;

/// A connection whose prefaces have been exchanged.
pub struct Greeting {
    /// What is received.
    pub reader: FrameReader<Incoming>,
    /// What is sent.
    pub writer: FrameWriter<Outgoing>,
    transcript: Transcript,
}

impl Greeting {
    /// Behind these two prefaces.
    pub fn new(incoming: Incoming, outgoing: Outgoing, drone: Preface, queen: Preface) -> Self {
        let (reader, writer) = (FrameReader::new(incoming), FrameWriter::new(outgoing));
        Self { reader, writer, transcript: Transcript::new(drone, queen) }
    }

    /// The body of the next frame; `None` when the peer closed the connection. Safe to cancel.
    ///
    /// # Errors
    /// If the socket fails, the frame is longer than [`MAX_HANDSHAKE`], or the connection ends within it.
    pub async fn hear(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        let body = self.reader.next(MAX_HANDSHAKE).await?;
        body.iter().for_each(|body| self.transcript.add(body));
        Ok(body)
    }

    /// Whether the message that was heard last ended with `mac`, and that is the one of `by`.
    pub fn proves(&self, mac: &[u8; MAC_BYTES], by: Role, keys: &Keys) -> bool {
        self.transcript.proves(mac, by, keys)
    }

    /// Sends a message. Not safe to cancel.
    ///
    /// # Errors
    /// If it is longer than [`MAX_HANDSHAKE`], or the socket fails.
    pub async fn say(&mut self, message: &impl Encode) -> Result<(), ConnectionError> {
        let mut frame = Vec::new();
        frame::encode(message, MAX_HANDSHAKE, &mut frame)?;
        self.transcript.add(&frame[HEADER..]);
        Ok(self.send(&frame).await?)
    }

    /// Sends a message that ends with a mac, which is put into it. Not safe to cancel.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub async fn say_signed(&mut self, message: &impl Encode, by: Role, keys: &Keys) -> Result<(), ConnectionError> {
        let mut frame = Vec::new();
        frame::encode(message, MAX_HANDSHAKE, &mut frame)?;
        self.transcript.sign(&mut frame[HEADER..], by, keys);
        Ok(self.send(&frame).await?)
    }

    async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let socket = self.writer.inner();
        socket.write_all(frame).await?;
        socket.flush().await
    }
}
