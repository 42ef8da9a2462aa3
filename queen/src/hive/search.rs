//! Searches: looking at the marks that come, keeping what is found, and searching again what is in doubt.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use web::kinds::search::{Search, Sought};
use web::model::Timestamp;
use wire::blob::SharedBlob;
use wire::ids::{DroneId, TaskId};

use super::arrival::{Arrival, Sighting, WrongKind, WrongResult};
use super::audit::{Compared, SecondSearch, compare_marks};
use super::cache::CacheKey;
use super::evidence::gap_is_suspect;
use super::findings::shown;
use super::request::Request;
use super::search_state::Suspicion;
use super::shared::SharedHive;
use super::state::State;
use super::story::Story;
use crate::clock::Now;
use crate::core::Event;
use crate::kinds::search::{Looker, cost_of_one, prepare};
use crate::store::{Change, StoreError};
use crate::work::{Finding, Inputs, Job, Marks, Searched, Trust};

/// What is searched again has so many marks at least, on average.
const SECOND_MARKS: f64 = 16.0;

/// So many marks have to be expected in what is compared with what another Drone has searched.
const COMPARED_MARKS: f64 = 1.0;

/// One part in so many is searched again although nothing is suspect.
const ONE_PART_IN: u64 = 1000;

/// What takes more compressions than this is looked at on a thread that may take long.
const AT_ONCE: u64 = 1024;

/// How soon it is looked again whether targets can be read.
const READ_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Findings of one part that are told one by one; who watches more reads them anew.
const MAX_FINDING_EVENTS: usize = 64;

/// More targets than this are prepared on a thread that may take long.
const TARGETS_AT_ONCE: u64 = 1024;

impl SharedHive {
    /// What is to be known of a search to tell its marks; made once, and kept at hand.
    ///
    /// # Errors
    /// If its targets cannot be read from the disk.
    pub async fn prepared(&self, job: &Job) -> Result<SharedBlob, StoreError> {
        let key = CacheKey::Prepared(job.task);
        if let Some(known) = self.lock().cache.get(key) {
            return Ok(known);
        }
        let whole = self.whole(job).await?;
        let make = move || whole.kind().search().map(prepare).unwrap_or_default();
        let made = match job.kind().search().map_or(0, targets_of) > TARGETS_AT_ONCE {
            true => spawn_blocking(make).await.map_err(|_| broken_off())?,
            false => make(),
        };
        // What goes is freed after the lock is released.
        let gone = self.lock().cache.insert(key, made.clone());
        drop(gone);
        Ok(made)
    }

    /// Like [`prepared`](Self::prepared), but tries again while the disk cannot be read. `None` if the targets are
    /// damaged: the task has failed then.
    async fn prepared_in_time(&self, job: &Job) -> Option<SharedBlob> {
        loop {
            match self.prepared(job).await {
                Ok(prepared) => return Some(prepared),
                Err(error) if error.is_damage() => {
                    tracing::error!(task = %job.task, %error, "what is sought cannot be read");
                    let (task, reason) = (job.task, error.to_string());
                    let slot = self.slot(0).await.ok()?;
                    self.change_durably(slot, |state, now| {
                        state.handle(Event::InputsUnavailable { task, reason }, now)
                    });
                    return None;
                }
                Err(error) => tracing::warn!(task = %job.task, %error, "what is sought cannot be read at present"),
            }
            sleep(READ_RETRY_INTERVAL).await;
        }
    }

    /// Looks at each mark that came: whether it is one, and whether it is sought.
    ///
    /// # Errors
    /// If one is none.
    pub(super) async fn examine_marks(
        &self,
        drone: DroneId,
        job: &Job,
        mut arrival: Arrival,
        chance: u64,
    ) -> Result<Arrival, WrongResult> {
        arrival.is_search = true;
        let (range, bytes) = (arrival.piece.range.clone(), arrival.piece.bytes.clone());
        // They were parsed when they came.
        let Some(marks) = Marks::parse(bytes, range.end - range.start) else { return Ok(arrival) };
        // Targets that cannot be read say nothing about the Drone; what is not looked at is not taken.
        let Some(prepared) = self.prepared_in_time(job).await else { return Ok(arrival) };
        let looking = {
            let (job, marks, first) = (job.clone(), marks.clone(), range.start);
            move || look(&job, &prepared, &marks, first)
        };
        let cost = job.kind().search().map_or(1, cost_of_one);
        let looked = match marks.count().saturating_mul(cost) > AT_ONCE {
            true => spawn_blocking(looking).await.ok(),
            false => Some(looking()),
        };
        match looked.flatten() {
            Some(looked) => judge(drone, job.task, (marks, looked), arrival, chance),
            None => Ok(arrival),
        }
    }
}

