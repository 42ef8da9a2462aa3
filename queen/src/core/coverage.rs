//! What has become of each part of a task that has not ended.

use std::ops::Range;

use wire::ids::TaskId;

use super::history::History;
use super::scheduler::Core;
use super::status::Part;

impl Core {
    /// What has become of a task from index `from` on, at most `limit` parts in order, none overlapping another. What
    /// lies between two is not wanted any more. `None` if the task has ended.
    pub fn parts(&self, id: TaskId, from: u64, limit: usize) -> Option<Vec<(Range<u64>, Part)>> {
        let task = self.tasks.get(id)?;
        let mut parts = task.parts_from(from, limit);
        parts.extend(task.leases().filter_map(|lease| {
            let lease = self.leases.get(lease).filter(|lease| lease.range.end > from)?;
            let attempts = 1 + lease.history.as_deref().map_or(0, History::attempts);
            Some((
                lease.range.start.max(from)..lease.range.end,
                Part::Leased { drone: lease.drone, leases: 1, attempts },
            ))
        }));
        parts.retain(|(range, _)| !range.is_empty());
        // Only the first so many are wanted, of which there may be a lot.
        let most = limit.saturating_mul(2);
        if parts.len() > most {
            parts.select_nth_unstable_by_key(most, |(range, _)| range.start);
            parts.truncate(most);
        }
        parts.sort_by_key(|(range, _)| range.start);
        // Twins have the same range.
        parts.dedup_by(|(range, part), (before, kept)| match (part, kept) {
            (Part::Leased { leases: more, .. }, Part::Leased { leases, attempts, .. }) if range == before => {
                (*leases, *attempts) = (*leases + *more, *attempts + *more);
                true
            }
            _ => false,
        });
        parts.truncate(limit);
        Some(parts)
    }
}
