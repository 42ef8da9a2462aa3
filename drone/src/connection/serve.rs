//! Working for a Queen over one connection.
//!
//! One task reads, decides and keeps time; another one writes, so that neither waits for the
//! other. Between the two stands a short channel: while it is full, no reports are taken
//! from the pool, whose threads then wait in their turn.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{self, MissedTickBehavior, sleep_until, timeout};
use wire::codec::{ConnectionError, FrameReader, FrameWriter};
use wire::frame::{self, MAX};
use wire::message::ToDrone;

use super::Trouble;
use super::dial::Link;
use super::outbox::{Message, Outbox};
use crate::config::Shutdown;
use crate::pool::{Intake, Pool, Report};
use crate::session::{Effect, Session};
use crate::story;
use crate::story::Teller;

/// Messages between the deciding and the writing task.
const TO_WRITER: usize = 4;

/// Reports taken from the pool at once.
const REPORTS: usize = 64;

/// Nothing is read while this many messages wait to be sent.
const OUTBOX: usize = 1024;

/// Bytes that the writer gathers before it writes them.
const GATHER: usize = 1 << 20;

/// After this time of draining, the rest is handed back.
const DRAIN: Duration = Duration::from_secs(10);

/// The Queen has this long to take the last words.
const FAREWELL: Duration = Duration::from_secs(2);

/// A timer that is not set yet.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// How often the story looks for something to sum up.
const STORY: Duration = Duration::from_millis(250);

/// How a connection ended.
pub(super) enum Departure {
    /// The Drone was asked to leave, and has.
    Left,
    Lost(Trouble),
}

/// What the Queen asked for in her welcome.
struct Pace {
    heartbeat: Duration,
    silence: Duration,
}

struct Worker {
    reader: FrameReader<OwnedReadHalf>,
    to_writer: mpsc::Sender<Message>,
    writing: JoinSet<Result<(), ConnectionError>>,
    intake: Intake,
    reports: mpsc::Receiver<Report>,
    session: Session,
    outbox: Outbox,
    teller: Teller,
    is_leaving: bool,
}

impl Link {
    /// Works until the Drone is asked to leave or the connection is lost. What is held then
    /// is dropped: the Queen gives it to others.
    pub(super) async fn serve(self, pool: &Pool, shutdown: &Shutdown) -> Departure {
        let (to_writer, messages) = mpsc::channel(TO_WRITER);
        let mut writing = JoinSet::new();
        writing.spawn(write(self.writer, messages));
        let (intake, reports) = pool.open();
        let mut worker = Worker {
            reader: self.reader,
            to_writer,
            writing,
            intake,
            reports,
            session: Session::default(),
            outbox: Outbox::default(),
            teller: Teller::default(),
            is_leaving: false,
        };
        let pace = Pace { heartbeat: self.heartbeat, silence: self.silence };
        let outcome = worker.work(&pace, shutdown).await;
        worker.teller.finish(Instant::now());
        match outcome {
            Err(trouble) if !worker.is_leaving => return Departure::Lost(trouble),
            Err(trouble) => tracing::warn!("The Queen went away before this Drone did: {trouble}"),
            Ok(()) => worker.farewell().await,
        }
        Departure::Left
    }
}

