//! One Drone's connection: handshake, then messages each way. It decides nothing about work.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::List;
use wire::codec::{ConnectionError, FrameReader, FrameWriter};
use wire::frame::{self, FrameError, MAX, MAX_HANDSHAKE};
use wire::handshake::{FromDrone, FromQueen, MAX_NAME, Preface, Role, VERSION};
use wire::ids::{Epoch, LeaseId};
use wire::message::{Lease, ToDrone, ToQueen};

use super::backlog::Backlog;
use super::stranger;
use crate::core::{Ability, Grant, Progress};
use crate::hive::{Joined, Link, Newcomer, Outbound, Parting, SharedHive};
use crate::kinds::{Job, Part, Rejected};

/// How long the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How often a Drone sends a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the last messages may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// A frame of leases is closed when it holds so many bytes of inputs.
const FRAME_BYTES: usize = 256 << 10;

/// Room for so many messages is kept while there is none to send.
const ROUND_KEPT: usize = 16;

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
    let FromDrone::Hello { name, software, instance, threads, kinds, nonce: _ } = frame::decode(&body)? else {
        return refuse(writer, "the first message has to be a hello".into()).await;
    };
    if threads == 0 || name.is_empty() || name.len() > MAX_NAME {
        let reason = format!("a drone needs a name of 1 to {MAX_NAME} bytes and at least one thread");
        return refuse(writer, reason).await;
    }
    let kinds = kinds.0.iter().map(|rate| (rate.kind.0, rate.compressions_per_second)).collect();
    let newcomer = Newcomer {
        name: printable(name),
        instance,
        address: peer.to_string(),
        software: printable(software),
        ability: Ability { threads, kinds },
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
fn printable(text: &str) -> String {
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
                hive.failed(link, lease, printable(reason), alive).await;
            }
            ToQueen::Failed { .. } => {}
            ToQueen::Offer { .. } => return Err(Broken::NoOffer),
            ToQueen::HandBack { leases } => hive.hand_back(link, ours(leases.0)),
            ToQueen::Heartbeat { progress, rates: _, compressions, busy_ns } => {
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

/// Sends what there is for the Drone, until a goodbye is sent.
async fn speak(
    mut writer: FrameWriter<OwnedWriteHalf>,
    mut outbox: mpsc::Receiver<Outbound>,
    (mut stored, mut answers): (watch::Receiver<u64>, mpsc::Receiver<()>),
    link: Link,
    hive: &SharedHive,
) -> Result<(), Broken> {
    let (mut backlog, mut round) = (Backlog::default(), Vec::new());
    loop {
        if backlog.is_empty() {
            round.shrink_to(ROUND_KEPT);
            tokio::select! {
                message = outbox.recv() => match message {
                    Some(message) => backlog.push(message),
                    None => return Ok(()),
                },
                Some(()) = answers.recv() => writer.push(&ToDrone::Heartbeat, MAX)?,
                Ok(()) = stored.changed() => stored.mark_changed(),
            }
            // Whoever is about to say something more to this Drone goes first: it shares the write.
            tokio::task::yield_now().await;
        }
        if answers.try_recv().is_ok() {
            writer.push(&ToDrone::Heartbeat, MAX)?;
        }
        while backlog.has_room()
            && let Ok(message) = outbox.try_recv()
        {
            backlog.push(message);
        }
        if stored.has_changed().unwrap_or_default() {
            let outputs = *stored.borrow_and_update();
            writer.push(&ToDrone::Stored { outputs }, MAX)?;
        }
        backlog.take(&mut round);
        let goodbye = round.iter().position(|message| matches!(message, Outbound::Goodbye(_)));
        write(&mut writer, &round[..goodbye.map_or(round.len(), |at| at + 1)], link, hive).await?;
        if goodbye.is_some() {
            let farewell = async {
                writer.flush().await?;
                writer.shutdown().await
            };
            return match timeout(FAREWELL, farewell).await {
                Ok(ended) => Ok(ended?),
                Err(_) => Ok(()),
            };
        }
        writer.flush().await?;
        round.clear();
    }
}

/// Turns messages into frames; neighbouring leases share one.
async fn write(
    writer: &mut FrameWriter<OwnedWriteHalf>,
    round: &[Outbound],
    link: Link,
    hive: &SharedHive,
) -> Result<(), Broken> {
    let mut leases = Vec::new();
    let mut bytes = 0;
    for message in round {
        if let Outbound::Lease(grant, job) = message {
            let part = match hive.inputs(&job.inputs, &grant.range).await {
                Ok(inputs) => job.part(inputs),
                Err(error) => {
                    tracing::error!(task = %grant.task, %error, "inputs cannot be read");
                    hive.spoiled(link, grant.lease, error.to_string()).await;
                    continue;
                }
            };
            if bytes + part.bytes() > FRAME_BYTES {
                send_leases(writer, &mut leases, hive).await?;
                bytes = 0;
            }
            bytes += part.bytes();
            leases.push(Pending { grant, job, part });
            continue;
        }
        send_leases(writer, &mut leases, hive).await?;
        bytes = 0;
        match message {
            Outbound::Lease(..) => {}
            Outbound::Shrink { lease, end } => {
                writer.push(&ToDrone::Shrink { lease: *lease, epoch: hive.epoch(), end: *end }, MAX)?;
            }
            Outbound::Adopted(leases) => {
                writer.push(&ToDrone::Adopted { leases: List(leases.clone()) }, MAX)?;
            }
            Outbound::Drain => writer.push(&ToDrone::Drain, MAX)?,
            Outbound::Goodbye(reason) => writer.push(&ToDrone::Goodbye { reason }, MAX)?,
        }
    }
    send_leases(writer, &mut leases, hive).await
}

/// A lease on its way into a frame.
struct Pending<'a> {
    grant: &'a Grant,
    job: &'a Job,
    part: Part<'a>,
}

impl Pending<'_> {
    fn lease(&self, epoch: Epoch) -> Lease<'_> {
        Lease {
            id: self.grant.lease,
            epoch,
            task: self.grant.task,
            instance: self.job.instance(),
            priority: self.grant.priority,
            rank: self.grant.rank,
            from: self.grant.range.start,
            to: self.grant.range.end,
            chunk: self.part.chunk(),
        }
    }
}

async fn send_leases(
    writer: &mut FrameWriter<OwnedWriteHalf>,
    pending: &mut Vec<Pending<'_>>,
    hive: &SharedHive,
) -> Result<(), Broken> {
    if pending.is_empty() {
        return Ok(());
    }
    let leases = List(pending.iter().map(|pending| pending.lease(hive.epoch())).collect());
    writer.push(&ToDrone::Work { leases }, MAX)?;
    pending.clear();
    if writer.pending() > FRAME_BYTES {
        writer.flush().await?;
    }
    Ok(())
}
