//! From an address to a connection on which work may come: TCP, TLS if there is a join file, prefaces, handshake.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::codec::{ConnectionError, FrameReader, FrameWriter, bound_unsent, read_preface};
use wire::frame;
use wire::greeting::{Greeting, Incoming, Outgoing};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{DroneId, Epoch};
use wire::preface::{Preface, PrefaceError, Role, VERSION};
use wire::proof::{Keys, MAC_BYTES};
use wire::work::Kind;

use super::outage::{Outage, Untrusted};
use super::tls::{Secured, secure};
use crate::config::Config;
use crate::join::Join;
use crate::session::MAX_MATERIAL_BYTES;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two keepalives of TCP: the operating system notices a dead peer after about a minute, should all else fail.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Heartbeats are not sent more often than this, whatever the Queen asks for.
const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_millis(10);

/// A connection to a Queen who has welcomed this Drone.
pub(super) struct Welcome {
    pub(super) reader: FrameReader<Incoming>,
    pub(super) writer: FrameWriter<Outgoing>,
    pub(super) drone: DroneId,
    pub(super) epoch: Epoch,
    pub(super) timing: Timing,
}

/// How often the two say something, as the Queen asks for it.
pub(super) struct Timing {
    /// Between two heartbeats of this Drone.
    pub(super) heartbeat: Duration,
    /// After so long a silence of the Queen the connection is given up.
    pub(super) silence: Duration,
}

/// Connects and introduces this Drone.
pub(super) async fn dial(config: &Config, rates: &[Rate<'_>]) -> Result<Welcome, Outage> {
    let late = |what: &str, limit: Duration| {
        let text = format!("{what} within {} seconds", limit.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    };
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(config.queen.as_str())).await;
    let stream = stream
        .unwrap_or_else(|_| Err(late("no answer", CONNECT_TIMEOUT)))
        .and_then(prepare)
        .map_err(Outage::Unreachable)?;
    let greeted = timeout(HANDSHAKE_TIMEOUT, greet(stream, config, rates)).await;
    greeted.unwrap_or_else(|_| Err(Outage::Unreachable(late("no handshake", HANDSHAKE_TIMEOUT))))
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_INTERVAL).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    if let Err(error) = bound_unsent(&stream) {
        // Words wait longer behind long results then.
        tracing::debug!(%error, "cannot bound what is unsent");
    }
    Ok(stream)
}

async fn greet(stream: TcpStream, config: &Config, rates: &[Rate<'_>]) -> Result<Welcome, Outage> {
    let Secured { mut incoming, mut outgoing, keys } = secure(stream, config.join.as_ref()).await?;
    let ours = Preface::ours(Role::Drone);
    outgoing.write_all(&ours.encode()).await.map_err(Outage::Unreachable)?;
    outgoing.flush().await.map_err(Outage::Unreachable)?;
    let preface = read_preface(&mut incoming).await.map_err(|error| match error {
        ConnectionError::Preface(PrefaceError::Magic(magic)) if magic == *b"HTTP" => {
            Outage::Foreign("it speaks HTTP".to_owned())
        }
        ConnectionError::Preface(error) => Outage::Foreign(error.to_string()),
        ConnectionError::Io(error) => Outage::Unreachable(error),
        error @ ConnectionError::Frame(_) => Outage::Foreign(error.to_string()),
    })?;
    if preface.role != Role::Queen {
        return Err(Outage::Foreign("another Drone answers there".to_owned()));
    }
    if preface.version != VERSION {
        return Err(Outage::Version(preface.version));
    }
    let mut greeting = Greeting::new(incoming, outgoing, ours, preface);
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)?;
    let hello = FromDrone::Hello {
        name: &config.name,
        software: concat!("hive-drone ", env!("CARGO_PKG_VERSION")),
        seat: config.seat,
        threads: u16::try_from(config.threads.get()).unwrap_or(u16::MAX),
        kinds: vec![Kind::DIGEST, Kind::SEARCH].into(),
        rates: rates.to_vec().into(),
        material: MAX_MATERIAL_BYTES as u64,
        nonce,
    };
    said(greeting.say(&hello).await)?;
    let proof = config.join.as_ref().zip(keys);
    if let Some((join, keys)) = &proof {
        challenged(&mut greeting, join, keys).await?;
    }
    let frame = hear(&mut greeting).await?;
    match decode(&frame)? {
        FromQueen::Welcome { drone, epoch, heartbeat_ms, silence_ms, mac } => {
            if let Some((_, keys)) = &proof
                && !mac.is_some_and(|mac| greeting.proves(&mac, Role::Queen, keys))
            {
                return Err(Untrusted::Unproven.into());
            }
            let heartbeat = Duration::from_millis(heartbeat_ms.into()).max(MIN_HEARTBEAT_INTERVAL);
            // The Queen answers heartbeats, so a shorter silence than between two of them means nothing.
            let silence = Duration::from_millis(silence_ms.into()).max(2 * heartbeat);
            let Greeting { reader, writer, .. } = greeting;
            Ok(Welcome { reader, writer, drone, epoch, timing: Timing { heartbeat, silence } })
        }
        FromQueen::Challenge { .. } if proof.is_none() => Err(Untrusted::NoJoinFile.into()),
        _ => Err(Outage::Foreign("no welcome follows what this Drone said".to_owned())),
    }
}

/// Waits for the Queen's challenge, and proves that this Drone knows the secret.
async fn challenged(greeting: &mut Greeting, join: &Join, keys: &Keys) -> Result<(), Outage> {
    let frame = hear(greeting).await?;
    match decode(&frame)? {
        FromQueen::Challenge { .. } => {
            let proof = FromDrone::Proof { secret: &join.name, mac: [0; MAC_BYTES] };
            said(greeting.say_signed(&proof, Role::Drone, keys).await)
        }
        _ => Err(Untrusted::NoChallenge.into()),
    }
}

/// A Queen who refuses may have closed her side already; what she said is read next.
fn said(result: Result<(), ConnectionError>) -> Result<(), Outage> {
    match result {
        Err(ConnectionError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

async fn hear(greeting: &mut Greeting) -> Result<Bytes, Outage> {
    match greeting.hear().await {
        Ok(Some(frame)) => Ok(frame),
        Ok(None) => Err(Outage::Closed),
        Err(error @ ConnectionError::Io(_)) => Err(error.into()),
        Err(error) => Err(Outage::Foreign(error.to_string())),
    }
}

fn decode(frame: &Bytes) -> Result<FromQueen<'_>, Outage> {
    match frame::decode(frame) {
        Ok(FromQueen::Refused { reason }) => Err(Outage::Refused(reason.to_owned())),
        Ok(message) => Ok(message),
        Err(error) => Err(Outage::Foreign(error.to_string())),
    }
}
