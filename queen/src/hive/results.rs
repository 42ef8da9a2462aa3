//! Reading inputs and results, from wherever they are. Disks are read on threads that may wait.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use web::budget::Reservation;
use web::hive::{HiveError, ResultBatch, Results, SEGMENT};
use wire::blob::{BlobBuf, SharedBlob};
use wire::ids::TaskId;
use wire::material::MaterialId;

use super::cache::CacheKey;
use super::refusal::{missing, unreadable};
use super::shared::SharedHive;
use crate::store::{Reader, StoreError};
use crate::work::{Inputs, Job, Large, LongSecret, Material, Piece, SecretHash, SecretRef, join};

/// Pieces that are collected under the lock at a time.
const PIECES: usize = 1024;

impl SharedHive {
    /// The inputs of `range`, which lies in one segment, as they were given. Their segment is kept at
    /// hand until its results have come.
    ///
    /// # Errors
    /// If they cannot be read from the disk.
    pub async fn inputs(&self, inputs: &Inputs, range: &Range<u64>) -> Result<SharedBlob, StoreError> {
        self.read_inputs(inputs, range, true).await
    }

    /// The same for a reader who comes once: nothing that Drones need makes room for it.
    ///
    /// # Errors
    /// If they cannot be read from the disk.
    pub async fn inputs_once(&self, inputs: &Inputs, range: &Range<u64>) -> Result<SharedBlob, StoreError> {
        self.read_inputs(inputs, range, false).await
    }

    async fn read_inputs(&self, inputs: &Inputs, range: &Range<u64>, keeps: bool) -> Result<SharedBlob, StoreError> {
        let Inputs::Large(large) = inputs else { return Ok(small(inputs, range)) };
        let segment = self.segment(large, large.segment_of(range.start), keeps).await?;
        Ok(segment.slice(large.within_segment(range)))
    }

    async fn segment(&self, large: &Arc<Large>, number: usize, keeps: bool) -> Result<SharedBlob, StoreError> {
        // What is implied is read by nobody.
        let Some(file) = large.file else { return Ok(SharedBlob::default()) };
        if let Some(segment) = self.lock().cache.get(CacheKey::Segment(file, number)) {
            return Ok(segment);
        }
        let extent = large.segments[number];
        let segment = self.read(move |reader| reader.bulk().segment(file, &extent)).await?;
        if keeps {
            // What goes is freed after the lock is released.
            let gone = self.lock().cache.insert(CacheKey::Segment(file, number), segment.clone());
            drop(gone);
        }
        Ok(segment)
    }

    /// A job with its key or salt, which may have to be read.
    ///
    /// # Errors
    /// If it cannot be read from the disk.
    pub async fn whole(&self, job: &Job) -> Result<Job, StoreError> {
        Ok(match self.long_secret(job).await? {
            Some(secret) => Job { terms: Arc::new(job.terms.whole(&secret.bytes)), ..job.clone() },
            None => job.clone(),
        })
    }

    /// The key or salt of a job, if that is a [`LongSecret`].
    ///
    /// # Errors
    /// If it cannot be read from the disk.
    pub async fn long_secret(&self, job: &Job) -> Result<Option<Material>, StoreError> {
        let Some(SecretRef { hash, .. }) = job.terms.secret else { return Ok(None) };
        let bytes = match self.coming_secret(&hash) {
            Some(secret) => Bytes::copy_from_slice(&secret.bytes),
            None => self.stored_secret(hash).await?.string(0).unwrap_or_default(),
        };
        Ok(Some(Material { id: MaterialId(hash), bytes }))
    }

    fn coming_secret(&self, hash: &SecretHash) -> Option<Arc<LongSecret>> {
        self.lock().tasks.secrets.coming(hash)
    }

    /// A key or salt as one string.
    async fn stored_secret(&self, hash: SecretHash) -> Result<SharedBlob, StoreError> {
        let key = CacheKey::Secret(hash);
        if let Some(secret) = self.lock().cache.get(key) {
            return Ok(secret);
        }
        let secret = self.read(move |reader| reader.secret(&hash)).await?;
        let secret = [secret].iter().collect::<BlobBuf>().freeze();
        // What goes is freed after the lock is released.
        let gone = self.lock().cache.insert(key, secret.clone());
        drop(gone);
        Ok(secret)
    }

