//! From what a Queen sends to what can be computed.

use bytes::Bytes;
use wire::work::Chunk;

use super::digest::DigestJob;
use super::job::Job;
use super::search::SearchJob;

/// Makes the job of a chunk that was decoded from `frame`; keeps `frame`'s bytes, not a copy.
///
/// # Errors
/// If the chunk cannot be computed, with the reason for people.
pub(crate) fn job(frame: &Bytes, chunk: &Chunk<'_>) -> Result<Box<dyn Job>, String> {
    match chunk {
        Chunk::Digest(chunk) => Ok(Box::new(DigestJob::new(frame, chunk)?)),
        Chunk::Search(chunk) => Ok(Box::new(SearchJob::new(frame, chunk)?)),
    }
}
