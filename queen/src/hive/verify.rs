//! Looking at what comes back: some results are computed a second time.
//!
//! Of every part that comes the Queen computes a few results herself, more of a Drone that has
//! hardly been looked at, fewer of one that was often right, at least one. That never costs
//! more than a fiftieth of what the part costs, or next to nothing. Where a single result is
//! too expensive for that, she spends what a task has saved up, or has another Drone compute
//! one, the less often the more she trusts (adaptive replication, as in BOINC).

mod sampling;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use web::model::VerifiedCounts;
use wire::ids::{DroneId, LeaseId, TaskId};

use self::sampling::{choose, one_part_in, random, sample_of};
use super::SharedHive;
use super::claims::Room;
use super::state::State;
use crate::core::{Event, LeaseStatus, Segment, TaskWork, Time};
use crate::kinds::digest::DIGEST;
use crate::kinds::{self, Job};
use crate::store::{Pieces, TASKS_END, Trust};

/// The part of a task's cost that the Queen spends at most.
const SHARE: u64 = 50;

/// Compressions that cost less than a message, and may always be spent on a part.
const FREE: u64 = 64;

/// Compressions that are spent at most before a part is accepted.
const AT_ONCE: u64 = 8192;

/// Compressions that the Queen spends on one result at most, behind its acceptance.
const LATER: u64 = 4_000_000;

/// Results of one Drone, and of all, that others compute a second time at one time. Few, since
/// they stand before other work in the queue.
const AUDITS_OF_ONE: usize = 8;
const AUDITS: usize = 1024;

/// What a lease is about.
pub(super) struct Order {
    /// Whose results they are.
    pub(super) job: Job,
    /// Which one is computed a second time, if that is all.
    pub(super) audit: Option<TaskId>,
    /// Results that were there are computed again.
    pub(super) is_rework: bool,
    /// How often its Drone was right so far.
    pub(super) trust: u64,
    /// Where its next output has to begin.
    pub(super) next: u64,
}

/// Results that came and were looked at.
pub(super) struct Arrived {
    pub(super) lease: LeaseId,
    pub(super) range: Range<u64>,
    pub(super) bytes: Bytes,
    pub(super) spent: Duration,
    pub(super) trust: Trust,
    /// How many of them were computed a second time.
    pub(super) looked_at: u64,
    /// What was there before.
    pub(super) old: Pieces,
    /// The one that is worth a look, but too expensive for one now.
    pub(super) expensive: Option<Expensive>,
    /// Where they are kept until they were computed twice, if they have to be.
    pub(super) room: Option<Room>,
}

impl Arrived {
    /// A part of it, of which none is worth a look.
    pub(super) fn part(&self, range: Range<u64>) -> Self {
        let offset = |index: u64| (index - self.range.start) as usize * DIGEST;
        let (all, items) = (u128::from(self.range.end - self.range.start), u128::from(range.end - range.start));
        let spent = Duration::from_nanos((self.spent.as_nanos() * items / all.max(1)) as u64);
        let bytes = self.bytes.slice(offset(range.start)..offset(range.end));
        let (old, room) = (self.old.clone(), self.room.clone());
        Self { range, bytes, spent, old, room, expensive: None, ..*self }
    }
}

/// A result that is expensive to compute.
#[derive(Clone, Copy)]
pub(super) struct Expensive {
    pub(super) index: u64,
    /// In compressions.
    pub(super) cost: u64,
    /// Of its input, in bytes.
    length: u64,
}

/// A result that a Drone gave and that is wrong.
pub(super) struct Lie {
    pub(super) drone: DroneId,
    pub(super) task: TaskId,
    pub(super) index: u64,
}

/// A result that somebody has to compute again.
pub(super) struct Doubt {
    job: Job,
    result: Expensive,
    /// Who gave which digest.
    claims: Vec<(DroneId, Bytes)>,
}

/// A result that is computed a second time by another Drone.
pub(super) struct Audit {
    job: Job,
    result: Expensive,
    by: DroneId,
    digest: Bytes,
}

/// Audits under way.
#[derive(Default)]
pub(super) struct Audits {
    under_way: std::collections::BTreeMap<TaskId, Audit>,
    begun: u64,
    done: u64,
    /// Results that were computed a second time in whatever way, since the start.
    pub(super) verified: VerifiedCounts,
}

impl Doubt {
    /// Drones that gave different results of one index.
    pub(super) fn between(job: Job, index: u64, claims: Vec<(DroneId, Bytes)>) -> Self {
        Self { job, result: Expensive { index, cost: 0, length: 0 }, claims }
    }
}

impl Audits {
    /// Results that were computed a second time by another Drone, and those that are about to be.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.done, self.under_way.len() as u64)
    }
}

