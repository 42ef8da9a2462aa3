//! From an address to a connection on which work may come: TCP, prefaces, handshake.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use wire::codec::{ConnectionError, FrameReader, FrameWriter, bound_unsent, read_preface};
use wire::frame::{self, MAX_HANDSHAKE};
use wire::handshake::{FromDrone, FromQueen, Preface, PrefaceError, Rate, Role, VERSION};
use wire::ids::{DroneId, Epoch};
use wire::work::Kind;

use super::Trouble;
use crate::config::Config;

const CONNECT: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The operating system notices a dead peer after about a minute, should all else fail.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Heartbeats are not sent more often than this, whatever the Queen asks for.
const HEARTBEAT_MIN: Duration = Duration::from_millis(10);

/// A connection to a Queen who has welcomed this Drone.
pub(super) struct Link {
    pub(super) reader: FrameReader<OwnedReadHalf>,
    pub(super) writer: FrameWriter<OwnedWriteHalf>,
    pub(super) drone: DroneId,
    pub(super) epoch: Epoch,
    pub(super) heartbeat: Duration,
    pub(super) silence: Duration,
}

/// Connects and introduces this Drone.
pub(super) async fn dial(config: &Config, rates: &[Rate<'_>]) -> Result<Link, Trouble> {
    let late = |what: &str, limit: Duration| {
        let text = format!("{what} within {} seconds", limit.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    };
    let stream = timeout(CONNECT, TcpStream::connect(config.queen.as_str())).await;
    let stream =
        stream.unwrap_or_else(|_| Err(late("no answer", CONNECT))).and_then(prepare).map_err(Trouble::Unreachable)?;
    let greeted = timeout(HANDSHAKE, greet(stream, config, rates)).await;
    greeted.unwrap_or_else(|_| Err(Trouble::Unreachable(late("no handshake", HANDSHAKE))))
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    if let Err(error) = bound_unsent(&stream) {
        // Words wait longer behind long results then.
        tracing::debug!(%error, "cannot bound what is unsent");
    }
    Ok(stream)
}

async fn greet(mut stream: TcpStream, config: &Config, rates: &[Rate<'_>]) -> Result<Link, Trouble> {
    stream.write_all(&Preface::ours(Role::Drone).encode()).await.map_err(Trouble::Unreachable)?;
    let preface = read_preface(&mut stream).await.map_err(|error| match error {
        ConnectionError::Preface(PrefaceError::Magic(magic)) if magic == *b"HTTP" => {
            Trouble::Foreign("it speaks HTTP".to_owned())
        }
        ConnectionError::Preface(error) => Trouble::Foreign(error.to_string()),
        ConnectionError::Io(error) => Trouble::Unreachable(error),
        error @ ConnectionError::Frame(_) => Trouble::Foreign(error.to_string()),
    })?;
    if preface.role != Role::Queen {
        return Err(Trouble::Foreign("another Drone answers there".to_owned()));
    }
    if preface.version != VERSION {
        return Err(Trouble::Version(preface.version));
    }
    let (reader, writer) = stream.into_split();
    let (mut reader, mut writer) = (FrameReader::new(reader), FrameWriter::new(writer));

    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)?;
    let hello = FromDrone::Hello {
        name: &config.name,
        software: concat!("hive-drone ", env!("CARGO_PKG_VERSION")),
        seat: config.seat,
        threads: u16::try_from(config.threads.get()).unwrap_or(u16::MAX),
        kinds: vec![Kind::DIGEST].into(),
        rates: rates.to_vec().into(),
        nonce,
    };
    say(&mut writer, &hello).await?;
    let frame = hear(&mut reader).await?;
    let FromQueen::Challenge { .. } = decode(&frame)? else {
        return Err(Trouble::Foreign("no challenge follows this Drone's hello".to_owned()));
    };
    say(&mut writer, &FromDrone::Proof { mac: None }).await?;
    let frame = hear(&mut reader).await?;
    let FromQueen::Welcome { drone, epoch, heartbeat_ms, silence_ms } = decode(&frame)? else {
        return Err(Trouble::Foreign("no welcome follows this Drone's proof".to_owned()));
    };
    let heartbeat = Duration::from_millis(heartbeat_ms.into()).max(HEARTBEAT_MIN);
    // The Queen answers heartbeats, so a shorter silence than between two of them means nothing.
    let silence = Duration::from_millis(silence_ms.into()).max(2 * heartbeat);
    Ok(Link { reader, writer, drone, epoch, heartbeat, silence })
}

async fn say(writer: &mut FrameWriter<OwnedWriteHalf>, message: &FromDrone<'_>) -> Result<(), Trouble> {
    writer.push(message, MAX_HANDSHAKE).map_err(|error| Trouble::Broken(error.to_string()))?;
    // A Queen who refuses may have closed her side already; what she said is read next.
    match writer.flush().await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Trouble::Broken(error.to_string())),
        _ => Ok(()),
    }
}

async fn hear(reader: &mut FrameReader<OwnedReadHalf>) -> Result<Bytes, Trouble> {
    match reader.next(MAX_HANDSHAKE).await {
        Ok(Some(frame)) => Ok(frame),
        Ok(None) => Err(Trouble::Closed),
        Err(ConnectionError::Io(error)) => Err(Trouble::Broken(error.to_string())),
        Err(error) => Err(Trouble::Foreign(error.to_string())),
    }
}

fn decode(frame: &Bytes) -> Result<FromQueen<'_>, Trouble> {
    match frame::decode(frame) {
        Ok(FromQueen::Refused { reason }) => Err(Trouble::Refused(reason.to_owned())),
        Ok(message) => Ok(message),
        Err(error) => Err(Trouble::Foreign(error.to_string())),
    }
}