impl SharedHive {
    /// Searches candidates, and sees whether a Drone has told all marks.
    pub(super) async fn search_by_queen(&self, second: SecondSearch) {
        let marks = self.marks_of(&second).await;
        self.lock().audits.end_own_search();
        let Some(marks) = marks else { return };
        // A Drone may be convicted by it, which has to be written.
        let Ok(slot) = self.slot(0).await else { return };
        self.change_and_tell(Some(slot), None, |state, now| state.searched_again(&second, &marks, now));
    }

    /// Compares what was searched with what others have searched of the same.
    pub(super) async fn look_up_marks(&self, task: TaskId, second: Searched) {
        let range = second.range.clone();
        // A Drone may be convicted by it, which has to be written.
        if let Ok(slot) = self.slot(0).await {
            let hive = self.clone();
            // What was searched before is in the store by then.
            let between = self.inner.disk.journal.between(move || {
                let first = hive.inner.disk.reader.marks(task, &range)?;
                hive.change_durably(slot, |state, now| state.compare_marks(task, &first, &second, now));
                Ok::<_, StoreError>(())
            });
            if let Some(Err(error)) = between.await {
                tracing::warn!(%task, %error, "marks of two drones cannot be compared");
            }
        }
        self.lock().audits.end_comparison();
    }

    async fn marks_of(&self, second: &SecondSearch) -> Option<Vec<u64>> {
        let prepared = self.prepared(&second.job).await.ok()?;
        let (job, range) = (second.job.clone(), second.first.range.clone());
        spawn_blocking(move || marks_in(&job, &prepared, range)).await.ok().flatten()
    }
}

/// The candidates of a range that are marks.
pub(super) fn marks_in(job: &Job, prepared: &SharedBlob, range: Range<u64>) -> Option<Vec<u64>> {
    let (search, Inputs::Large(large)) = (job.kind().search()?, &job.inputs) else { return None };
    let mut looker = Looker::new(search, large, prepared.as_blob());
    Some(range.filter(|index| looker.look(*index).is_mark).collect())
}

fn broken_off() -> StoreError {
    StoreError::io(&PathBuf::new())(std::io::Error::other("preparing targets was broken off"))
}

fn targets_of(search: &Search) -> u64 {
    if let Sought::Targets { count, .. } = search.sought { count } else { 0 }
}

/// What is sought among marks, and which share of candidates are marks; or the index of the first that is none.
type Looked = Result<(Vec<Finding>, f64), u64>;

/// Looks at the marks of a range that begins at `first`.
pub(super) fn look(job: &Job, prepared: &SharedBlob, marks: &Marks, first: u64) -> Option<Looked> {
    let (search, Inputs::Large(large)) = (job.kind().search()?, &job.inputs) else { return None };
    let mut looker = Looker::new(search, large, prepared.as_blob());
    let mut findings = Vec::new();
    for index in marks.iter().map(|mark| first + mark) {
        let looked = looker.look(index);
        if !looked.is_mark {
            return Some(Err(index));
        }
        if looked.is_finding {
            findings.push(Finding { index, digest: looked.digest });
        }
    }
    Some(Ok((findings, looker.share())))
}

/// What follows from marks that were looked at; `chance` is a random number.
///
/// # Errors
/// If one is none, or one that was not told is one.
pub(super) fn judge(
    drone: DroneId,
    task: TaskId,
    (marks, looked): (Marks, Looked),
    mut arrival: Arrival,
    chance: u64,
) -> Result<Arrival, WrongResult> {
    let range = &arrival.piece.range;
    match looked {
        // Where all are marks, one that is not told was not computed.
        Ok((_, share)) if share >= 1.0 && marks.count() < range.end - range.start => {
            let missed = (0..).zip(marks.iter()).find(|(at, mark)| at != mark).map_or(marks.count(), |(at, _)| at);
            Err(WrongResult { drone, task, index: range.start + missed, kind: WrongKind::Missed })
        }
        Ok((findings, share)) => {
            arrival.looked_at = marks.count();
            arrival.sighting = Some(Sighting { marks, findings, share, chance });
            Ok(arrival)
        }
        Err(index) => Err(WrongResult { drone, task, index, kind: WrongKind::Mark }),
    }
}

