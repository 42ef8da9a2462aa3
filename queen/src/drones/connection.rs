//! One Drone's connection: handshake, then messages each way. It decides nothing about work.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::codec::{ConnectionError, FrameReader, FrameWriter};
use wire::frame::{self, FrameError, MAX, MAX_HANDSHAKE};
use wire::handshake::{FromDrone, FromQueen, Preface, Role, VERSION};
use wire::ids::{Epoch, LeaseId};
use wire::message::{MAX_REASON, ToQueen};

use super::speak::{FAREWELL, speak};
use super::{hello, stranger};
use crate::core::Progress;
use crate::hive::{Joined, Link, Parting, SharedHive};
use crate::kinds::Rejected;

/// How long the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How often a Drone sends a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Why a Drone's connection ended other than by its own wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("{0}")]
    Rejected(#[from] Rejected),
    #[error("the handshake took longer than {} s", HANDSHAKE.as_secs())]
    Slow,
    #[error("a drone's first message has to be an offer, and only that")]
    NoOffer,
    #[error("refused: {0}")]
    Refused(String),
    #[error("the system has no randomness to give: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Connection(error.into())
    }
}

impl From<FrameError> for Broken {
    fn from(error: FrameError) -> Self {
        Self::Connection(error.into())
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    mut socket: TcpStream,
    peer: SocketAddr,
    hive: &SharedHive,
    http: SocketAddr,
    shutdown: CancellationToken,
) -> Result<(), Broken> {
    let handshake = async {
        let Some(preface) = stranger::preface(&mut socket, http).await? else { return Ok(None) };
        let (read, write) = socket.into_split();
        let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
        let joined = welcome(&mut reader, &mut writer, preface, peer, hive).await?;
        Ok::<_, Broken>(Some((reader, writer, joined)))
    };
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE, handshake) => handshake.map_err(|_| Broken::Slow)??,
        () = shutdown.cancelled() => return Ok(()),
    };
    let Some((reader, writer, joined)) = handshake else { return Ok(()) };
    let Joined { link, outbox, stored, closed } = joined;
    let answers = mpsc::channel(4);
    let speaking = speak(writer, outbox, (stored, answers.1), link, hive);
    tokio::pin!(speaking);
    let result = tokio::select! {
        ended = listen(reader, link, hive, answers.0) => ended,
        ended = &mut speaking => ended.map(|()| Parting::Left),
        () = closed.cancelled() => {
            // What there is to say may be a goodbye.
            let _ = timeout(FAREWELL, speaking).await;
            Ok(Parting::Lost)
        }
    };
    hive.gone(link, *result.as_ref().unwrap_or(&Parting::Lost)).await;
    result.map(drop)
}

/// The handshake behind the Drone's preface.
async fn welcome(
    reader: &mut FrameReader<OwnedReadHalf>,
    writer: &mut FrameWriter<OwnedWriteHalf>,
    preface: Preface,
    peer: SocketAddr,
    hive: &SharedHive,
) -> Result<Joined, Broken> {
    if preface.version != VERSION {
        let reason = format!(
            "the Queen speaks version {VERSION} of the protocol and this drone version {}: use builds of one version",
            preface.version
        );
        return refuse(writer, reason).await;
    }
    if preface.role != Role::Drone {
        return refuse(writer, "this is a Queen: only drones connect here".into()).await;
    }
    let body = expect(reader).await?;
    let newcomer = match hello::newcomer(&frame::decode(&body)?, peer) {
        Ok(newcomer) => newcomer,
        Err(reason) => return refuse(writer, reason).await,
    };
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)?;
    say(writer, &FromQueen::Challenge { nonce, mac: None }).await?;
    let body = expect(reader).await?;
    let FromDrone::Proof { mac: _ } = frame::decode(&body)? else {
        return refuse(writer, "the second message has to be a proof".into()).await;
    };
    let Some(joined) = hive.connect(newcomer).await else {
        return refuse(writer, "the Queen has as many drones as she can serve".into()).await;
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

async fn expect(reader: &mut FrameReader<OwnedReadHalf>) -> Result<Bytes, Broken> {
    let end = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    Ok(reader.next(MAX_HANDSHAKE).await?.ok_or_else(end)?)
}

async fn say(writer: &mut FrameWriter<OwnedWriteHalf>, message: &FromQueen<'_>) -> Result<(), Broken> {
    writer.push(message, MAX_HANDSHAKE)?;
    Ok(writer.flush().await?)
}

async fn refuse<T>(writer: &mut FrameWriter<OwnedWriteHalf>, reason: String) -> Result<T, Broken> {
    say(writer, &FromQueen::Refused { reason: &reason }).await?;
    writer.shutdown().await?;
    Err(Broken::Refused(reason))
}

/// A peer's text for the console and the page.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// Takes in what the Drone says, until it closes the connection.
async fn listen(
    mut reader: FrameReader<OwnedReadHalf>,
    link: Link,
    hive: &SharedHive,
    answers: mpsc::Sender<()>,
) -> Result<Parting, Broken> {
    let mut parting = Parting::Lost;
    let ours = |leases: Vec<(LeaseId, Epoch)>| {
        leases.into_iter().filter(|(_, epoch)| *epoch == hive.epoch()).map(|(lease, _)| lease).collect()
    };
    let alive = || {
        // A Drone that does not read its answers gets fewer.
        let _ = answers.try_send(());
    };
    let offer = timeout(HANDSHAKE, reader.next(MAX)).await.map_err(|_| Broken::Slow)??;
    let Some(offer) = offer else { return Ok(parting) };
    let ToQueen::Offer { leases } = frame::decode(&offer)? else { return Err(Broken::NoOffer) };
    hive.offer(link, leases.0, alive).await;
    let mut received = 0;
    while let Some(frame) = reader.next(MAX).await? {
        match frame::decode(&frame)? {
            ToQueen::Outputs { outputs } => {
                received += outputs.0.len() as u64;
                hive.outputs(link, &frame, &outputs.0, received, alive).await?;
            }
            ToQueen::Failed { lease, epoch, reason } if epoch == hive.epoch() => {
                let reason = printable(&reason[..reason.floor_char_boundary(MAX_REASON)]);
                hive.failed(link, lease, reason, alive).await;
            }
            ToQueen::Failed { .. } => {}
            ToQueen::Offer { .. } => return Err(Broken::NoOffer),
            ToQueen::HandBack { leases } => hive.hand_back(link, ours(leases.0)),
            ToQueen::Heartbeat { progress, compressions, busy_ns } => {
                let ours = progress.0.iter().filter(|progress| progress.epoch == hive.epoch());
                let progress = ours.map(|p| Progress { lease: p.lease, reached: p.reached, begun: p.begun }).collect();
                hive.heartbeat(link, progress, compressions, busy_ns);
                alive();
            }
            ToQueen::Leaving => {
                parting = Parting::Left;
                hive.leaving(link);
            }
        }
    }
    Ok(parting)
}
