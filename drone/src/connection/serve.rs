//! Working for a Queen over one connection.
//!
//! One task reads, decides and keeps time; another one writes, so that neither waits for the
//! other. Between the two stands a short channel. What is on its way when the connection dies
//! is not lost: the session keeps results until the Queen says that they are stored.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{self, MissedTickBehavior, sleep_until, timeout};
use wire::codec::{ConnectionError, FrameReader, FrameWriter};
use wire::frame::{self, MAX_TO_DRONE, MAX_TO_QUEEN};
use wire::greeting::{Incoming, Outgoing};
use wire::message::ToDrone;

use super::dial::{Timing, Welcome};
use super::outage::Outage;
use super::worker::{Worker, next_reports};
use crate::console::story;
use crate::session::Message;

/// Messages that may be between the deciding and the writing task; few, since nothing overtakes them there.
const WRITER_QUEUE: usize = 1;

/// Bytes that the writer gathers before it writes them.
const GATHER_BYTES: usize = 256 << 10;

/// A Drone that leaves waits this long until what it has said is stored.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The Queen has this long to take the last words.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// A time that never comes, for a timer that is not set yet.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// How a connection ended.
pub(super) enum Departure {
    /// The Drone was asked to leave, and has.
    Left,
    Lost(Outage),
}

/// The connection as the deciding task has it.
struct Transport {
    reader: FrameReader<Incoming>,
    to_writer: mpsc::Sender<Message>,
    writing: JoinSet<Result<(), ConnectionError>>,
}

/// Works until the Drone is asked to leave or the connection is lost.
pub(super) async fn serve(welcome: Welcome, worker: &mut Worker<'_>) -> Departure {
    let (to_writer, messages) = mpsc::channel(WRITER_QUEUE);
    let mut writing = JoinSet::new();
    writing.spawn(write(welcome.writer, messages));
    let mut transport = Transport { reader: welcome.reader, to_writer, writing };
    worker.session.connected(welcome.epoch);
    let outcome = transport.work(&welcome.timing, worker).await;
    let departure = match outcome {
        Err(outage) if worker.session.is_leaving() => {
            tracing::warn!("The Queen went away before this Drone did: {outage}");
            worker.abandon();
            Departure::Left
        }
        Err(outage) => Departure::Lost(outage),
        Ok(()) => {
            transport.farewell(worker).await;
            Departure::Left
        }
    };
    worker.session.disconnected();
    departure
}

impl Transport {
    /// Returns when nothing is left to do before leaving, but perhaps something to say.
    async fn work(&mut self, timing: &Timing, worker: &mut Worker<'_>) -> Result<(), Outage> {
        let to_writer = self.to_writer.clone();
        let shutdown = worker.shutdown;
        let mut heard = time::Instant::now();
        let mut heartbeat = time::interval(timing.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reports = Vec::new();
        let (silence, stored) = (pin!(sleep_until(heard + timing.silence)), pin!(sleep_until(heard + FOREVER)));
        let (drain, now) = (pin!(shutdown.drain.cancelled()), pin!(shutdown.now.cancelled()));
        let (mut silence, mut stored, mut drain, mut now) = (silence, stored, drain, now);
        let mut is_waiting = false;

        while !worker.session.is_over() {
            if worker.session.is_said() && !is_waiting {
                is_waiting = true;
                stored.as_mut().reset(time::Instant::now() + RECEIPT_TIMEOUT);
            }
            tokio::select! {
                frame = self.reader.next(MAX_TO_DRONE), if worker.session.listens() => {
                    let frame = frame?.ok_or(Outage::Closed)?;
                    heard = time::Instant::now();
                    hear(&frame, worker)?;
                }
                permit = to_writer.reserve(), if worker.session.has_messages() => {
                    let Ok(permit) = permit else { return Err(self.why_unwritten().await) };
                    if let Some(message) = worker.session.next_message() {
                        permit.send(message);
                    }
                }
                () = next_reports(&mut worker.reports, &mut reports), if worker.session.takes_reports() => {
                    worker.receive(&mut reports);
                }
                _ = heartbeat.tick() => worker.heartbeat(),
                _ = worker.story.tick() => worker.narrator.tick(Instant::now()),
                () = &mut silence => {
                    if heard.elapsed() >= timing.silence {
                        return Err(Outage::Silent(timing.silence));
                    }
                    silence.as_mut().reset(heard + timing.silence);
                }
                () = &mut drain, if !worker.session.is_leaving() => worker.drain(),
                () = &mut now => { worker.give_up(); break }
                () = &mut stored => {
                    tracing::warn!("Left before the Queen had stored everything");
                    break
                }
            }
        }
        Ok(())
    }

    /// Says what is left to say. Reading goes on meanwhile: closing a socket with unread
    /// bytes resets it, and the Queen could lose what she has not read yet.
    async fn farewell(self, worker: &mut Worker<'_>) {
        let Self { mut reader, to_writer, mut writing } = self;
        let leave = async {
            say(worker, &to_writer).await;
            // Before she has answered the offer there is little that she may be told.
            while !worker.session.is_open()
                && let Ok(Some(frame)) = reader.next(MAX_TO_DRONE).await
                && hear(&frame, worker).is_ok()
            {}
            let say = async {
                say(worker, &to_writer).await;
                drop(to_writer);
                writing.join_next().await;
            };
            let hear = async { while let Ok(Some(_)) = reader.next(MAX_TO_DRONE).await {} };
            tokio::join!(say, hear);
        };
        if timeout(FAREWELL_TIMEOUT, leave).await.is_err() {
            tracing::warn!("The Queen did not take leave in time");
        }
    }

    /// Why the writing task has ended.
    async fn why_unwritten(&mut self) -> Outage {
        match self.writing.join_next().await {
            Some(Ok(Err(error))) => error.into(),
            Some(Err(error)) => Outage::Broken(error.to_string()),
            Some(Ok(Ok(()))) | None => Outage::Closed,
        }
    }
}

/// Says what may be said at present.
async fn say(worker: &mut Worker<'_>, to_writer: &mpsc::Sender<Message>) {
    while let Some(message) = worker.session.next_message() {
        if to_writer.send(message).await.is_err() {
            break;
        }
    }
}

fn hear(frame: &Bytes, worker: &mut Worker<'_>) -> Result<(), Outage> {
    let message: ToDrone<'_> = frame::decode(frame).map_err(|error| Outage::Broken(error.to_string()))?;
    match message {
        ToDrone::Goodbye { reason } => return Err(Outage::Goodbye(reason.to_owned())),
        ToDrone::Drain if !worker.session.is_leaving() => story!("📣", "The Queen asks this Drone to leave"),
        _ => {}
    }
    Ok(worker.hear(frame, &message)?)
}

/// Writes until there is nothing more to say, then closes the sending side.
async fn write(
    mut writer: FrameWriter<Outgoing>,
    mut messages: mpsc::Receiver<Message>,
) -> Result<(), ConnectionError> {
    while let Some(message) = messages.recv().await {
        writer.push(&message.to_wire(), MAX_TO_QUEEN)?;
        while writer.pending() < GATHER_BYTES
            && let Ok(message) = messages.try_recv()
        {
            writer.push(&message.to_wire(), MAX_TO_QUEEN)?;
        }
        writer.flush().await?;
    }
    Ok(writer.shutdown().await?)
}
