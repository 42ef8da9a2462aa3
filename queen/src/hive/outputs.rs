//! Results that come from Drones: what is wanted of them is stored and credited.

use std::ops::Range;
use std::sync::Arc;

use web::model::Change as News;
use wire::ids::{DroneId, TaskId};

use super::arrival::Arrival;
use super::audit::Recheck;
use super::cache::CacheKey;
use super::state::State;
use crate::clock::Now;
use crate::core::{Effect, Event, LeaseStatus, RangeSet};
use crate::store::Change;
use crate::work::{Piece, Results};

/// Changed ranges that are told one by one of one part of results; more are told as one.
const MAX_RANGE_EVENTS: usize = 64;

impl State {
    /// Results came of a Drone and were looked at: what the core credits of them is stored.
    pub(super) fn output(&mut self, drone: DroneId, arrival: Arrival, now: Now) {
        let (lease, spent, range) = (arrival.lease, arrival.spent, arrival.piece.range.clone());
        let is_next = |lease: &LeaseStatus| lease.next == range.start;
        let Some(LeaseStatus { task, .. }) = self.core.lease(drone, lease).filter(is_next) else { return };
        self.note_output(drone, task, spent, now);
        if self.audits.of(task).is_some() {
            return self.output_of_audit(drone, task, &arrival, now);
        }
        if arrival.is_search {
            return self.output_of_search(drone, task, &arrival, now);
        }
        let mut recheck = None;
        let first = range.start;
        match self.tasks.get(task).filter(|record| record.terms.is_twice()).map(|record| record.job(task)) {
            Some(job) => self.output_twice(drone, &job, &arrival, now),
            None => self.handle_results(Event::Output { drone, lease, range, spent }, now, |state, effect| {
                if let Effect::Credit { range, .. } = effect {
                    state.trust(&[drone], arrival.looked_at);
                    recheck = state.store_results(task, drone, &range, &arrival);
                }
            }),
        }
        recheck.into_iter().for_each(|recheck| self.recheck(recheck, now));
        self.release_inputs(task, first);
    }

    /// What was computed, or searched, a second time came.
    fn output_of_audit(&mut self, drone: DroneId, audit: TaskId, arrival: &Arrival, now: Now) {
        let (lease, spent, range) = (arrival.lease, arrival.spent, arrival.piece.range.clone());
        let (mut recheck, mut wrong) = (None, None);
        self.handle_results(Event::Output { drone, lease, range, spent }, now, |state, effect| {
            if let Effect::Credit { range, .. } = effect {
                match arrival.searched(drone, now.at) {
                    Some(searched) => wrong = state.compare_search(audit, &searched.within(&range)),
                    None if arrival.is_search => {}
                    None => recheck = state.compare(audit, drone, arrival.piece.bytes.clone()),
                }
            }
        });
        recheck.into_iter().for_each(|recheck| self.recheck(recheck, now));
        wrong.into_iter().for_each(|wrong| self.convict(wrong, now));
    }

    /// Marks of a search came. Those that were not looked at are of a task that is over.
    fn output_of_search(&mut self, drone: DroneId, task: TaskId, arrival: &Arrival, now: Now) {
        let (lease, spent, range) = (arrival.lease, arrival.spent, arrival.piece.range.clone());
        if arrival.sighting.is_none() {
            return;
        }
        let (mut second, mut credited) = (None, range.start..range.start);
        self.handle_results(Event::Output { drone, lease, range, spent }, now, |state, effect| {
            if let Effect::Credit { range, .. } = effect {
                state.trust(&[drone], arrival.looked_at);
                second = state.store_searched(task, drone, &range, arrival, now);
                credited = range;
            }
        });
        self.compare_rest(task, drone, &credited, arrival, now);
        second.into_iter().for_each(|second| self.search_again(second, now));
        self.stop_search(task, now);
    }

    /// Stores results that are credited; returns what is worth to be computed again.
    pub(super) fn store_results(
        &mut self,
        task: TaskId,
        drone: DroneId,
        wanted: &Range<u64>,
        arrival: &Arrival,
    ) -> Option<Recheck> {
        let results = Results { piece: arrival.piece.within(wanted), drone: Some(drone), trust: arrival.trust };
        let items = results.piece.items();
        let (replaces, is_rework, replaced, started) = self.tasks.change(task, |record| {
            let (replaces, is_rework) = (record.replaces_suspects(), record.is_rework());
            let mut replaced = if is_rework { record.suspect_pieces(wanted) } else { Vec::new() };
            replaced.extend(arrival.replaced.iter().cloned());
            record.outputs_mut().insert(results.clone());
            if let Some(result) = arrival.expensive {
                record.save_up(result.cost * items);
            }
            // Where all of it comes at once its end follows, which says when it was started.
            let is_part = items < record.inputs.total();
            (replaces, is_rework, replaced, if is_part { record.keep_start() } else { None })
        })?;
        if is_rework {
            self.correct(task, &results.piece, &replaced);
        }
        let record = self.tasks.get(task)?;
        let large = record.inputs.in_file().map(|(large, _)| Arc::clone(large));
        if let Some(at) = started {
            self.outgoing.defer(Change::Start { task, at });
        }
        let recheck =
            arrival.expensive.and_then(|_| Recheck::of(drone, record.job(task), arrival, self.fleet.trust_in(drone)));
        self.outgoing.push(Change::Results { task, results, large, replaces });
        self.fleet.count_items(drone, items);
        recheck
    }

    /// Drops the inputs of the segment that `index` is in from the cache, if all their results have come.
    pub(super) fn release_inputs(&mut self, task: TaskId, index: u64) {
        if let Some((large, file)) = self.tasks.get(task).and_then(|record| record.inputs.in_file())
            && self.core.is_done(task, &large.around(index))
        {
            drop(self.cache.remove(CacheKey::Segment(file, large.segment_of(index))));
        }
    }

    /// Counts and tells what of new results differs from what was there.
    fn correct(&mut self, id: TaskId, new: &Piece, replaced: &[Piece]) {
        let mut changed = RangeSet::default();
        for (index, before) in replaced.iter().flat_map(Piece::iter) {
            if new.get(index).is_some_and(|now| now != before) {
                changed.insert(index..index + 1);
            }
        }
        let drone = self.tasks.change(id, |record| record.correct(changed.len()));
        let Some(drone) = drone.flatten() else { return };
        let owner = self.tasks.get(id).and_then(|record| record.terms.owner_id());
        let ranges: Vec<_> = changed.iter().collect();
        let all = ranges.first().zip(ranges.last()).map(|(first, last)| first.start..last.end);
        let ranges = if ranges.len() > MAX_RANGE_EVENTS { all.into_iter().collect() } else { ranges };
        for range in ranges {
            self.feed.publish(News::ResultChanged { task: id, from: range.start, to: range.end, drone, owner });
        }
    }
}
