//! Results that have to be computed twice before they count: those of tasks that ask for that.
//!
//! What comes the first time is kept here as a *claim*, and the core has another Drone compute the
//! same. What two Drones agree on is stored as checked; where they differ, the Queen computes one
//! result herself, and who was wrong is found out as ever. Where there is no other Drone, she
//! computes what was claimed, the most urgent first, some ranges at a time; where there is no room
//! for more claims, she does so while their Drone waits. Claims end with their Queen: nobody was
//! told that they are done.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use web::budget::{Budget, Reservation};
use wire::ids::{DroneId, TaskId};

use super::SharedHive;
use super::journal;
use super::state::State;
use super::verify::{Arrived, Doubt, Lie};
use crate::core::{Effect, Event, Time};
use crate::kinds::digest::DIGEST;
use crate::kinds::{self, Job};
use crate::store::Trust;

/// The part of the tasks' share of the memory limit that claims may take.
const PART: u64 = 8;

/// Parts that an output falls into at most, by what is known of it: a liar could make very many.
const PARTS: usize = 64;

/// What a claim takes of memory besides its digests, in bytes.
const CLAIM: u64 = 256;

/// Claims of all tasks.
pub(super) struct Claims {
    /// By task and first index. Those of one task do not overlap.
    by_task: BTreeMap<TaskId, BTreeMap<u64, Claim>>,
    /// The memory of all tasks, and what may be taken of it here.
    memory: Arc<Budget>,
    own: Arc<Budget>,
    /// What the Queen is to compute, by priority, then in the order in which it came.
    seconds: BTreeMap<(Reverse<i8>, u64), Second>,
    came: u64,
    /// How many more ranges she may compute at once.
    idle: usize,
}

/// Results that one Drone gave.
struct Claim {
    drone: DroneId,
    bytes: Bytes,
    room: Room,
}

/// Memory for a claim, given back when all of it is gone.
#[derive(Clone)]
pub(super) struct Room {
    _taken: Arc<[Reservation; 2]>,
}

/// What is known of results when they come.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nobody else gave any.
    New,
    /// This other Drone gave the same.
    Agreed(DroneId),
    /// This Drone gave others, of which this is the first.
    Differs(DroneId, Bytes),
}

/// Results that the Queen computes again, since no other Drone can.
struct Second {
    job: Job,
    drone: DroneId,
    part: Arrived,
}

/// What is to be looked into behind the lock.
pub(super) enum Further {
    Doubt(Doubt),
    /// There are claims for the Queen.
    Seconds,
}

impl Claims {
    /// None yet. The Queen computes so many ranges at once.
    pub(super) fn new(memory: Arc<Budget>, at_once: usize) -> Self {
        let own = Budget::new(memory.limit() / PART);
        Self { by_task: BTreeMap::new(), memory, own, seconds: BTreeMap::new(), came: 0, idle: at_once }
    }

    /// Has the Queen compute something.
    fn add_second(&mut self, second: Second) {
        self.came += 1;
        self.seconds.insert((Reverse(second.job.terms.priority), self.came), second);
    }

    /// Whether the Queen may compute one more range, for which there is something.
    fn begin(&mut self) -> bool {
        let begins = self.idle > 0 && !self.seconds.is_empty();
        self.idle -= usize::from(begins);
        begins
    }

    /// Room for a claim of so many bytes, if there is any.
    fn reserve(&self, bytes: usize) -> Option<Room> {
        let wanted = CLAIM + bytes as u64;
        let (mut own, mut memory) = (self.own.reserve(), self.memory.reserve());
        own.grow(wanted).and_then(|()| memory.grow(wanted)).ok()?;
        Some(Room { _taken: Arc::new([own, memory]) })
    }

    /// Whether other Drones than this one have claimed all of a range.
    fn are_of_others(&self, task: TaskId, drone: DroneId, range: &Range<u64>) -> bool {
        let mut next = range.start;
        while next < range.end {
            match self.around(task, next) {
                Some((first, claim)) if claim.drone != drone => next = first + claim.items(),
                _ => return false,
            }
        }
        true
    }

    /// The claim that an index belongs to, and where that begins.
    fn around(&self, task: TaskId, index: u64) -> Option<(u64, &Claim)> {
        let (first, claim) = self.by_task.get(&task)?.range(..=index).next_back()?;
        (index < first + claim.items()).then_some((*first, claim))
    }

    /// What is known of the first of these results, and of how many the same.
    fn judge(&self, task: TaskId, drone: DroneId, range: &Range<u64>, bytes: &[u8]) -> (Verdict, u64) {
        let items = range.end - range.start;
        let Some((first, claim)) = self.around(task, range.start) else {
            let claims = self.by_task.get(&task);
            let next = claims.and_then(|claims| claims.range(range.start..range.end).next());
            return (Verdict::New, next.map_or(items, |(next, _)| next - range.start));
        };
        let items = items.min(first + claim.items() - range.start);
        let theirs = claim.part(range.start - first..range.start - first + items).bytes;
        let agreed = if claim.drone == drone { Verdict::New } else { Verdict::Agreed(claim.drone) };
        if bytes.starts_with(&theirs) {
            return (agreed, items);
        }
        let mut same = theirs.chunks_exact(DIGEST).zip(bytes.chunks_exact(DIGEST)).map(|(theirs, ours)| theirs == ours);
        let is_same = same.next().unwrap_or_default();
        let count = 1 + same.take_while(|same| *same == is_same).count() as u64;
        let verdict = if is_same { agreed } else { Verdict::Differs(claim.drone, theirs.slice(..DIGEST)) };
        (verdict, count)
    }

