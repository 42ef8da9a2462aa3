//! What is sent to one Drone: frames of what waits for it.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use web::places::{Activity, Place};
use wire::List;
use wire::blob::SharedBlob;
use wire::frame::MAX_TO_DRONE;
use wire::ids::Epoch;
use wire::message::{Lease, ToDrone};

use super::backlog::Backlog;
use super::disconnect::Disconnect;
use super::frames::Writer;
use super::timeouts::FAREWELL_TIMEOUT;
use crate::core::Grant;
use crate::hive::{Link, Outbound, SharedHive};
use crate::kinds::Part;
use crate::store::StoreError;
use crate::work::Job;

/// A frame of leases is closed when it holds so many bytes of inputs.
const FRAME_BYTES: usize = 256 << 10;

/// How long to wait before inputs are read again that could not be read, although they are there.
const READ_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A message, and what it takes along if it is a lease: all that is asked for, and the inputs.
struct Loaded {
    message: Outbound,
    work: Option<(Job, SharedBlob)>,
}

/// Sends what there is for the Drone, until a goodbye is sent, or until there is a breach to be told. The inputs of
/// large tasks may have to be read from the disk, while leases of small ones go on.
pub(super) async fn send(
    mut writer: Writer,
    mut outbox: mpsc::Receiver<Outbound>,
    (mut stored, mut answers, mut breach): (watch::Receiver<u64>, mpsc::Receiver<()>, oneshot::Receiver<String>),
    link: Link,
    (hive, place): (&SharedHive, &Place),
) -> Result<(), Disconnect> {
    let mut backlog = Backlog::default();
    let mut loading = None;
    loop {
        if loading.is_none() {
            let rest = backlog.next_rest();
            // A task of its own: who reads has one of few turns at the disk, and must not keep it
            // while this Drone does not take what it is sent.
            loading = (!rest.is_empty()).then(|| AbortOnDropHandle::new(tokio::spawn(load(rest, link, hive.clone()))));
        }
        let has_small = backlog.has_small();
        // What is being read is said in any case: a goodbye may be the last of it.
        let listens = backlog.has_room() && (loading.is_none() || !outbox.is_closed());
        let mut loaded = Vec::new();
        tokio::select! {
            biased;
            Ok(reason) = &mut breach => {
                writer.push(&ToDrone::Goodbye { reason: &reason }, MAX_TO_DRONE)?;
                return Ok(part(&mut writer).await?);
            }
            Some(rest) = async { Some(loading.as_mut()?.await) } => {
                (loaded, loading) = (rest.map_err(std::io::Error::other)?, None);
            }
            () = std::future::ready(()), if has_small => {}
            message = outbox.recv(), if listens => match message {
                Some(message) => hear(message, &mut backlog, place),
                None => return Ok(()),
            },
            Some(()) = answers.recv() => writer.push(&ToDrone::Heartbeat, MAX_TO_DRONE)?,
            Ok(()) = stored.changed() => stored.mark_changed(),
        }
        if !has_small {
            // Whoever is about to say something more to this Drone goes first: it shares the write.
            tokio::task::yield_now().await;
        }
        if answers.try_recv().is_ok() {
            writer.push(&ToDrone::Heartbeat, MAX_TO_DRONE)?;
        }
        while backlog.has_room()
            && let Ok(message) = outbox.try_recv()
        {
            hear(message, &mut backlog, place);
        }
        if stored.has_changed().unwrap_or_default() {
            let outputs = *stored.borrow_and_update();
            writer.push(&ToDrone::Stored { outputs }, MAX_TO_DRONE)?;
        }
        // Inputs of small tasks are in memory, so that this does not wait for the disk.
        let small = load(backlog.next_small(), link, hive.clone()).await;
        write(&mut writer, &small, hive).await?;
        let goodbye = loaded.iter().position(|loaded| matches!(loaded.message, Outbound::Goodbye(_)));
        loaded.truncate(goodbye.map_or(loaded.len(), |at| at + 1));
        write(&mut writer, &loaded, hive).await?;
        backlog.said(loaded.iter().map(|loaded| &loaded.message));
        if goodbye.is_some() {
            return match timeout(FAREWELL_TIMEOUT, part(&mut writer)).await {
                Ok(ended) => Ok(ended?),
                Err(_) => Ok(()),
            };
        }
        writer.flush().await?;
    }
}

