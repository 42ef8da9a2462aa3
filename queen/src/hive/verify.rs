//! Looking at what comes back: some results are computed a second time.
//!
//! Of every part that comes the Queen computes a few results herself, more of a Drone that has
//! hardly been looked at, fewer of one that was often right, at least one. That never costs
//! more than a fiftieth of what the part costs, or next to nothing. Where a single result is
//! too expensive for that, she spends what a task has saved up, or has another Drone compute
//! one, the less often the more she trusts.

mod sampling;

use std::ops::Range;

use bytes::Bytes;
use wire::blob::SharedBlob;
use wire::ids::{DroneId, Epoch, LeaseId, TaskId};
use wire::message::Output;

use self::sampling::{Chance, choose, random, sample_of};
use super::arrival::{Arrival, Expected, Expensive, WrongKind, WrongResult};
use super::audit::{Compared, Recheck};
use super::request::Request;
use super::seat::Link;
use super::shared::SharedHive;
use super::state::State;
use crate::clock::Now;
use crate::core::{Event, LeaseStatus};
use crate::store::Change;
use crate::work::{Job, Piece, Trust};

/// The Queen spends at most one part in so many of a part's cost.
const SHARE_DIVISOR: u64 = 50;

/// Compressions that cost less than a message, and may always be spent on a part.
const FREE: u64 = 64;

/// Compressions that are spent at most before a part is accepted.
const AT_ONCE: u64 = 8192;

impl SharedHive {
    /// Looks at results before they are accepted.
    ///
    /// # Errors
    /// If one is wrong.
    pub(super) async fn examine(
        &self,
        drone: DroneId,
        expected: Expected,
        mut arrival: Arrival,
    ) -> Result<Arrival, WrongResult> {
        let Expected { job, is_audit, is_rework, trust, next: _ } = expected;
        if job.inputs.are_implied() {
            return self.examine_marks(drone, &job, arrival, random()).await;
        }
        if is_audit {
            return Ok(arrival);
        }
        if is_rework {
            arrival.replaced = self.suspect_results(&job, &arrival.piece.range).await;
        }
        if !is_within_segment(&job, &arrival.piece.range) {
            // No lease has such a range, so that the core will not credit it.
            return Ok(arrival);
        }
        if job.terms.is_twice() {
            self.examine_claim(drone, &job, &mut arrival).await?;
            if arrival.trust == Trust::Checked {
                return Ok(arrival);
            }
        }
        // What cannot be read says nothing about the Drone.
        let Ok(inputs) = self.inputs(&job.inputs, &arrival.piece.range).await else { return Ok(arrival) };
        let Ok(job) = self.whole(&job).await else { return Ok(arrival) };
        compute_some(drone, &job, &inputs, trust, arrival, random())
    }

    /// The suspect results that are to be replaced, as far as they are not in memory.
    async fn suspect_results(&self, job: &Job, range: &Range<u64>) -> Vec<Piece> {
        if job.inputs.in_file().is_none() {
            return Vec::new();
        }
        let (task, range, width) = (job.task, range.clone(), job.kind().width());
        let read = self.read(move |reader| reader.suspect_results(task, &range, width)).await;
        read.unwrap_or_else(|error| {
            tracing::warn!(%task, %error, "suspect results cannot be compared");
            Vec::new()
        })
    }

    /// A Drone gave a wrong result: it gets no more work, and all of its results that nobody
    /// computed a second time are computed again.
    pub(super) async fn convict(&self, wrong: WrongResult) {
        let Ok(slot) = self.slot(0).await else { return };
        self.change_durably(slot, |state, now| state.convict(wrong, now));
    }

    /// Does what the state asks for, while everything else goes on.
    pub(super) fn carry_out(&self, request: Request) {
        let hive = self.clone();
        self.inner.disk.runtime.spawn(async move {
            match request {
                Request::Recheck(recheck) => hive.recheck(*recheck).await,
                Request::SearchAgain(second) => hive.search_by_queen(*second).await,
                Request::CompareMarks(task, second) => hive.look_up_marks(task, *second).await,
                Request::ComputeClaims => hive.compute_claims().await,
                Request::Rework => hive.compute_again().await,
            }
        });
    }

