//! From a connection to a Drone that is welcome.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use wire::codec::{FrameReader, FrameWriter};
use wire::frame::{self, MAX_HANDSHAKE};
use wire::handshake::{FromDrone, FromQueen, Preface, Role, VERSION};

use super::connection::Broken;
use super::speak::FAREWELL;
use super::{hello, stranger};
use crate::hive::{Joined, Parting, SharedHive};

/// How long the handshake may take, and the Drone's first message after it.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// The same where there is no place, to hear who it is.
const SPARE_HANDSHAKE: Duration = Duration::from_secs(2);

/// How often a Drone sends a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What is still read from a peer that is told why the connection ends, in bytes.
const REST: u64 = 1 << 20;

pub(super) type Reader = FrameReader<OwnedReadHalf>;
pub(super) type Writer = FrameWriter<OwnedWriteHalf>;

/// Welcomes a Drone, or refuses it with the reason; without a place (`is_spare`) in any case. `None` if it was no
/// Drone: it has been answered.
pub(super) async fn shake(
    mut socket: TcpStream,
    peer: SocketAddr,
    hive: &SharedHive,
    http: SocketAddr,
    is_spare: bool,
) -> Result<Option<(Reader, Writer, Joined)>, Broken> {
    let deadline = Instant::now() + if is_spare { SPARE_HANDSHAKE } else { HANDSHAKE };
    let preface = timeout_at(deadline, stranger::preface(&mut socket, http)).await.map_err(|_| Broken::Slow)?;
    let Some(preface) = preface? else { return Ok(None) };
    let (read, write) = socket.into_split();
    let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
    let welcoming = async {
        check(preface, is_spare)?;
        welcome(&mut reader, &mut writer, peer, hive).await
    };
    let welcomed = timeout_at(deadline, welcoming).await;
    match welcomed.unwrap_or(Err(Broken::Slow)) {
        Ok(joined) => Ok(Some((reader, writer, joined))),
        Err(broken) => {
            if let Some(reason) = broken.reason() {
                let refusal = async {
                    say(&mut writer, &FromQueen::Refused { reason: &reason }).await?;
                    writer.shutdown().await?;
                    Ok::<_, Broken>(())
                };
                // Whoever does not read it does not want to know.
                let _ = timeout(FAREWELL, refusal).await;
                read_rest(reader).await;
            }
            Err(broken)
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
    reader: &mut Reader,
    writer: &mut Writer,
    peer: SocketAddr,
    hive: &SharedHive,
) -> Result<Joined, Broken> {
    let body = hear(reader).await?;
    let newcomer = hello::newcomer(&frame::decode(&body)?, peer).map_err(Broken::Refused)?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)?;
    say(writer, &FromQueen::Challenge { nonce, mac: None }).await?;
    let body = hear(reader).await?;
    let FromDrone::Proof { mac: _ } = frame::decode(&body)? else {
        return Err(Broken::Refused("the second message has to be a proof".into()));
    };
    let Some(joined) = hive.connect(newcomer).await else {
        return Err(Broken::Refused("the Queen has as many drones as she can serve".into()));
    };
    let welcome = FromQueen::Welcome {
        drone: joined.link.drone,
        epoch: hive.epoch(),
        heartbeat_ms: HEARTBEAT.as_millis() as u32,
        silence_ms: hive.patience().silence.as_millis() as u32,
    };
    match say(writer, &welcome).await {
        Ok(()) => Ok(joined),
        Err(error) => {
            hive.gone(joined.link, Parting::Lost).await;
            Err(error)
        }
    }
}

async fn hear(reader: &mut Reader) -> Result<Bytes, Broken> {
    let end = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    Ok(reader.next(MAX_HANDSHAKE).await?.ok_or_else(end)?)
}

async fn say(writer: &mut Writer, message: &FromQueen<'_>) -> Result<(), Broken> {
    writer.push(message, MAX_HANDSHAKE)?;
    Ok(writer.flush().await?)
}