impl State {
    /// Keeps what a Drone has searched; returns what is worth to be searched again.
    pub(super) fn store_searched(
        &mut self,
        task: TaskId,
        drone: DroneId,
        wanted: &Range<u64>,
        arrival: &Arrival,
        now: Now,
    ) -> Option<SecondSearch> {
        let sighting = arrival.sighting.as_ref()?;
        let searched = arrival.searched(drone, now.at)?.within(wanted);
        let items = searched.range.end - searched.range.start;
        // A finding counts also where it is not credited, since another Drone was first there.
        let findings = &sighting.findings;
        let job = self.tasks.get(task)?.job(task);
        let search = job.kind().search()?;
        let sought = match search.sought {
            Sought::Targets { .. } => findings.iter().filter(|finding| wanted.contains(&finding.index)).count() as u64,
            Sought::Interval { .. } => 0,
        };
        let (expected, seen) = ((items - sought) as f64 * sighting.share, searched.marks.count() - sought);
        let most = search.max_findings;
        let (new, suspicion) = self.tasks.change(task, |record| {
            let search_state = record.search_state_mut();
            let suspicion = search_state.note(&searched, expected, seen);
            let new: Vec<_> = findings.iter().filter(|finding| search_state.find(**finding, most)).copied().collect();
            (new, suspicion)
        })?;
        let has_gap = gap_is_suspect(searched.marks.iter(), items, sighting.share);
        self.tell_findings(task, &job, &new);
        let is_looked_at = suspicion != Suspicion::None || has_gap || sighting.chance.is_multiple_of(ONE_PART_IN);
        let second = is_looked_at.then(|| second_search(&job, &searched, sighting));
        if suspicion == Suspicion::New || has_gap {
            tracing::info!(%task, %drone, expected, seen, "marks are missing, by chance or not: a part is searched again");
        }
        self.outgoing.push(Change::Searched { task, searched: Box::new(searched), findings: new });
        self.fleet.count_items(drone, items);
        second
    }

    fn tell_findings(&mut self, task: TaskId, job: &Job, new: &[Finding]) {
        if new.is_empty() {
            return;
        }
        let found = self.tasks.get(task).map_or(0, |record| record.found().findings);
        self.stories.push(Story::SearchCounts { task: self.tasks.label(task), new: new.len() as u64, found });
        match new.len() > MAX_FINDING_EVENTS {
            true => self.feed.reset(),
            false => {
                for finding in shown(job, new) {
                    self.feed.found(task, job.terms.owner_id(), finding);
                }
            }
        }
    }

    /// Ends a search, or a part of it, of which enough was found.
    pub(super) fn stop_search(&mut self, task: TaskId, now: Now) {
        let Some(record) = self.tasks.get(task).filter(|record| !record.is_rework() && !record.is_over()) else {
            return;
        };
        if let Some(from) = record.wanted_until() {
            self.handle(Event::Finish { task, from }, now);
        }
    }

    /// Has another Drone search candidates again; the Queen a few of them, if there is none.
    pub(super) fn search_again(&mut self, second: SecondSearch, now: Now) {
        let (task, drone) = (second.job.task, second.first.drone);
        // Only Drones that are able count: else the core would give the audit back to the Drone that is to be audited.
        let has_others = self.core.has_other_for(task, drone).unwrap_or_else(|| self.fleet.has_others(drone));
        if !has_others {
            if self.audits.begin_own_search() {
                self.requests.push(Request::SearchAgain(Box::new(second.for_queen())));
            }
            return;
        }
        if let Some((task, work)) = self.audits.begin_search(second) {
            self.handle(Event::Submit { task, work }, now);
        }
    }

    /// The Queen has searched candidates again, among which these are marks.
    pub(super) fn searched_again(&mut self, second: &SecondSearch, marks: &[u64], now: Now) {
        let (task, first) = (second.job.task, &second.first);
        let first_marks: BTreeSet<u64> = first.indices().collect();
        match marks.iter().find(|mark| !first_marks.contains(*mark)) {
            Some(missed) => {
                let wrong = WrongResult { drone: first.drone, task, index: *missed, kind: WrongKind::Missed };
                self.convict(wrong, now);
            }
            None => {
                self.trust(&[first.drone], marks.len() as u64);
                self.agrees(task, first.drone);
                self.outgoing.push(Change::Confirmed { task, range: first.range.clone(), drone: first.drone });
            }
        }
    }

