//! From what a Queen sends to what can be computed.

use bytes::Bytes;
use wire::work::Chunk;

use super::digest::DigestJob;
use super::job::Job;
use super::search::SearchJob;

/// Makes the job of a chunk that was decoded from `frame`, and of its lease's material; keeps their bytes, not a copy.
///
/// # Errors
/// If the chunk cannot be computed, with the reason for people.
pub(crate) fn job(frame: &Bytes, chunk: &Chunk<'_>, material: Option<&Bytes>) -> Result<Box<dyn Job>, String> {
    match chunk {
        Chunk::Digest(chunk) => Ok(Box::new(DigestJob::new(frame, chunk, material)?)),
        Chunk::Search(chunk) => Ok(Box::new(SearchJob::new(frame, chunk, material)?)),
    }
}