/// Something is to be said; who is given a lease is at work.
fn hear(message: Outbound, backlog: &mut Backlog, place: &Place) {
    if matches!(message, Outbound::Lease(..)) {
        place.set(Activity::Working);
    }
    backlog.push(message);
}

/// Sends the last that there is to say.
async fn part(writer: &mut Writer) -> std::io::Result<()> {
    writer.flush().await?;
    writer.shutdown().await
}

/// Gets the inputs of these. A lease whose inputs cannot be had is left out: a task whose inputs are
/// damaged is over, any other is tried again a little later.
async fn load(messages: Vec<Outbound>, link: Link, hive: SharedHive) -> Vec<Loaded> {
    let mut loaded = Vec::with_capacity(messages.len());
    for message in messages {
        let work = match &message {
            Outbound::Lease(grant, job) => match work(grant, job, &hive).await {
                Ok(work) => Some(work),
                Err(error) => {
                    tracing::error!(task = %grant.task, %error, "inputs cannot be read");
                    if error.is_damage() {
                        hive.unreadable(link, grant.lease, error.to_string()).await;
                    } else {
                        let (hive, lease) = (hive.clone(), grant.lease);
                        // What else there is for this Drone does not wait.
                        tokio::spawn(async move {
                            sleep(READ_RETRY_INTERVAL).await;
                            hive.hand_back(link, vec![lease]);
                        });
                    }
                    continue;
                }
            },
            _ => None,
        };
        loaded.push(Loaded { message, work });
    }
    loaded
}

/// What a lease takes along.
async fn work(grant: &Grant, job: &Job, hive: &SharedHive) -> Result<(Job, SharedBlob), StoreError> {
    match job.inputs.are_implied() {
        true => Ok((job.clone(), hive.prepared(job).await?)),
        false => Ok((hive.whole(job).await?, hive.inputs(&job.inputs, &grant.range).await?)),
    }
}

/// Turns messages into frames; neighbouring leases share one.
async fn write(writer: &mut Writer, round: &[Loaded], hive: &SharedHive) -> Result<(), Disconnect> {
    let mut leases = Vec::new();
    let mut bytes = 0;
    for Loaded { message, work } in round {
        if let (Outbound::Lease(grant, _), Some((job, inputs))) = (message, work) {
            let part = job.part(inputs.clone(), &grant.range);
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
                writer.push(&ToDrone::Shrink { lease: *lease, epoch: hive.epoch(), end: *end }, MAX_TO_DRONE)?;
            }
            Outbound::Adopted(leases) => {
                writer.push(&ToDrone::Adopted { leases: List(leases.clone()) }, MAX_TO_DRONE)?;
            }
            Outbound::Drain => writer.push(&ToDrone::Drain, MAX_TO_DRONE)?,
            Outbound::Goodbye(reason) => writer.push(&ToDrone::Goodbye { reason }, MAX_TO_DRONE)?,
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

async fn send_leases(writer: &mut Writer, pending: &mut Vec<Pending<'_>>, hive: &SharedHive) -> Result<(), Disconnect> {
    if pending.is_empty() {
        return Ok(());
    }
    let leases = List(pending.iter().map(|pending| pending.lease(hive.epoch())).collect());
    writer.push(&ToDrone::Work { leases }, MAX_TO_DRONE)?;
    pending.clear();
    if writer.pending() > FRAME_BYTES {
        writer.flush().await?;
    }
    Ok(())
}