    /// Reads from the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lost = || StoreError::io(&std::path::PathBuf::new())(std::io::Error::other("reading was broken off"));
        let disk = &self.inner.disk;
        let turn = Arc::clone(&disk.reads).acquire_owned().await.map_err(|_| lost())?;
        let reader = Arc::clone(&disk.reader);
        let reading = move || {
            // It lasts as long as the reading does, whether or not somebody still waits for that.
            let _turn = turn;
            read(&reader)
        };
        tokio::task::spawn_blocking(reading).await.unwrap_or_else(|_| Err(lost()))
    }

    /// The digests of `range`, which are there, or of a beginning of it.
    async fn digests(&self, job: &Job, range: Range<u64>) -> Result<(Vec<Piece>, Range<u64>), StoreError> {
        let (task, width) = (job.task, job.kind().width());
        let (found, is_kept) = match self.lock().tasks.get(task) {
            Some(record) => (record.outputs().map(|outputs| outputs.pieces(&range, PIECES)), true),
            None => (None, false),
        };
        let (mut pieces, end) = found.unwrap_or((Vec::new(), range.end));
        let range = range.start..end;
        match job.inputs.in_file() {
            // What is not in memory was written before it was taken from there.
            Some((large, file)) => {
                for gap in gaps(&pieces, &range) {
                    let (large, part) = (Arc::clone(large), gap);
                    let read = self.read(move |reader| reader.bulk().results(file, &large, &part, width));
                    pieces.push(read.await?);
                }
                pieces.sort_unstable_by_key(|piece| piece.range.start);
            }
            None if !is_kept => {
                let part = range.clone();
                pieces = self.read(move |reader| reader.results(task, &part)).await?;
            }
            None => {}
        }
        Ok((pieces, range))
    }
}

/// Inputs that lie in the task's record.
fn small(inputs: &Inputs, range: &Range<u64>) -> SharedBlob {
    let all = inputs.small().unwrap_or_else(|| BlobBuf::default().freeze());
    all.slice(range.start as usize..range.end as usize)
}

/// What of `range` lies in none of the pieces.
fn gaps(pieces: &[Piece], range: &Range<u64>) -> Vec<Range<u64>> {
    let ends = pieces.iter().map(|piece| piece.range.end);
    let starts = std::iter::once(range.start).chain(ends);
    let gaps = starts.zip(pieces.iter().map(|piece| piece.range.start).chain([range.end]));
    gaps.map(|(start, end)| start..end).filter(|gap| !gap.is_empty()).collect()
}

/// A reader of results that are all there.
///
/// While its client takes nothing, it keeps in memory what it has read only as long as there is plenty of room;
/// else it reads that again. So readers who wait for room wait for those who read, never for a client.
pub(super) struct ResultReader {
    hive: SharedHive,
    task: TaskId,
    job: Option<Job>,
    rest: Range<u64>,
    /// Subtracted from indices that users see: a task of a batch has only one, which is 0.
    base: u64,
    /// The results, if all of them are in memory already.
    kept: Option<Vec<Piece>>,
    /// The segment of the inputs that was read last: it takes several steps.
    segment: Option<(usize, SharedBlob)>,
    /// What the job, a segment and digests of it take, and the number of that segment.
    room: Option<(usize, Reservation)>,
}

/// Digests of one batch, in bytes.
const DIGESTS: u64 = SEGMENT as u64;

#[async_trait]
impl Results for ResultReader {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        let task = self.task;
        match self.read().await {
            Ok(batch) => Ok(batch),
            // What is not there is no fault if it was removed while it was being read.
            Err(_) if self.hive.is_gone(task).await => Err(HiveError::TaskGone(task)),
            Err(ReadError::Store(error)) => Err(unreadable(error)),
            Err(ReadError::Hive(error)) => Err(error),
            Err(ReadError::Missing(index)) => Err(missing(task, index)),
        }
    }

    fn pause(&mut self, next: u64) -> bool {
        let keeps = self.hive.inner.memory.readers.is_ample();
        if !keeps {
            self.rest.start = self.base + next;
            (self.job, self.kept, self.segment, self.room) = (None, None, None, None);
        }
        keeps
    }
}

