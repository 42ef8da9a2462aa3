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
use wire::codec::{ConnectionError, READ_BYTES};
use wire::frame::{self, MAX_TO_QUEEN};
use wire::ids::{Epoch, LeaseId};
use wire::message::{MAX_REASON, ToQueen};

use super::config::Config;
use super::disconnect::Disconnect;
use super::frames::{Reader, read_rest};
use super::handshake;
use super::sending::send;
use super::sent_material::SentMaterial;
use super::text::printable;
use super::timeouts::{FAREWELL_TIMEOUT, HANDSHAKE_TIMEOUT};
use crate::core::LeaseProgress;
use crate::hive::{Departure, Joined, Link, SharedHive};

/// Serves one connection until it ends.
pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    hive: &SharedHive,
    config: &Config,
    place: &Place,
    shutdown: CancellationToken,
) -> Result<(), Disconnect> {
    let welcomed = tokio::select! {
        welcomed = handshake::shake(socket, peer, hive, config, place.is_spare()) => welcomed?,
        () = place.lost() => return Err(Disconnect::Displaced),
        () = shutdown.cancelled() => return Ok(()),
    };
    let Some((mut reader, writer, joined)) = welcomed else { return Ok(()) };
    if config.protection.is_some() {
        // From now on nobody who knows no secret can take this connection's place.
        place.admit();
    }
    let Joined { link, outbox, stored, closed, keeps } = joined;
    let (answers, (breach, reasons), (material_sender, material)) =
        (mpsc::channel(4), oneshot::channel(), oneshot::channel());
    let sending = send(writer, outbox, (stored, answers.1, reasons), material, link, (hive, place));
    tokio::pin!(sending);
    let (result, is_sending) = tokio::select! {
        ended = receive(&mut reader, (link, keeps), (hive, place), answers.0, material_sender) => (cut_off(ended), true),
        ended = &mut sending => (ended.map(|()| Departure::Left), false),
        () = closed.cancelled() => {
            // What there is to say may be a goodbye.
            let _ = timeout(FAREWELL_TIMEOUT, &mut sending).await;
            (Ok(Departure::Lost), false)
        }
        () = place.lost() => (Err(Disconnect::Displaced), true),
    };
    hive.gone(link, *result.as_ref().unwrap_or(&Departure::Lost)).await;
    if let Err(disconnect) = &result
        && is_sending
        && let Some(reason) = disconnect.reason()
        && breach.send(reason).is_ok()
    {
        let _ = timeout(FAREWELL_TIMEOUT, sending).await;
        read_rest(reader).await;
    }
    result.map(drop)
}

/// A Drone that was killed ends its connection without the farewell that TLS wants, or in the middle of a frame. It is
/// lost, which is told as that.
fn cut_off(ended: Result<Departure, Disconnect>) -> Result<Departure, Disconnect> {
    match ended {
        Err(Disconnect::Connection(ConnectionError::Io(error))) if error.kind() == ErrorKind::UnexpectedEof => {
            Ok(Departure::Lost)
        }
        ended => ended,
    }
}

/// A frame, and the room that it takes.
struct Heard {
    body: Bytes,
    _room: Option<Reservation>,
}

/// The next frame; room is taken before it is read. While there is none, the Drone waits.
async fn hear(
    reader: &mut Reader,
    link: Link,
    hive: &SharedHive,
    waiting: impl Fn(),
) -> Result<Option<Heard>, Disconnect> {
    let Some(size) = reader.announced(MAX_TO_QUEEN).await? else { return Ok(None) };
    // Short ones have been read already, or all but.
    let room = if size > READ_BYTES { Some(hive.room_for_frame(link, size, waiting).await) } else { None };
    let body = reader.next(MAX_TO_QUEEN).await?;
    Ok(body.map(|body| Heard { body, _room: room }))
}

/// Takes in what the Drone says, which keeps so many bytes of material, until it closes the connection.
async fn receive(
    reader: &mut Reader,
    (link, keeps): (Link, u64),
    (hive, place): (&SharedHive, &Place),
    answers: mpsc::Sender<()>,
    material_sender: oneshot::Sender<SentMaterial>,
) -> Result<Departure, Disconnect> {
    let mut departure = Departure::Lost;
    let ours = |leases: Vec<(LeaseId, Epoch)>| {
        leases.into_iter().filter(|(_, epoch)| *epoch == hive.epoch()).map(|(lease, _)| lease).collect()
    };
    let alive = || {
        // A Drone that does not read its answers gets fewer.
        let _ = answers.try_send(());
    };
    let offer = timeout(HANDSHAKE_TIMEOUT, hear(reader, link, hive, alive)).await.map_err(|_| Disconnect::Slow)??;
    let Some(offer) = offer else { return Ok(departure) };
    let ToQueen::Offer { leases, material } = frame::decode(&offer.body)? else { return Err(Disconnect::NoOffer) };
    // Whoever sends may have ended already.
    let _ = material_sender.send(SentMaterial::new(keeps, &material.0)?);
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
            ToQueen::Offer { .. } => return Err(Disconnect::NoOffer),
            ToQueen::HandBack { leases } => hive.hand_back(link, ours(leases.0)),
            ToQueen::Heartbeat { progress, compressions, busy_ns } => {
                let ours = progress.0.iter().filter(|progress| progress.epoch == hive.epoch());
                let progress =
                    ours.map(|p| LeaseProgress { lease: p.lease, reached: p.reached, begun: p.begun }).collect();
                hive.heartbeat(link, progress, compressions, busy_ns);
                hive.tell_load(link, report);
                alive();
            }
            ToQueen::Leaving => {
                departure = Departure::Left;
                hive.leaving(link);
            }
        }
    }
    Ok(departure)
}
