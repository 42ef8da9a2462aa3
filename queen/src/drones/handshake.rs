//! From a connection to a Drone that is welcome.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use wire::frame;
use wire::greeting::Greeting;
use wire::handshake::FromQueen;
use wire::preface::{Preface, Role, VERSION};
use wire::proof::MAC_BYTES;

use super::accept::{Accepted, accept};
use super::authentication::Authenticator;
use super::config::{Config, Protection};
use super::disconnect::Disconnect;
use super::frames::{Reader, Writer, hear, read_rest};
use super::hello;
use super::timeouts::{FAREWELL_TIMEOUT, HANDSHAKE_TIMEOUT};
use crate::hive::{Departure, Joined, SharedHive};

/// How long the handshake may take where there is no place, only to hear who it is.
const SPARE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a Drone sends a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Welcomes a Drone, or refuses it with the reason; without a place (`is_spare`) in any case. `None` if it was no
/// Drone: it has been answered.
pub(super) async fn shake(
    socket: TcpStream,
    peer: SocketAddr,
    hive: &SharedHive,
    config: &Config,
    is_spare: bool,
) -> Result<Option<(Reader, Writer, Joined)>, Disconnect> {
    let deadline = Instant::now() + if is_spare { SPARE_TIMEOUT } else { HANDSHAKE_TIMEOUT };
    let accepted = timeout_at(deadline, accept(socket, config)).await.map_err(|_| Disconnect::Slow)?;
    let Some(Accepted { incoming, outgoing, preface, leaf }) = accepted? else { return Ok(None) };
    let mut greeting = Greeting::new(incoming, outgoing, preface, Preface::ours(Role::Queen));
    let welcoming = async {
        check(preface, is_spare)?;
        let authenticator = authenticator(config, leaf)?;
        welcome(&mut greeting, peer, hive, authenticator.as_ref()).await
    };
    let welcomed = timeout_at(deadline, welcoming).await;
    match welcomed.unwrap_or(Err(Disconnect::Slow)) {
        Ok(joined) => Ok(Some((greeting.reader, greeting.writer, joined))),
        Err(disconnect) => {
            if let Some(reason) = disconnect.reason() {
                let refusal = async {
                    greeting.say(&FromQueen::Refused { reason: &reason }).await?;
                    greeting.writer.shutdown().await?;
                    Ok::<_, Disconnect>(())
                };
                // Whoever does not read it does not want to know.
                let _ = timeout(FAREWELL_TIMEOUT, refusal).await;
                read_rest(greeting.reader).await;
            }
            Err(disconnect)
        }
    }
}

/// What a Drone has to prove; nothing on an open port.
fn authenticator(config: &Config, leaf: Option<[u8; 32]>) -> Result<Option<Authenticator<'_>>, Disconnect> {
    match (&config.protection, leaf) {
        (None, _) => Ok(None),
        (Some(Protection { secrets, .. }), Some(leaf)) => Ok(Some(Authenticator { secrets, leaf })),
        (Some(_), None) => {
            let reason =
                "drones are let in here with a join file alone, and speak TLS: start this one with --join FILE";
            Err(Disconnect::Refused(reason.into()))
        }
    }
}

/// Whether one with this preface may say hello.
fn check(preface: Preface, is_spare: bool) -> Result<(), Disconnect> {
    if preface.version != VERSION {
        return Err(Disconnect::Refused(format!(
            "the Queen speaks version {VERSION} of the protocol and this drone version {}: use builds of one version",
            preface.version
        )));
    }
    if preface.role != Role::Drone {
        return Err(Disconnect::Refused("this is a Queen: only drones connect here".into()));
    }
    if is_spare {
        return Err(Disconnect::Refused("every place for drones is taken by one that has work".into()));
    }
    Ok(())
}

/// The handshake behind the Drone's preface.
async fn welcome(
    greeting: &mut Greeting,
    peer: SocketAddr,
    hive: &SharedHive,
    authenticator: Option<&Authenticator<'_>>,
) -> Result<Joined, Disconnect> {
    let body = hear(greeting).await?;
    let mut newcomer = hello::newcomer(&frame::decode(&body)?, peer).map_err(Disconnect::Refused)?;
    let authenticated = match authenticator {
        Some(authenticator) => Some((authenticator, authenticator.challenge(greeting).await?)),
        None => None,
    };
    newcomer.secret = authenticated.as_ref().map(|(_, authenticated)| authenticated.secret);
    let Some(joined) = hive.connect(newcomer).await else {
        return Err(Disconnect::Refused("the Queen has as many drones as she can serve".into()));
    };
    let said = match &authenticated {
        // A revocation ends the connections that are there when it comes. This one may have been on its way.
        Some((authenticator, authenticated)) => match authenticator.check(authenticated.secret) {
            Ok(()) => {
                let welcome = welcome_to(&joined, hive, Some([0; MAC_BYTES]));
                greeting.say_signed(&welcome, Role::Queen, &authenticated.keys).await.map_err(Disconnect::from)
            }
            Err(revoked) => Err(revoked),
        },
        None => greeting.say(&welcome_to(&joined, hive, None)).await.map_err(Disconnect::from),
    };
    match said {
        Ok(()) => Ok(joined),
        Err(error) => {
            hive.gone(joined.link, Departure::Lost).await;
            Err(error)
        }
    }
}

fn welcome_to(joined: &Joined, hive: &SharedHive, mac: Option<[u8; MAC_BYTES]>) -> FromQueen<'static> {
    FromQueen::Welcome {
        drone: joined.link.drone,
        epoch: hive.epoch(),
        heartbeat_ms: HEARTBEAT_INTERVAL.as_millis() as u32,
        silence_ms: hive.timeouts().silence.as_millis() as u32,
        mac,
    }
}