/// Why results are not read.
enum ReadError {
    Store(StoreError),
    Hive(HiveError),
    /// The result of this index is not there.
    Missing(u64),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl ResultReader {
    /// A reader of the results with these indices.
    pub(super) fn new(hive: &SharedHive, job: Job, rest: Range<u64>, kept: Option<Vec<Piece>>) -> Self {
        Self { hive: hive.clone(), task: job.task, job: Some(job), rest, base: 0, kept, segment: None, room: None }
    }

    /// A reader of the result of one task of a batch.
    pub(super) fn of_member(hive: &SharedHive, batch: Job, index: u64, rest: Range<u64>) -> Self {
        Self { base: index, ..Self::new(hive, batch, rest, None) }
    }

    async fn inputs(&mut self, job: &Job, range: &Range<u64>) -> Result<SharedBlob, StoreError> {
        let Inputs::Large(large) = &job.inputs else { return Ok(small(&job.inputs, range)) };
        let number = large.segment_of(range.start);
        // Who asks for one is likely to ask for its neighbours next; who reads on does not come back.
        let keeps = range.end - range.start == 1;
        let segment = match self.segment.take() {
            Some((last, segment)) if last == number => segment,
            _ => self.hive.segment(large, number, keeps).await?,
        };
        let part = segment.slice(large.within_segment(range));
        self.segment = Some((number, segment));
        Ok(part)
    }

    /// The job whose results are read: from memory, or from its record.
    async fn job(&mut self) -> Result<Job, ReadError> {
        let (task, found) = (self.task, self.job.take());
        let found = found.or_else(|| Some(self.hive.lock().tasks.get(task)?.job(task)));
        match found {
            Some(job) => Ok(job),
            None => {
                let stored = self.hive.read(move |reader| reader.job(task)).await?;
                stored.ok_or(ReadError::Hive(HiveError::TaskGone(task)))
            }
        }
    }

    /// Takes room for the segment that `index` is in, in place of the one before.
    async fn take_room(&mut self, job: &Job, index: u64) {
        let segment = match &job.inputs {
            Inputs::Small(_) => 0,
            Inputs::Large(large) => large.segment_of(index),
        };
        if self.room.as_ref().is_some_and(|(number, _)| *number == segment) {
            return;
        }
        (self.segment, self.room) = (None, None);
        // Half of the room is free sooner or later: who keeps some while a client takes nothing leaves that much.
        let readers = &self.hive.inner.memory.readers;
        let bytes = (job.inputs.read_at(index) + DIGESTS).min(readers.limit() / 2);
        self.room = Some((segment, readers.wait_for(bytes).await));
    }

    async fn read(&mut self) -> Result<Option<ResultBatch>, ReadError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let job = self.job().await?;
        let first = self.rest.start;
        self.take_room(&job, first).await;
        let batch = self.batch(&job, first).await;
        self.job = Some(job);
        batch
    }

    async fn batch(&mut self, job: &Job, first: u64) -> Result<Option<ResultBatch>, ReadError> {
        let width = job.kind().width();
        let most = DIGESTS / width as u64;
        let mut end = self.rest.end.min(job.inputs.segment_end(first)).min(first + most);
        let detached = self.hive.detached(job, first..end, PIECES).await.map_err(ReadError::Hive)?;
        let run = (first..).zip(&detached).take_while(|(index, (detached, _))| index == detached).count();
        if run > 0 {
            (self.rest.start, self.kept) = (first + run as u64, None);
            let failed = detached.into_iter().take(run).map(|(_, error)| error.map(String::from)).collect();
            return Ok(Some(ResultBatch::Detached { first: first - self.base, failed }));
        }
        if let Some((next, _)) = detached.first() {
            (end, self.kept) = (*next, None);
        }
        let (pieces, range) = match self.kept.take() {
            Some(kept) => (kept, first..end),
            None => self.hive.digests(job, first..end).await?,
        };
        let Piece { range, bytes: digests } = join(pieces, &range, width);
        if range.is_empty() {
            return Err(ReadError::Missing(first));
        }
        self.rest.start = range.end;
        let inputs = self.inputs(job, &range).await?;
        Ok(Some(ResultBatch::Digest { first: first - self.base, inputs, digests }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_no_piece_covers() {
        let piece = |range| Piece { range, bytes: Bytes::new() };
        assert_eq!(gaps(&[], &(3..9)), vec![3..9]);
        assert_eq!(gaps(&[piece(3..9)], &(3..9)), []);
        assert_eq!(gaps(&[piece(4..5), piece(5..6), piece(7..8)], &(3..9)), [3..4, 6..7, 8..9]);
    }
}
