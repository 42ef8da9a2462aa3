//! From a connection to a Drone that is welcome.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use wire::codec::{FrameReader, FrameWriter};
use wire::frame;
use wire::greeting::{Greeting, Incoming, Outgoing};
use wire::handshake::{FromQueen, Preface, Role, VERSION};
use wire::proof::MAC;

use super::connection::Broken;
use super::door::{Opened, open};
use super::guard::Guard;
use super::speak::FAREWELL;
use super::{Config, Protection, hello};
use crate::hive::{Joined, Parting, SharedHive};

/// How long the handshake may take, and the Drone's first message after it.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// The same where there is no place, to hear who it is.
const SPARE_HANDSHAKE: Duration = Duration::from_secs(2);

/// How often a Drone sends a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What is still read from a peer that is told why the connection ends, in bytes.
const REST: u64 = 1 << 20;

pub(super) type Reader = FrameReader<Incoming>;
pub(super) type Writer = FrameWriter<Outgoing>;

/// Welcomes a Drone, or refuses it with the reason; without a place (`is_spare`) in any case. `None` if it was no
/// Drone: it has been answered.
pub(super) async fn shake(
    socket: TcpStream,
    peer: SocketAddr,
    hive: &SharedHive,
    config: &Config,
    is_spare: bool,
) -> Result<Option<(Reader, Writer, Joined)>, Broken> {
    let deadline = Instant::now() + if is_spare { SPARE_HANDSHAKE } else { HANDSHAKE };
    let opened = timeout_at(deadline, open(socket, config)).await.map_err(|_| Broken::Slow)?;
    let Some(Opened { incoming, outgoing, preface, leaf }) = opened? else { return Ok(None) };
    let mut greeting = Greeting::new(incoming, outgoing, preface, Preface::ours(Role::Queen));
    let welcoming = async {
        check(preface, is_spare)?;
        let guard = guard(config, leaf)?;
        welcome(&mut greeting, peer, hive, guard.as_ref()).await
    };
    let welcomed = timeout_at(deadline, welcoming).await;
    match welcomed.unwrap_or(Err(Broken::Slow)) {
        Ok(joined) => Ok(Some((greeting.reader, greeting.writer, joined))),
        Err(broken) => {
            if let Some(reason) = broken.reason() {
                let refusal = async {
                    greeting.say(&FromQueen::Refused { reason: &reason }).await?;
                    greeting.writer.shutdown().await?;
                    Ok::<_, Broken>(())
                };
                // Whoever does not read it does not want to know.
                let _ = timeout(FAREWELL, refusal).await;
                read_rest(greeting.reader).await;
            }
            Err(broken)
        }
    }
}

/// What a Drone has to prove; nothing on an open port.
fn guard(config: &Config, leaf: Option<[u8; 32]>) -> Result<Option<Guard<'_>>, Broken> {
    match (&config.protection, leaf) {
        (None, _) => Ok(None),
        (Some(Protection { secrets, .. }), Some(leaf)) => Ok(Some(Guard { secrets, leaf })),
        (Some(_), None) => {
            let reason =
                "drones are let in here with a join file alone, and speak TLS: start this one with --join FILE";
            Err(Broken::Refused(reason.into()))
        }
    }
}

/// Reads what a peer still sends, for a little while: closing with unread bytes would reset the
/// connection before the peer has read why.
pub(super) async fn read_rest(reader: Reader) {
    let mut rest = reader.into_inner().take(REST);
    let _ = timeout(FAREWELL, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// Whether one with this preface may say hello.
fn check(preface: Preface, is_spare: bool) -> Result<(), Broken> {
    if preface.version != VERSION {
        return Err(Broken::Refused(format!(
            "the Queen speaks version {VERSION} of the protocol and this drone version {}: use builds of one version",
            preface.version
        )));
    }
    if preface.role != Role::Drone {
        return Err(Broken::Refused("this is a Queen: only drones connect here".into()));
    }
    if is_spare {
        return Err(Broken::Refused("every place for drones is taken by one that has work".into()));
    }
    Ok(())
}

/// The handshake behind the Drone's preface.
async fn welcome(
    greeting: &mut Greeting,
    peer: SocketAddr,
    hive: &SharedHive,
    guard: Option<&Guard<'_>>,
) -> Result<Joined, Broken> {
    let body = hear(greeting).await?;
    let mut newcomer = hello::newcomer(&frame::decode(&body)?, peer).map_err(Broken::Refused)?;
    let admitted = match guard {
        Some(guard) => Some((guard, guard.challenge(greeting).await?)),
        None => None,
    };
    newcomer.secret = admitted.as_ref().map(|(_, admitted)| admitted.secret);
    let Some(joined) = hive.connect(newcomer).await else {
        return Err(Broken::Refused("the Queen has as many drones as she can serve".into()));
    };
    let said = match &admitted {
        // A revocation ends the connections that are there when it comes. This one may have been on its way.
        Some((guard, admitted)) => match guard.check(admitted.secret) {
            Ok(()) => {
                let welcome = welcome_to(&joined, hive, Some([0; MAC]));
                greeting.say_signed(&welcome, Role::Queen, &admitted.keys).await.map_err(Broken::from)
            }
            Err(revoked) => Err(revoked),
        },
        None => greeting.say(&welcome_to(&joined, hive, None)).await.map_err(Broken::from),
    };
    match said {
        Ok(()) => Ok(joined),
        Err(error) => {
            hive.gone(joined.link, Parting::Lost).await;
            Err(error)
        }
    }
}

fn welcome_to(joined: &Joined, hive: &SharedHive, mac: Option<[u8; MAC]>) -> FromQueen<'static> {
    FromQueen::Welcome {
        drone: joined.link.drone,
        epoch: hive.epoch(),
        heartbeat_ms: HEARTBEAT.as_millis() as u32,
        silence_ms: hive.timeouts().silence.as_millis() as u32,
        mac,
    }
}

/// The next message of the handshake.
pub(super) async fn hear(greeting: &mut Greeting) -> Result<Bytes, Broken> {
    let end = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    Ok(greeting.hear().await?.ok_or_else(end)?)
}
