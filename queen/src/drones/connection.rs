//! One Drone's connection: messages each way after the handshake. It decides nothing about work.
//! A Drone that breaks the protocol is told so before the connection ends.

use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use web::budget::Reservation;
use web::places::{Activity, Place};
use wire::codec::{ConnectionError, READ};
use wire::frame::{self, FrameError, MAX_TO_QUEEN};
use wire::ids::{Epoch, LeaseId};
use wire::message::{MAX_REASON, ToQueen};

use super::Config;
use super::handshake::{self, HANDSHAKE, Reader};
use super::speak::{FAREWELL, speak};
use crate::core::Progress;
use crate::hive::{Breach, Joined, Link, Parting, SharedHive};

/// Why a Drone's connection ended other than by its own wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Breach(#[from] Breach),
    #[error("the handshake and the first message may take {} seconds each", HANDSHAKE.as_secs())]
    Slow,
    #[error("the first message after the handshake has to be an offer, and no other one may be")]
    NoOffer,
    #[error("{0}")]
    Refused(String),
    #[error("every place for drones is taken, and it has no work: its place went to another connection")]
    Displaced,
    #[error("TLS did not come about: {0}")]
    Tls(std::io::Error),
    #[error("the system has no randomness to give: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl Broken {
    /// Whether somebody was not let in, or does not believe that this is its Queen. Who only vanishes in the middle
    /// of TLS is no such one.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Tls(error) => error.kind() == ErrorKind::InvalidData,
            _ => false,
        }
    }

    /// What the peer is told, if it was its fault.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Connection(ConnectionError::Io(_)) | Self::Tls(_) | Self::Randomness(_) => None,
            _ => Some(self.to_string()),
        }
    }
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
    socket: TcpStream,
    peer: SocketAddr,
    hive: &SharedHive,
    config: &Config,
    place: &Place,
    shutdown: CancellationToken,
) -> Result<(), Broken> {
    let welcomed = tokio::select! {
        welcomed = handshake::shake(socket, peer, hive, config, place.is_spare()) => welcomed?,
        () = place.lost() => return Err(Broken::Displaced),
        () = shutdown.cancelled() => return Ok(()),
    };
    let Some((mut reader, writer, joined)) = welcomed else { return Ok(()) };
    if config.protection.is_some() {
        // Who knows no secret takes no place from who does.
        place.admit();
    }
    let Joined { link, outbox, stored, closed } = joined;
    let (answers, (breach, reasons)) = (mpsc::channel(4), oneshot::channel());
    let speaking = speak(writer, outbox, (stored, answers.1, reasons), link, (hive, place));
    tokio::pin!(speaking);
    let (result, is_speaking) = tokio::select! {
        ended = listen(&mut reader, link, (hive, place), answers.0) => (cut_off(ended), true),
        ended = &mut speaking => (ended.map(|()| Parting::Left), false),
        () = closed.cancelled() => {
            // What there is to say may be a goodbye.
            let _ = timeout(FAREWELL, &mut speaking).await;
            (Ok(Parting::Lost), false)
        }
        () = place.lost() => (Err(Broken::Displaced), true),
    };
    hive.gone(link, *result.as_ref().unwrap_or(&Parting::Lost)).await;
    if let Err(broken) = &result
        && is_speaking
        && let Some(reason) = broken.reason()
        && breach.send(reason).is_ok()
    {
        let _ = timeout(FAREWELL, speaking).await;
        handshake::read_rest(reader).await;
    }
    result.map(drop)
}

/// A Drone that was killed ends its connection without the farewell that TLS wants, or in the middle of a frame. It is
/// lost, which is told as that.
fn cut_off(ended: Result<Parting, Broken>) -> Result<Parting, Broken> {
    match ended {
        Err(Broken::Connection(ConnectionError::Io(error))) if error.kind() == ErrorKind::UnexpectedEof => {
            Ok(Parting::Lost)
        }
        ended => ended,
    }
}

/// A peer's text for the console and the page.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// A frame, and the room that it takes.
struct Heard {
    body: Bytes,
    _room: Option<Reservation>,
}

/// The next frame; room is taken before it is read. While there is none, the Drone waits.
async fn hear(reader: &mut Reader, link: Link, hive: &SharedHive, waiting: impl Fn()) -> Result<Option<Heard>, Broken> {
    let Some(size) = reader.announced(MAX_TO_QUEEN).await? else { return Ok(None) };
    // Short ones have been read already, or all but.
    let room = if size > READ { Some(hive.room_for_frame(link, size, waiting).await) } else { None };
    let body = reader.next(MAX_TO_QUEEN).await?;
    Ok(body.map(|body| Heard { body, _room: room }))
}

/// Takes in what the Drone says, until it closes the connection.
async fn listen(
    reader: &mut Reader,
    link: Link,
    (hive, place): (&SharedHive, &Place),
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
    let offer = timeout(HANDSHAKE, hear(reader, link, hive, alive)).await.map_err(|_| Broken::Slow)??;
    let Some(offer) = offer else { return Ok(parting) };
    let ToQueen::Offer { leases } = frame::decode(&offer.body)? else { return Err(Broken::NoOffer) };
    hive.offer(link, leases.0, alive).await?;
    drop(offer);
    let report = |has_leases| place.set(if has_leases { Activity::Working } else { Activity::Idle });
    hive.tell_load(link, report);
    let mut received = 0;
    while let Some(frame) = hear(reader, link, hive, alive).await? {
        let frame = &frame.body;
        match frame::decode(frame)? {
            ToQueen::Outputs { outputs } => {
                received += outputs.0.len() as u64;
                hive.outputs(link, frame, &outputs.0, received, alive).await?;
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
                hive.tell_load(link, report);
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
