//! An HTTP client of as few instructions as possible: it has to share the cores with what it measures.
//! It understands what the Queen and axum answer, no more.

use std::io;
use std::str::from_utf8;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::api::{Api, Socket};

/// What is read at once, in bytes.
const READ: usize = 256 << 10;

/// The longest head or line that is waited for, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// A connection.
pub struct Client {
    /// The header lines that each request has.
    headers: String,
    socket: Box<dyn Socket>,
    /// What came and was not taken yet.
    buffer: BytesMut,
}

/// How an answer begins.
struct Head {
    status: u16,
    /// None if the body comes in chunks.
    length: Option<usize>,
}

impl Client {
    pub async fn connect(api: &Api) -> anyhow::Result<Self> {
        Ok(Self { headers: api.headers(), socket: api.connect().await?, buffer: BytesMut::new() })
    }

    /// The head of a request; `more` are whole header lines.
    pub fn head(&self, method: &str, path: &str, more: &str, length: u64) -> String {
        let headers = &self.headers;
        format!("{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\n{more}\r\n")
    }

    /// Sends a request that is formatted already; `look` sees the status and the body of the answer.
    pub async fn exchange<T>(&mut self, request: &[u8], look: impl FnOnce(u16, &[u8]) -> T) -> anyhow::Result<T> {
        self.send(request).await?;
        self.answer(look).await
    }

    /// Sends a request without a body; the JSON of a success.
    pub async fn json(&mut self, method: &str, path: &str, headers: &str) -> anyhow::Result<Value> {
        let head = self.head(method, path, headers, 0);
        self.exchange(head.as_bytes(), json).await?
    }

    /// Sends a long body, in pieces that `fill` makes until it says false; `headers` are whole lines.
    pub async fn upload(
        &mut self,
        path: &str,
        headers: &str,
        length: u64,
        mut fill: impl FnMut(&mut Vec<u8>) -> bool,
    ) -> anyhow::Result<Value> {
        let mut piece = self.head("POST", path, headers, length).into_bytes();
        loop {
            let is_more = fill(&mut piece);
            // She may have refused it already, and closed; the answer says why.
            if self.send(&piece).await.is_err() || !is_more {
                return self.answer(json).await?;
            }
            piece.clear();
        }
    }

    /// Gets a long body; `headers` are whole lines, `take` sees its pieces.
    pub async fn download(
        &mut self,
        path: &str,
        headers: &str,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let head = self.head("GET", path, headers, 0);
        self.send(head.as_bytes()).await?;
        let Head { status, length } = self.read_head().await?;
        ensure!(status == 200, "GET {path}: {status}");
        if let Some(length) = length {
            return self.pass(length, &mut take).await;
        }
        loop {
            let end = self.until(b"\r\n").await?;
            let size = usize::from_str_radix(from_utf8(&self.buffer[..end])?, 16).context("a chunk has no size")?;
            self.buffer.advance(end + 2);
            self.pass(size, &mut take).await?;
            ensure!(self.until(b"\r\n").await? == 0, "a chunk does not end");
            self.buffer.advance(2);
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await?;
        self.socket.flush().await
    }

    /// Lets `take` see the next so many bytes.
    async fn pass(
        &mut self,
        mut size: usize,
        take: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while size > 0 {
            if self.buffer.is_empty() {
                self.read().await?;
            }
            let here = size.min(self.buffer.len());
            take(&self.buffer[..here])?;
            self.buffer.advance(here);
            size -= here;
        }
        Ok(())
    }

    async fn answer<T>(&mut self, look: impl FnOnce(u16, &[u8]) -> T) -> anyhow::Result<T> {
        let Head { status, length } = self.read_head().await?;
        let length = length.context("an answer has no length")?;
        while self.buffer.len() < length {
            self.read().await?;
        }
        let looked = look(status, &self.buffer[..length]);
        self.buffer.advance(length);
        Ok(looked)
    }

    async fn read_head(&mut self) -> anyhow::Result<Head> {
        let end = self.until(b"\r\n\r\n").await?;
        let head = &self.buffer[..end];
        let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| from_utf8(rest.get(..3)?).ok()?.parse().ok());
        let length = memmem::find(head, b"\r\ncontent-length: ").and_then(|at| {
            let digits = head[at + 18..].split(|byte| *byte == b'\r').next()?;
            from_utf8(digits).ok()?.parse().ok()
        });
        let Some(status) = status else { bail!("this is no HTTP: {:?}", String::from_utf8_lossy(head)) };
        self.buffer.advance(end + 4);
        Ok(Head { status, length })
    }

    /// Reads until `mark` is there; where it is.
    async fn until(&mut self, mark: &[u8]) -> anyhow::Result<usize> {
        loop {
            match memmem::find(&self.buffer, mark) {
                Some(at) => return Ok(at),
                None => ensure!(self.buffer.len() < HEAD_MAX, "an answer's head does not end"),
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        self.buffer.reserve(READ);
        ensure!(self.socket.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
        Ok(())
    }
}

/// The body of a success.
fn json(status: u16, body: &[u8]) -> anyhow::Result<Value> {
    ensure!((200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(body));
    Ok(serde_json::from_slice(body)?)
}