    /// Computes one result, and sees who was right.
    async fn recheck(&self, recheck: Recheck) {
        let right = self.reference(&recheck.job, recheck.result.index).await;
        let is_right = |given: &Bytes| right.as_deref().is_none_or(|right| given == right);
        // Convicting a Drone has to be written.
        let slot = match recheck.given.iter().all(|(_, given)| is_right(given)) {
            true => None,
            false => match self.slot(0).await {
                Ok(slot) => Some(slot),
                Err(_) => return,
            },
        };
        self.change_and_tell(slot, None, |state, now| state.rechecked(&recheck, right.as_deref(), now));
    }

    /// The result of an index, on a thread that may take long; `None` if its input cannot be read.
    async fn reference(&self, job: &Job, index: u64) -> Option<Box<[u8]>> {
        let input = self.inputs(&job.inputs, &(index..index + 1)).await.ok()?;
        let job = self.whole(job).await.ok()?;
        let computed = tokio::task::spawn_blocking(move || {
            let input = input.as_blob().iter().next().unwrap_or_default();
            job.kind().reference(input)
        });
        computed.await.ok().flatten()
    }
}

/// Whether a range lies in one segment of a task's inputs.
pub(super) fn is_within_segment(job: &Job, range: &Range<u64>) -> bool {
    range.end <= job.inputs.total() && range.end <= job.inputs.segment_end(range.start)
}

/// Computes some of the results of a part a second time; which ones follows from `chance`, a random number. Where a
/// single one is too expensive for that, one is named that may be looked at later. `job` has its key or salt, `inputs`
/// are those of the part.
///
/// # Errors
/// If one is wrong.
pub(super) fn compute_some(
    drone: DroneId,
    job: &Job,
    inputs: &SharedBlob,
    trust: u64,
    mut arrival: Arrival,
    chance: u64,
) -> Result<Arrival, WrongResult> {
    let (kind, blob, range) = (job.kind(), inputs.as_blob(), arrival.piece.range.clone());
    let (items, mut chance) = (range.end - range.start, Chance::new(chance));
    let mean = kind.cost(blob.bytes().len() as u64 / items).max(1);
    let allowed = (mean.saturating_mul(items) / SHARE_DIVISOR).clamp(FREE, AT_ONCE);
    let sample = choose(items, sample_of(trust).min(allowed / mean), &mut chance);
    if sample.is_empty() {
        if !job.terms.is_twice() {
            let offset = chance.next() % items;
            let length = blob.iter().nth(offset as usize).unwrap_or_default().len() as u64;
            let (index, cost, chance) = (range.start + offset, kind.cost(length), chance.next());
            arrival.expensive = Some(Expensive { index, cost, length, chance });
        }
        return Ok(arrival);
    }
    let mut sample = sample.into_iter().peekable();
    for (offset, input) in (0..items).zip(blob.iter()) {
        if sample.next_if_eq(&offset).is_none() {
            continue;
        }
        let index = range.start + offset;
        match kind.reference(input) {
            Some(right) if arrival.piece.get(index) == Some(&right[..]) => arrival.looked_at += 1,
            Some(_) => return Err(WrongResult { drone, task: job.task, index, kind: WrongKind::Result }),
            // Inputs were checked when they came; this one has suffered on the disk.
            None => {}
        }
        if sample.peek().is_none() {
            break;
        }
    }
    if arrival.looked_at == items {
        arrival.trust = Trust::Checked;
    }
    Ok(arrival)
}