    /// Keeps what a Drone claims, instead of what was claimed before.
    fn put(&mut self, task: TaskId, first: u64, claim: Claim) {
        self.remove(task, &(first..first + claim.items()));
        self.by_task.entry(task).or_default().insert(first, claim);
    }

    /// Forgets what is claimed of a range.
    fn remove(&mut self, task: TaskId, range: &Range<u64>) {
        let Some(claims) = self.by_task.get_mut(&task) else { return };
        let last = |claims: &BTreeMap<u64, Claim>| {
            let (first, claim) = claims.range(..range.end).next_back()?;
            (first + claim.items() > range.start).then_some(*first)
        };
        while let Some(first) = last(claims)
            && let Some(claim) = claims.remove(&first)
        {
            if first < range.start {
                claims.insert(first, claim.part(0..range.start - first));
            }
            if first + claim.items() > range.end {
                claims.insert(range.end, claim.part(range.end - first..claim.items()));
            }
        }
        if claims.is_empty() {
            self.by_task.remove(&task);
        }
    }

    /// Forgets all that is claimed of a task.
    pub(super) fn forget(&mut self, task: TaskId) {
        self.by_task.remove(&task);
    }

    /// Forgets all that a Drone claims.
    pub(super) fn forget_of(&mut self, drone: DroneId) {
        self.by_task.retain(|_, claims| {
            claims.retain(|_, claim| claim.drone != drone);
            !claims.is_empty()
        });
    }
}

impl Claim {
    fn items(&self) -> u64 {
        (self.bytes.len() / DIGEST) as u64
    }

    fn part(&self, items: Range<u64>) -> Self {
        let bytes = self.bytes.slice(items.start as usize * DIGEST..items.end as usize * DIGEST);
        Self { drone: self.drone, bytes, room: self.room.clone() }
    }
}

impl SharedHive {
    /// Looks at results that are computed twice, as far as that is to be done before they are taken:
    /// where there is no room for claiming them, the Queen computes all of them.
    ///
    /// # Errors
    /// If one is wrong.
    pub(super) async fn examine_claim(&self, drone: DroneId, job: &Job, arrived: &mut Arrived) -> Result<(), Lie> {
        {
            let claims = &self.lock().claims;
            if claims.are_of_others(job.task, drone, &arrived.range) {
                return Ok(());
            }
            arrived.room = claims.reserve(arrived.bytes.len());
        }
        if arrived.room.is_some() {
            return Ok(());
        }
        match self.right_until(job, &arrived.range, &arrived.bytes).await {
            Some(end) if end == arrived.range.end => {
                (arrived.trust, arrived.looked_at) = (Trust::Checked, end - arrived.range.start);
                Ok(())
            }
            Some(index) => Err(Lie { drone, task: job.task, index }),
            // Unreadable inputs say nothing about the Drone.
            None => Ok(()),
        }
    }

    /// Computes all results of a range, which lies in one segment, on a thread that may take long; up to
    /// which index those that were given are right. `None` if its inputs cannot be read.
    async fn right_until(&self, job: &Job, range: &Range<u64>, given: &Bytes) -> Option<u64> {
        let _turn = Arc::clone(&self.inner.seconds).acquire_owned().await.ok()?;
        let job = self.whole(job).await.ok()?;
        let inputs = self.inputs(&job.inputs, range).await.ok()?;
        let (terms, range, given) = (Arc::clone(&job.terms), range.clone(), given.clone());
        let comparing = tokio::task::spawn_blocking(move || {
            let blob = inputs.as_blob();
            // Inputs were checked when they came; of one that has suffered since, nobody knows the result.
            let is_right = |(input, given): (&[u8], &[u8])| {
                kinds::reference(&terms.specification, input).is_none_or(|right| right == given)
            };
            let right = blob.iter().zip(given.chunks_exact(DIGEST)).take_while(|pair| is_right(*pair)).count();
            range.end.min(range.start + right as u64)
        });
        comparing.await.ok()
    }

    /// Looks into what came up when results were taken, while everything else goes on.
    pub(super) fn look_further(&self, further: Further) {
        match further {
            Further::Doubt(doubt) => self.look_into(doubt),
            Further::Seconds => {
                if self.lock().claims.begin() {
                    let hive = self.clone();
                    tokio::spawn(async move { hive.compute_seconds().await });
                }
            }
        }
    }

    /// Computes what Drones claim, until there is nothing left.
    async fn compute_seconds(&self) {
        loop {
            let next = self.lock().next_second();
            let Some(second) = next else { return };
            if self.compute_second(second).await.is_err() {
                return;
            }
        }
    }