impl Worker {
    /// Returns when nothing is left to do before leaving, but perhaps something to say.
    async fn work(&mut self, pace: &Pace, shutdown: &Shutdown) -> Result<(), Trouble> {
        let to_writer = self.to_writer.clone();
        let mut heard = time::Instant::now();
        let mut heartbeat = time::interval(pace.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut story = time::interval(STORY);
        let mut batch = Vec::with_capacity(REPORTS);
        let silence = pin!(sleep_until(heard + pace.silence));
        let (drain, now) = (pin!(shutdown.drain.cancelled()), pin!(shutdown.now.cancelled()));
        let drained = pin!(sleep_until(heard + FOREVER));
        let (mut silence, mut drain, mut now, mut drained) = (silence, drain, now, drained);

        while !self.session.is_over() {
            tokio::select! {
                frame = self.reader.next(MAX), if self.outbox.len() < OUTBOX => {
                    let frame = frame.map_err(|error| Trouble::Broken(error.to_string()))?.ok_or(Trouble::Closed)?;
                    heard = time::Instant::now();
                    self.hear(&frame)?;
                }
                permit = to_writer.reserve(), if !self.outbox.is_empty() => {
                    let Ok(permit) = permit else { return Err(self.why_unwritten().await) };
                    if let Some(message) = self.outbox.pop() {
                        permit.send(message);
                    }
                }
                _ = self.reports.recv_many(&mut batch, REPORTS), if self.outbox.is_empty() => {
                    let mut effects = Vec::new();
                    batch.drain(..).for_each(|report| self.session.report(report, &mut effects));
                    self.perform(effects);
                }
                _ = heartbeat.tick() => {
                    let say = self.session.heartbeat(self.intake.progress());
                    self.outbox.push_heartbeat(say);
                }
                _ = story.tick() => self.teller.tick(Instant::now()),
                () = &mut silence => {
                    if heard.elapsed() >= pace.silence {
                        return Err(Trouble::Silent(pace.silence));
                    }
                    silence.as_mut().reset(heard + pace.silence);
                }
                () = &mut drain, if !self.is_leaving => {
                    drained.as_mut().reset(time::Instant::now() + DRAIN);
                    self.drain();
                }
                () = &mut now => { self.give_up(); break }
                () = &mut drained => { self.give_up(); break }
            }
        }
        Ok(())
    }

    fn hear(&mut self, frame: &Bytes) -> Result<(), Trouble> {
        let message: ToDrone<'_> = frame::decode(frame).map_err(|error| Trouble::Broken(error.to_string()))?;
        if let ToDrone::Goodbye { reason } = message {
            return Err(Trouble::Goodbye(reason.to_owned()));
        }
        let mut effects = Vec::new();
        let heard = self.session.hear(frame, &message, &mut effects);
        self.perform(effects);
        Ok(heard?)
    }

    fn drain(&mut self) {
        self.is_leaving = true;
        let mut effects = Vec::new();
        self.session.drain(&mut effects);
        self.session.hand_back(self.intake.recall(), &mut effects);
        story!("🏁", "Leaving; running chunks to finish first: {}", self.session.len());
        self.perform(effects);
    }

    /// Hands everything back, except what was computed already.
    fn give_up(&mut self) {
        self.is_leaving = true;
        let mut effects = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            self.session.report(report, &mut effects);
        }
        story!("🏁", "Leaving; chunks handed back: {}", self.session.len());
        self.session.give_up(&mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let now = Instant::now();
        for effect in effects {
            self.teller.see(&effect, now);
            match effect {
                Effect::Start { assignment, .. } => self.intake.add(assignment),
                Effect::Shrink { urgency, end } => self.intake.shrink(urgency, end),
                Effect::Say(say) => self.outbox.push(say),
                Effect::Ended { .. } => {}
            }
        }
    }

    /// Says what is left to say. Reading goes on meanwhile: closing a socket with unread
    /// bytes resets it, and the Queen could lose what she has not read yet.
    async fn farewell(self) {
        let Self { mut reader, to_writer, mut writing, mut outbox, .. } = self;
        let say = async move {
            while let Some(message) = outbox.pop() {
                if to_writer.send(message).await.is_err() {
                    break;
                }
            }
            drop(to_writer);
            writing.join_next().await;
        };
        let hear = async move { while let Ok(Some(_)) = reader.next(MAX).await {} };
        let said = timeout(FAREWELL, async { tokio::join!(say, hear) }).await;
        if said.is_err() {
            tracing::warn!("The Queen did not take leave in time");
        }
    }

    /// Why the writing task has ended.
    async fn why_unwritten(&mut self) -> Trouble {
        match self.writing.join_next().await {
            Some(Ok(Err(error))) => Trouble::Broken(error.to_string()),
            Some(Err(error)) => Trouble::Broken(error.to_string()),
            Some(Ok(Ok(()))) | None => Trouble::Closed,
        }
    }
}

/// Writes until there is nothing more to say, then closes the sending side.
async fn write(
    mut writer: FrameWriter<OwnedWriteHalf>,
    mut messages: mpsc::Receiver<Message>,
) -> Result<(), ConnectionError> {
    while let Some(message) = messages.recv().await {
        message.push_to(&mut writer)?;
        while writer.pending() < GATHER
            && let Ok(message) = messages.try_recv()
        {
            message.push_to(&mut writer)?;
        }
        writer.flush().await?;
    }
    Ok(writer.shutdown().await?)
}