impl State {
    /// What is expected of each of these outputs, which came over a connection; nothing of what is out of date, or of
    /// a lease that this Drone does not have.
    pub(super) fn expected_of(&self, link: Link, epoch: Epoch, outputs: &[Output<'_>]) -> Vec<Option<Expected>> {
        let is_current = self.fleet.is_current(link);
        let ours = |output: &Output<'_>| is_current && output.epoch == epoch;
        outputs.iter().map(|output| self.expected(link.drone, output.lease).filter(|_| ours(output))).collect()
    }

    /// What is expected of an open lease of this Drone.
    pub(super) fn expected(&self, drone: DroneId, lease: LeaseId) -> Option<Expected> {
        let LeaseStatus { task, next } = self.core.lease(drone, lease)?;
        let trust = self.fleet.trust_in(drone);
        if let Some(job) = self.audits.of(task) {
            return Some(Expected { job: job.clone(), is_audit: true, is_rework: false, trust, next });
        }
        let record = self.tasks.get(task)?;
        Some(Expected { job: record.job(task), is_audit: false, is_rework: record.is_rework(), trust, next })
    }

    /// Notes that these Drones were right about so many results that were computed a second time.
    pub(super) fn trust(&mut self, drones: &[DroneId], results: u64) {
        self.audits.verified.right += results;
        drones.iter().filter(|_| results > 0).for_each(|drone| self.fleet.was_right(*drone));
    }

    /// Has somebody compute a result again: the Queen where Drones differ, or where the task has saved up for it; else
    /// another Drone, if there is one.
    pub(super) fn recheck(&mut self, recheck: Recheck, now: Now) {
        let (task, cost) = (recheck.job.task, recheck.result.cost);
        let is_dispute = recheck.given.len() > 1;
        let mut may_spend = || self.tasks.change(task, |record| record.spend(cost)).unwrap_or_default();
        if self.audits.is_rechecking() && is_dispute {
            self.audits.add_dispute(recheck);
        } else if !self.audits.is_rechecking() && (is_dispute || recheck.is_cheap() && may_spend()) {
            self.audits.begin_recheck();
            self.requests.push(Request::Recheck(Box::new(recheck)));
        } else {
            self.audit(recheck, now);
        }
    }

    /// The Queen has computed a result again; nothing is known if there is none.
    pub(super) fn rechecked(&mut self, recheck: &Recheck, right: Option<&[u8]>, now: Now) {
        let Recheck { job, result, given } = recheck;
        for (drone, digest) in given.iter().filter(|_| right.is_some()) {
            match right.is_some_and(|right| digest == right) {
                true => self.trust(&[*drone], 1),
                false => {
                    let (drone, task, index) = (*drone, job.task, result.index);
                    self.convict(WrongResult { drone, task, index, kind: WrongKind::Result }, now);
                }
            }
        }
        let next = self.audits.next_dispute();
        self.requests.extend(next.map(|next| Request::Recheck(Box::new(next))));
    }

    /// Has another Drone compute a result a second time, if there is one.
    fn audit(&mut self, recheck: Recheck, now: Now) {
        let has_others = recheck.given.first().is_some_and(|(by, _)| self.fleet.has_others(*by));
        if let Some((task, work)) = has_others.then(|| self.audits.begin(recheck)).flatten() {
            self.handle(Event::Submit { task, work }, now);
        }
    }

    /// The second result of an audit is there, by `drone`.
    pub(super) fn compare(&mut self, audit: TaskId, drone: DroneId, digest: Bytes) -> Option<Recheck> {
        match self.audits.compare(audit, drone, digest) {
            Compared::Same(drones) => self.trust(&drones, 1),
            Compared::Differs(recheck) => return Some(recheck),
            Compared::Missed(..) | Compared::Nothing => {}
        }
        None
    }

    /// Whether a lease that failed is one of an audit, which ends by that.
    pub(super) fn is_audit(&mut self, drone: DroneId, lease: LeaseId, now: Now) -> bool {
        let task = self.core.lease(drone, lease).map(|lease| lease.task);
        let audit = task.filter(|task| self.audits.of(*task).is_some());
        if let Some(task) = audit {
            self.handle(Event::Cancel { task }, now);
        }
        audit.is_some()
    }

    /// A Drone gave a wrong result. With the first one that is known of it, all that nobody computed a second time
    /// becomes suspect.
    pub(super) fn convict(&mut self, wrong: WrongResult, now: Now) {
        let WrongResult { drone, task, index, kind } = wrong;
        self.audits.verified.wrong += 1;
        if !self.fleet.was_wrong(drone) {
            return;
        }
        let task = self.tasks.label(task);
        let reason = match kind {
            WrongKind::Result => format!("it gave a wrong result for item {index} of {task}"),
            WrongKind::Mark => format!("it said that candidate {index} of {task} is a mark, which it is not"),
            WrongKind::Missed => format!("it did not tell that candidate {index} of {task} is a mark, which it is"),
        };
        self.quarantined(drone, reason, now);
        self.outgoing.push(Change::Suspect { drone });
        for id in self.tasks.begun() {
            self.tasks.change(id, |record| record.suspect(drone));
        }
        for audit in self.audits.of_drone(drone) {
            self.handle(Event::Cancel { task: audit }, now);
        }
        self.claims.forget_of(drone);
        self.handle(Event::Quarantine { drone }, now);
        self.requests.push(Request::Rework);
    }
}