    /// Computes what a Drone claims, and stores it if it is right.
    ///
    /// # Errors
    /// If nothing is kept any more: the Queen stops.
    async fn compute_second(&self, second: Second) -> Result<(), journal::Closed> {
        let Second { job, drone, part } = second;
        let (task, range) = (job.task, part.range.clone());
        let right = self.right_until(&job, &range, &part.bytes).await;
        let slot = self.slot(part.bytes.len()).await?;
        let end = right.unwrap_or(range.start);
        self.change_durably(slot, |state, now| state.settle_claim(task, drone, part, end, now));
        if let Some(index) = right.filter(|right| *right < range.end) {
            self.caught(Lie { drone, task, index }).await;
        }
        Ok(())
    }
}

impl State {
    /// Takes results that are computed twice: keeps those of which it is the second time, and has the
    /// others computed again.
    pub(super) fn output_twice(
        &mut self,
        drone: DroneId,
        job: &Job,
        arrived: &Arrived,
        now: Time,
        further: &mut Vec<Further>,
    ) {
        let (task, lease) = (job.task, arrived.lease);
        let mut rest = arrived.range.clone();
        let (mut is_in_doubt, mut looked_at) = (false, arrived.looked_at);
        for nth in 0.. {
            if rest.is_empty() {
                return;
            }
            let offset = (rest.start - arrived.range.start) as usize * DIGEST;
            let Some(bytes) = arrived.bytes.get(offset..) else { return };
            let (verdict, items) = match nth < PARTS {
                true => self.claims.judge(task, drone, &rest, bytes),
                false => (Verdict::New, rest.end - rest.start),
            };
            let mut part = arrived.part(rest.start..rest.start + items);
            rest.start += items;
            if let Verdict::Agreed(_) = verdict {
                part.trust = Trust::Checked;
            }
            let (range, spent) = (part.range.clone(), part.spent);
            let event = match part.trust {
                Trust::Checked => Event::Output { drone, lease, range, spent },
                _ => {
                    // Until now somebody else had claimed it, or something else.
                    part.room = part.room.or_else(|| self.claims.reserve(part.bytes.len()));
                    Event::Claim { drone, lease, range, spent, is_kept: part.room.is_some() }
                }
            };
            // What was done with the part before may have taken this one from its Drone: then nothing is taken.
            self.handle_results(event, now, |state, effect| {
                state.trust(&[drone], std::mem::take(&mut looked_at));
                if let Verdict::Differs(other, digest) = &verdict
                    && !std::mem::replace(&mut is_in_doubt, true)
                {
                    let claims = vec![(*other, digest.clone()), (drone, part.bytes.slice(..DIGEST))];
                    further.push(Further::Doubt(Doubt::between(job.clone(), part.range.start, claims)));
                }
                match effect {
                    Effect::Credit { range, .. } => {
                        if let Verdict::Agreed(other) = verdict {
                            state.agree(other, drone, range.end - range.start);
                        }
                        state.claims.remove(task, &range);
                        state.keep(task, drone, &range, &part);
                    }
                    Effect::Claim { range, by_queen, .. } => {
                        further.extend(state.claim(drone, job, part.part(range), by_queen));
                    }
                    _ => {}
                }
            });
        }
    }

    /// Two Drones gave the same.
    fn agree(&mut self, first: DroneId, second: DroneId, items: u64) {
        self.trust(&[first, second], items);
        if let Some(presence) = self.presences.get_mut(&first) {
            presence.items_done += items;
        }
    }

    /// Keeps what a Drone claims until another one has computed the same, or the Queen; without room for it, it is
    /// as if nothing had come.
    fn claim(&mut self, drone: DroneId, job: &Job, part: Arrived, by_queen: bool) -> Option<Further> {
        self.claims.remove(job.task, &part.range);
        if by_queen {
            self.claims.add_second(Second { job: job.clone(), drone, part });
            return Some(Further::Seconds);
        }
        let room = part.room?;
        self.claims.put(job.task, part.range.start, Claim { drone, bytes: part.bytes, room });
        None
    }

    /// What the Queen computes next; that of tasks that have ended meanwhile is passed over. If there is
    /// nothing, who asks is idle from here on.
    fn next_second(&mut self) -> Option<Second> {
        while let Some((_, second)) = self.claims.seconds.pop_first() {
            if !self.core.with_queen(second.job.task, &second.part.range).is_empty() {
                return Some(second);
            }
        }
        self.claims.idle += 1;
        None
    }

    /// The Queen has computed what a Drone claimed: it is right before index `end`.
    fn settle_claim(&mut self, task: TaskId, drone: DroneId, mut part: Arrived, end: u64, now: Time) {
        part.trust = Trust::Checked;
        self.trust(&[drone], end.saturating_sub(part.range.start));
        let right = Event::Second { task, range: part.range.start..end, agrees: true };
        self.handle_results(right, now, |state, effect| {
            if let Effect::Credit { range, .. } = effect {
                state.keep(task, drone, &range, &part);
            }
        });
        self.handle(Event::Second { task, range: end..part.range.end, agrees: false }, now);
        self.release_inputs(task, part.range.start);
    }
}
