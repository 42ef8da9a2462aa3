//! What is sent to one Drone: frames of what waits for it.

use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use web::places::{Activity, Place};
use wire::List;
use wire::frame::MAX_TO_DRONE;
use wire::ids::Epoch;
use wire::material::MaterialId;
use wire::message::{Lease, ToDrone};

use super::backlog::Backlog;
use super::disconnect::Disconnect;
use super::frames::Writer;
use super::loading::{LeasePayload, load};
use super::sent_material::SentMaterial;
use super::step::{self, Step, steps};
use super::timeouts::FAREWELL_TIMEOUT;
use crate::core::Grant;
use crate::hive::{Link, Outbound, SharedHive};
use crate::kinds::ChunkBuf;
use crate::work::Job;

/// A frame of leases is closed when it holds so many bytes of inputs.
const FRAME_BYTES: usize = 256 << 10;

/// Sends what there is for the Drone, until a goodbye is sent, or until there is a breach to be told. The inputs of
/// large tasks may have to be read from the disk, and material takes its time, while leases of small ones go on. `material`
/// is there before the first lease is.
pub(super) async fn send(
    mut writer: Writer,
    mut outbox: mpsc::Receiver<Outbound>,
    (mut stored, mut answers, mut breach): (watch::Receiver<u64>, mpsc::Receiver<()>, oneshot::Receiver<String>),
    mut material: oneshot::Receiver<SentMaterial>,
    link: Link,
    (hive, place): (&SharedHive, &Place),
) -> Result<(), Disconnect> {
    let mut backlog = Backlog::default();
    let (mut loading, mut known) = (None, None);
    // What is loaded and not written yet.
    let mut ready = VecDeque::new();
    loop {
        if loading.is_none() && ready.is_empty() {
            let rest = backlog.next_rest();
            // A task of its own: who reads has one of few turns at the disk, and must not keep it
            // while this Drone does not take what it is sent.
            loading = (!rest.is_empty()).then(|| AbortOnDropHandle::new(tokio::spawn(load(rest, link, hive.clone()))));
        }
        let has_small = backlog.has_small();
        // What is being read is said in any case: a goodbye may be the last of it.
        let is_busy = loading.is_some() || !ready.is_empty();
        let listens = backlog.has_room() && (!is_busy || !outbox.is_closed());
        tokio::select! {
            biased;
            Ok(reason) = &mut breach => {
                writer.push(&ToDrone::Goodbye { reason: &reason }, MAX_TO_DRONE)?;
                return Ok(finish(&mut writer).await?);
            }
            Some(rest) = async { Some(loading.as_mut()?.await) } => {
                known = known.or_else(|| material.try_recv().ok());
                let rest = rest.map_err(std::io::Error::other)?;
                (ready, loading) = (steps(rest, known.as_mut().unwrap_or(&mut SentMaterial::default())), None);
            }
            () = std::future::ready(()), if has_small || !ready.is_empty() => {}
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
        // Small tasks have their inputs in memory, and no material, so that this waits for no disk.
        let small = load(backlog.next_small(), link, hive.clone()).await;
        write(&mut writer, steps(small, &mut SentMaterial::default()).make_contiguous(), hive).await?;
        if write_next(&mut writer, &mut ready, &mut backlog, hive).await? {
            return match timeout(FAREWELL_TIMEOUT, finish(&mut writer)).await {
                Ok(ended) => Ok(ended?),
                Err(_) => Ok(()),
            };
        }
        writer.flush().await?;
    }
}

/// Writes the next of what is loaded, but nothing behind a goodbye; whether there was one.
async fn write_next(
    writer: &mut Writer,
    ready: &mut VecDeque<Step>,
    backlog: &mut Backlog,
    hive: &SharedHive,
) -> Result<bool, Disconnect> {
    let mut round = step::next(ready);
    let goodbye = round.iter().position(|step| matches!(step, Step::Other(Outbound::Goodbye(_))));
    round.truncate(goodbye.map_or(round.len(), |at| at + 1));
    write(writer, &round, hive).await?;
    backlog.said(round.iter().filter(|step| matches!(step, Step::Other(_))).count());
    Ok(goodbye.is_some())
}

/// Something is to be said; who is given a lease is at work.
fn hear(message: Outbound, backlog: &mut Backlog, place: &Place) {
    if matches!(message, Outbound::Lease(..)) {
        place.set(Activity::Working);
    }
    backlog.push(message);
}

/// Sends the last that there is to say.
async fn finish(writer: &mut Writer) -> std::io::Result<()> {
    writer.flush().await?;
    writer.shutdown().await
}

/// Turns steps into frames; neighbouring leases share one.
async fn write(writer: &mut Writer, round: &[Step], hive: &SharedHive) -> Result<(), Disconnect> {
    let mut leases = Vec::new();
    let mut bytes = 0;
    for step in round {
        if let Step::Lease(grant, job, LeasePayload { inputs, material }) = step {
            let chunk = job.chunk_buf(inputs.clone(), &grant.range);
            if bytes + chunk.bytes() > FRAME_BYTES {
                send_leases(writer, &mut leases, hive).await?;
                bytes = 0;
            }
            bytes += chunk.bytes();
            leases.push(Pending { grant, job, chunk, material: material.as_ref().map(|material| material.id) });
            continue;
        }
        send_leases(writer, &mut leases, hive).await?;
        bytes = 0;
        match step {
            Step::Lease(..) => {}
            Step::Other(message) => say(writer, message, hive)?,
            Step::Forget(id) => writer.push(&ToDrone::Forget { id: *id }, MAX_TO_DRONE)?,
            Step::Piece(piece) => writer.push(&piece.message(), MAX_TO_DRONE)?,
        }
    }
    send_leases(writer, &mut leases, hive).await
}

/// What is said besides leases and material.
fn say(writer: &mut Writer, message: &Outbound, hive: &SharedHive) -> Result<(), Disconnect> {
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
    Ok(())
}

/// A lease on its way into a frame.
struct Pending<'a> {
    grant: &'a Grant,
    job: &'a Job,
    chunk: ChunkBuf<'a>,
    material: Option<MaterialId>,
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
            material: self.material,
            chunk: self.chunk.message(),
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