impl SharedHive {
    /// Looks at results before they are accepted.
    ///
    /// # Errors
    /// If one is wrong.
    pub(super) async fn examine(
        &self,
        drone: DroneId,
        order: Order,
        lease: LeaseId,
        range: Range<u64>,
        bytes: Bytes,
        spent: Duration,
    ) -> Result<Arrived, Lie> {
        let Order { job, audit, is_rework, trust, next: _ } = order;
        let mut arrived = Arrived {
            lease,
            range,
            bytes,
            spent,
            trust: Trust::Sampled,
            looked_at: 0,
            old: Pieces::new(),
            expensive: None,
            room: None,
        };
        if audit.is_some() {
            return Ok(arrived);
        }
        if is_rework {
            arrived.old = self.old_results(&job, &arrived.range).await;
        }
        let range = &arrived.range;
        if range.end > job.inputs.total() || job.inputs.segment_end(range.start) < range.end {
            // No lease is like that: it will not be wanted.
            return Ok(arrived);
        }
        if job.terms.is_twice() {
            self.examine_claim(drone, &job, &mut arrived).await?;
            if arrived.trust == Trust::Checked {
                return Ok(arrived);
            }
        }
        let range = &arrived.range;
        // Unreadable inputs say nothing about the Drone.
        let Ok(inputs) = self.inputs(&job.inputs, range).await else { return Ok(arrived) };
        let specification = &job.terms.specification;
        let blob = inputs.as_blob();
        let items = range.end - range.start;
        let mean = kinds::cost(specification, blob.bytes().len() as u64 / items).max(1);
        let allowed = (mean.saturating_mul(items) / SHARE).clamp(FREE, AT_ONCE);
        let sample = choose(items, sample_of(trust).min(allowed / mean));
        if sample.is_empty() && job.terms.is_twice() {
            return Ok(arrived);
        }
        if sample.is_empty() {
            let offset = random() % items;
            let input = blob.iter().nth(offset as usize).unwrap_or_default();
            let length = input.len() as u64;
            let cost = kinds::cost(specification, length);
            arrived.expensive = Some(Expensive { index: range.start + offset, cost, length });
            return Ok(arrived);
        }
        let Ok(job) = self.whole(&job).await else { return Ok(arrived) };
        let specification = &job.terms.specification;
        let mut sample = sample.into_iter().peekable();
        for (offset, input) in (0..items).zip(blob.iter()) {
            if sample.next_if_eq(&offset).is_none() {
                continue;
            }
            let given = arrived.bytes.get(offset as usize * DIGEST..).and_then(|rest| rest.get(..DIGEST));
            match kinds::reference(specification, input) {
                Some(right) if given == Some(&right[..]) => arrived.looked_at += 1,
                Some(_) => return Err(Lie { drone, task: job.task, index: range.start + offset }),
                // Inputs were checked when they came; this one has suffered on the disk.
                None => {}
            }
            if sample.peek().is_none() {
                break;
            }
        }
        if arrived.looked_at == items {
            arrived.trust = Trust::Checked;
        }
        Ok(arrived)
    }

    /// The suspect results that are to be replaced, as far as they are not in memory.
    async fn old_results(&self, job: &Job, range: &Range<u64>) -> Pieces {
        if job.inputs.in_file().is_none() {
            return Pieces::new();
        }
        let (task, range) = (job.task, range.clone());
        let read = self.read(move |reader| reader.old_results(task, &range)).await;
        read.unwrap_or_else(|error| {
            tracing::warn!(%task, %error, "old results cannot be compared");
            Pieces::new()
        })
    }

    /// Has somebody compute a result again, while everything else goes on.
    pub(super) fn look_into(&self, doubt: Doubt) {
        let mut turn = None;
        if let [(by, digest)] = &doubt.claims[..] {
            let (by, digest) = (*by, digest.clone());
            let cost = doubt.result.cost;
            // If she is busy with another one, this one is left to others.
            turn = Arc::clone(&self.inner.checks).try_acquire_owned().ok().filter(|_| {
                let mut state = self.lock();
                let record = state.tasks.get_mut(doubt.job.task);
                cost <= LATER && record.is_some_and(|record| record.spend(cost))
            });
            if turn.is_none() {
                let Doubt { job, result, .. } = doubt;
                self.change(|state, now| state.audit(Audit { job, result, by, digest }, now));
                return;
            }
        }
        let hive = self.clone();
        tokio::spawn(async move { hive.arbitrate(doubt, turn).await });
    }

    /// Computes one result, and sees who was right.
    async fn arbitrate(&self, doubt: Doubt, turn: Option<OwnedSemaphorePermit>) {
        let Doubt { job, result: Expensive { index, .. }, claims } = doubt;
        let _turn = match turn {
            Some(turn) => turn,
            None => match Arc::clone(&self.inner.checks).acquire_owned().await {
                Ok(turn) => turn,
                Err(_) => return,
            },
        };
        let Ok(input) = self.inputs(&job.inputs, &(index..index + 1)).await else { return };
        let Ok(job) = self.whole(&job).await else { return };
        let task = job.task;
        let computed = tokio::task::spawn_blocking(move || {
            let input = input.as_blob().iter().next().unwrap_or_default();
            kinds::reference(&job.terms.specification, input)
        });
        let Ok(Some(right)) = computed.await else { return };
        for (drone, digest) in claims {
            match digest[..] == right {
                true => self.lock().trust(&[drone], 1),
                false => self.caught(Lie { drone, task, index }).await,
            }
        }
    }
}