    /// Has those marks of a Drone compared that were not credited, because a twin of its lease was first there, with
    /// the marks that were. A comparison waits for the disk; where less than a mark is expected, it would say nothing,
    /// and is not made.
    pub(super) fn compare_rest(
        &mut self,
        task: TaskId,
        drone: DroneId,
        credited: &Range<u64>,
        arrival: &Arrival,
        now: Now,
    ) {
        let Some(all) = arrival.searched(drone, now.at) else { return };
        let share = arrival.sighting.as_ref().map_or(0.0, |sighting| sighting.share);
        for rest in [all.range.start..credited.start, credited.end..all.range.end] {
            let expected = rest.end.saturating_sub(rest.start) as f64 * share;
            if expected >= COMPARED_MARKS && self.audits.begin_comparison() {
                self.requests.push(Request::CompareMarks(task, Box::new(all.within(&rest))));
            }
        }
    }

    /// Compares what Drones have searched, as it is in the store, with what another one says of the same candidates.
    pub(super) fn compare_marks(&mut self, task: TaskId, first: &[Searched], second: &Searched, now: Now) {
        for first in first.iter().filter(|first| first.drone != second.drone && first.trust != Trust::Suspect) {
            let part = first.within(&second.range);
            let same = second.within(&part.range);
            match compare_marks(first.drone, &part.indices().collect(), &same) {
                Compared::Missed(drone, index) => {
                    self.convict(WrongResult { drone, task, index, kind: WrongKind::Missed }, now);
                    if drone == second.drone {
                        return;
                    }
                }
                // Agreement on hardly any marks proves nothing.
                Compared::Same(drones) if same.marks.count() as f64 >= SECOND_MARKS => {
                    self.trust(&drones, same.marks.count());
                    self.agrees(task, first.drone);
                    self.outgoing.push(Change::Confirmed { task, range: part.range, drone: first.drone });
                }
                Compared::Same(_) | Compared::Differs(_) | Compared::Nothing => {}
            }
        }
    }

    /// A part of what a Drone has searched was searched again, and the same came of it.
    fn agrees(&mut self, task: TaskId, drone: DroneId) {
        self.tasks.change(task, |record| record.search_state_mut().agrees(drone));
    }

    /// Candidates of an audit were searched a second time; who is wrong, if that is known now.
    pub(super) fn compare_search(&mut self, audit: TaskId, second: &Searched) -> Option<WrongResult> {
        let task = self.audits.of(audit)?.task;
        match self.audits.compare_search(audit, second) {
            Compared::Same(drones) => {
                self.trust(&drones, second.marks.count());
                let [first, _] = drones;
                self.agrees(task, first);
                self.outgoing.push(Change::Confirmed { task, range: second.range.clone(), drone: first });
                None
            }
            Compared::Missed(drone, index) => Some(WrongResult { drone, task, index, kind: WrongKind::Missed }),
            Compared::Differs(_) | Compared::Nothing => None,
        }
    }
}

/// What of a part is searched again: so much that some marks are expected, at a random place.
fn second_search(job: &Job, searched: &Searched, sighting: &Sighting) -> SecondSearch {
    let items = searched.range.end - searched.range.start;
    let length = ((SECOND_MARKS / sighting.share).ceil() as u64).clamp(1, items);
    let start = searched.range.start + (sighting.chance / ONE_PART_IN) % (items - length + 1);
    let first = searched.within(&(start..start + length));
    let cost = match &job.inputs {
        Inputs::Large(large) => large.cost_of(&first.range),
        Inputs::Small(_) => length,
    };
    SecondSearch { job: job.clone(), first, cost }
}

impl Arrival {
    /// What was searched by it; `None` if its marks were not looked at.
    pub(super) fn searched(&self, drone: DroneId, at: Timestamp) -> Option<Searched> {
        let sighting = self.sighting.as_ref()?;
        let spent_ns = u64::try_from(self.spent.as_nanos()).unwrap_or(u64::MAX);
        let (range, marks) = (self.piece.range.clone(), sighting.marks.clone());
        Some(Searched { range, marks, drone, trust: Trust::Sampled, spent_ns, at })
    }
}
