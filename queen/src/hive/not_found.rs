//! Which of the digests that it was given a search has not found.

use std::ops::Range;

use async_trait::async_trait;
use web::budget::Reservation;
use web::hive::{HiveError, NotFound, ResultBatch, Results, ResultsFound};
use web::kinds::search::Sought;
use wire::ids::TaskId;
use wire::sieve::Digest;

use super::findings::FindingReader;
use super::refusal::{no_targets, unreadable};
use super::shared::SharedHive;
use crate::work::Job;

/// Digests of one batch: 64 KiB.
const BATCH: usize = 2048;

/// Digests by their number, a bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DigestSet {
    bits: Vec<u64>,
}

impl DigestSet {
    /// The first so many.
    fn all(count: usize) -> Self {
        let mut bits = vec![u64::MAX; count.div_ceil(64)];
        if let Some(last) = bits.last_mut().filter(|_| !count.is_multiple_of(64)) {
            *last = (1 << (count % 64)) - 1;
        }
        Self { bits }
    }

    fn remove(&mut self, number: usize) {
        self.bits[number / 64] &= !(1 << (number % 64));
    }

    fn count(&self) -> u64 {
        self.bits.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        let within = |bits: u64| (0..64).filter(move |bit| bits >> bit & 1 == 1);
        self.bits.iter().enumerate().flat_map(move |(at, bits)| within(*bits).map(move |bit| 64 * at + bit))
    }
}

/// A reader of digests that were not found when it was made; what is found later changes nothing, so that the parts of
/// what is read fit together. The digests themselves, which take much more memory, are read again for each batch.
struct NotFoundReader {
    hive: SharedHive,
    job: Job,
    missing: DigestSet,
    /// Which of those that lack are still to be read, by their number among them.
    rest: Range<u64>,
}

impl SharedHive {
    /// Which of the digests that a search was given it has not found by now.
    pub(super) async fn not_found_of(&self, id: TaskId, range: Range<u64>) -> Result<NotFound, HiveError> {
        // The task comes first: of one that is done nothing is found later.
        let (task, job) = self.search(id).await?;
        let missing = self.missing(&job).await?;
        let missing = missing.ok_or_else(|| no_targets(id, task.name.as_deref()))?;
        let count = missing.count();
        let end = range.end.min(count);
        let range = range.start.min(end)..end;
        let results = Box::new(NotFoundReader { hive: self.clone(), job, missing, rest: range.clone() });
        Ok(NotFound { results: ResultsFound { task, range, is_whole: true, results }, count })
    }

    /// Which digests lack; `None` if none were given.
    async fn missing(&self, job: &Job) -> Result<Option<DigestSet>, HiveError> {
        let _room = self.room_for_digests(job).await;
        let Some(digests) = self.digests_sought(job).await? else { return Ok(None) };
        let mut missing = DigestSet::all(digests.len());
        let mut findings = FindingReader::new(self, job.clone(), 0..u64::MAX);
        loop {
            let page = findings.page(BATCH).await?;
            if page.is_empty() {
                return Ok(Some(missing));
            }
            for found in page.iter().filter_map(|finding| digests.binary_search(&finding.digest).ok()) {
                missing.remove(found);
            }
        }
    }

    /// Room for the digests while they are read: in a job, and as a list.
    async fn room_for_digests(&self, job: &Job) -> Reservation {
        let readers = &self.inner.memory.readers;
        // Half of the room is free sooner or later: see `ResultReader`.
        readers.wait_for((2 * job.terms.secret_bytes()).min(readers.limit() / 2)).await
    }

    /// The digests that a search was given, ascending; `None` if it seeks others.
    async fn digests_sought(&self, job: &Job) -> Result<Option<Vec<Digest>>, HiveError> {
        let whole = match self.whole(job).await {
            Ok(whole) => whole,
            Err(_) if self.is_gone(job.task).await => return Err(HiveError::TaskGone(job.task)),
            Err(error) => return Err(unreadable(error)),
        };
        Ok(match whole.kind().search().map(|search| &search.sought) {
            Some(Sought::Targets { digests, .. }) => Some(digests.as_chunks().0.to_vec()),
            _ => None,
        })
    }
}

#[async_trait]
impl Results for NotFoundReader {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let first = self.rest.start;
        let most = usize::try_from(self.rest.end - first).unwrap_or(BATCH).min(BATCH);
        let numbers = self.missing.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)).take(most);
        let _room = self.hive.room_for_digests(&self.job).await;
        let all = self.hive.digests_sought(&self.job).await?.unwrap_or_default();
        let digests: Vec<Digest> = numbers.filter_map(|number| all.get(number).copied()).collect();
        self.rest.start += digests.len() as u64;
        Ok((!digests.is_empty()).then_some(ResultBatch::NotFound { first, digests }))
    }

    fn pause(&mut self, next: u64) -> bool {
        let keeps = self.hive.inner.memory.readers.is_ample();
        if !keeps {
            self.rest.start = next;
        }
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_counted_and_listed() {
        for count in [0, 1, 63, 64, 65, 200] {
            let mut missing = DigestSet::all(count);
            assert_eq!((missing.count(), missing.iter().count()), (count as u64, count));
            (0..count).step_by(3).for_each(|number| missing.remove(number));
            let rest: Vec<usize> = (0..count).filter(|number| !number.is_multiple_of(3)).collect();
            assert_eq!(missing.iter().collect::<Vec<_>>(), rest);
            assert_eq!(missing.count(), rest.len() as u64);
        }
    }
}
