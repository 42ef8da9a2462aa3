//! The tokio adapter of [`crate::frame`].

use std::io;

use bincode::Encode;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frame::{self, FrameError, HEADER};
use crate::preface::{Preface, PrefaceError};

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer broke the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer speaks something else.
    #[error(transparent)]
    Preface(#[from] PrefaceError),
}

/// How many bytes are read from the socket at once when nothing larger is expected, and so how many are kept at most
/// of what follows a frame: few, since thousands may be connected.
pub const READ_BYTES: usize = 8 << 10;

/// The longest frame for which room is made at once because the last one was as long, in bytes.
const MAX_TRUSTED_BYTES: usize = 2 << 20;

/// A buffer for writing shrinks when it is more than so many times as long as what was written.
const MAX_SLACK_FACTOR: usize = 8;

/// The length below which a buffer for writing does not shrink, in bytes.
const MIN_WRITE_BUFFER_BYTES: usize = 4 << 10;

/// How many bytes that are to be sent the system may hold back.
#[cfg(target_os = "linux")]
const MAX_UNSENT_BYTES: u32 = 128 << 10;

/// Lets the system hold back little of what is to be sent, since nothing overtakes it there. Does
/// nothing but on Linux.
///
/// # Errors
/// If the socket knows no such bound; it is as good without.
pub fn bound_unsent(socket: &TcpStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(MAX_UNSENT_BYTES)?;
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
    Ok(())
}

/// Reads frames; keeps what has arrived of the next one.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    buffer: BytesMut,
    /// How long the last frame was: the next one is likely to be no longer.
    trusted: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `inner`, which stands at the start of a frame.
    pub fn new(inner: R) -> Self {
        Self { inner, buffer: BytesMut::new(), trusted: 0 }
    }

    /// What is read from; what was read and not returned is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// How long the body of the next frame is, at most `limit` bytes; `None` when the peer closed the
    /// connection between two frames. No more than [`READ_BYTES`] bytes of the frame have been read yet. Safe to
    /// cancel: nothing that was read is lost.
    ///
    /// # Errors
    /// If the socket fails, the frame is too long, or the connection ends within its length.
    pub async fn announced(&mut self, limit: usize) -> Result<Option<usize>, ConnectionError> {
        loop {
            if let Some(size) = frame::body_len(&self.buffer, limit)? {
                return Ok(Some(size));
            }
            if !self.read(READ_BYTES).await? {
                return Ok(None);
            }
        }
    }

    /// The body of the next frame, of at most `limit` bytes; `None` when the peer closed the
    /// connection between two frames. Safe to cancel: nothing that was read is lost.
    ///
    /// # Errors
    /// If the socket fails, the frame is too long, or the connection ends within a frame.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, ConnectionError> {
        let Some(size) = self.announced(limit).await? else { return Ok(None) };
        let whole = HEADER + size;
        while self.buffer.len() < whole {
            // A peer that announces much and sends little costs only what it has sent, or sent before.
            let most = READ_BYTES.max(4 * self.buffer.len()).max(self.trusted);
            self.read((whole - self.buffer.len()).clamp(READ_BYTES, most)).await?;
        }
        self.trusted = size.min(MAX_TRUSTED_BYTES);
        let mut frame = self.buffer.split_to(whole);
        if whole > READ_BYTES {
            // What follows a long frame must not keep its memory.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        Ok(Some(frame.split_off(HEADER).freeze()))
    }

    /// Reads at most `room` bytes more; false if the peer closed the connection and there is nothing.
    async fn read(&mut self, room: usize) -> Result<bool, ConnectionError> {
        if self.buffer.capacity() - self.buffer.len() < room.min(READ_BYTES) {
            self.buffer.reserve(room);
        }
        match (&mut self.inner).take(room as u64).read_buf(&mut self.buffer).await? {
            0 if self.buffer.is_empty() => Ok(false),
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(true),
        }
    }
}

/// Writes frames; many messages may share one write.
#[derive(Debug)]
pub struct FrameWriter<W> {
    inner: W,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, buffer: Vec::new() }
    }

    /// What is written to.
    pub fn inner(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Adds a message to what [`flush`](Self::flush) will send.
    ///
    /// # Errors
    /// If its frame would be longer than `limit`; nothing is added then.
    pub fn push(&mut self, message: &impl Encode, limit: usize) -> Result<(), FrameError> {
        frame::encode(message, limit, &mut self.buffer)
    }

    /// Bytes that wait for [`flush`](Self::flush).
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Sends all that was pushed. Not safe to cancel: a frame may be half written.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.buffer).await?;
        let used = self.buffer.len();
        self.buffer.clear();
        // Growing anew for each of many long frames costs more than sending them.
        if self.buffer.capacity() > MAX_SLACK_FACTOR * used {
            self.buffer.shrink_to(used.max(MIN_WRITE_BUFFER_BYTES));
        }
        self.inner.flush().await
    }

    /// Closes the sending side.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.inner.shutdown().await
    }
}

/// Reads the eight bytes that every connection begins with.
///
/// # Errors
/// If the socket fails or closes, or they are not a preface.
pub async fn read_preface(inner: &mut (impl AsyncRead + Unpin)) -> Result<Preface, ConnectionError> {
    let mut bytes = [0; Preface::SIZE];
    inner.read_exact(&mut bytes).await?;
    Ok(Preface::decode(bytes)?)
}