impl State {
    /// What an open lease of this Drone is about.
    pub(super) fn order_of(&self, drone: DroneId, lease: LeaseId) -> Option<Order> {
        let LeaseStatus { task, next } = self.core.lease(drone, lease)?;
        let trust = self.presences.get(&drone).map_or(0, |presence| presence.checked);
        if let Some(audit) = self.audits.under_way.get(&task) {
            let (job, next) = (audit.job.clone(), audit.result.index);
            return Some(Order { job, audit: Some(task), is_rework: false, trust, next });
        }
        let record = self.tasks.get(task)?;
        Some(Order { job: record.job(task), audit: None, is_rework: record.is_rework(), trust, next })
    }

    /// These Drones were right about so many results that were computed a second time.
    pub(super) fn trust(&mut self, drones: &[DroneId], results: u64) {
        self.audits.verified.right += results;
        for drone in drones.iter().filter(|_| results > 0) {
            if let Some(presence) = self.presences.get_mut(drone) {
                presence.checked += 1;
            }
        }
    }

    /// Whether a part with expensive results is looked at, and if so, which one of them.
    pub(super) fn doubt(&self, drone: DroneId, job: Job, arrived: &Arrived) -> Option<Doubt> {
        let result = arrived.expensive?;
        let trust = self.presences.get(&drone)?.checked;
        if !random().is_multiple_of(one_part_in(trust)) {
            return None;
        }
        let offset = (result.index - arrived.range.start) as usize * DIGEST;
        let digest = Bytes::copy_from_slice(arrived.bytes.get(offset..offset + DIGEST)?);
        Some(Doubt { job, result, claims: vec![(drone, digest)] })
    }

    /// Has another Drone compute a result a second time, if there is one.
    fn audit(&mut self, audit: Audit, now: Time) {
        let under_way = &self.audits.under_way;
        let of_one = || under_way.values().filter(|other| other.by == audit.by).count();
        if under_way.len() >= AUDITS || of_one() >= AUDITS_OF_ONE || !self.has_others(audit.by) {
            return;
        }
        let id = TaskId(TASKS_END + self.audits.begun);
        self.audits.begun += 1;
        let terms = &audit.job.terms;
        let segment = Segment { items: 1, cost: audit.result.cost.max(1), bytes: 8 + audit.result.length };
        let segments = [segment];
        let work = TaskWork {
            class: kinds::class(&terms.specification, &segments),
            priority: terms.priority,
            segments: Box::new(segments),
            done: Default::default(),
            paused: false,
            deadline: None,
            avoid: Some(audit.by),
            batch: false,
            twice: false,
        };
        self.audits.under_way.insert(id, audit);
        self.handle(Event::Submit { task: id, work }, now);
    }

    /// What a lease of an audit is really about.
    pub(super) fn audited(&self, id: TaskId) -> Option<(Job, u64)> {
        self.audits.under_way.get(&id).map(|audit| (audit.job.clone(), audit.result.index))
    }

    /// The second result is there, by `drone`; returns what has to be looked into if they differ.
    pub(super) fn compare(&mut self, id: TaskId, drone: DroneId, digest: Bytes) -> Option<Doubt> {
        let Audit { job, result, by, digest: first } = self.audits.under_way.remove(&id)?;
        self.audits.done += 1;
        if by == drone {
            // There was no other Drone.
            return None;
        }
        if first == digest {
            self.trust(&[by, drone], 1);
            return None;
        }
        Some(Doubt { job, result, claims: vec![(by, first), (drone, digest)] })
    }

    /// Whether a lease that failed is one of an audit, which ends by that.
    pub(super) fn is_audit(&mut self, drone: DroneId, lease: LeaseId, now: Time) -> bool {
        let task = self.core.lease(drone, lease).map(|lease| lease.task);
        let audit = task.filter(|task| self.audits.under_way.contains_key(task));
        if let Some(task) = audit {
            self.handle(Event::Cancel { task }, now);
        }
        audit.is_some()
    }

    /// Nothing more has to be known about this Drone.
    pub(super) fn end_audits_of(&mut self, by: DroneId, now: Time) {
        let of_it = self.audits.under_way.iter().filter(|(_, audit)| audit.by == by);
        let ids: Vec<_> = of_it.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|task| self.handle(Event::Cancel { task }, now));
    }

    /// An audit has ended in one way or another.
    pub(super) fn end_audit(&mut self, id: TaskId) {
        self.audits.under_way.remove(&id);
    }
}
