//! Work that no Queen sent: for tests, and for measuring.

use bytes::Bytes;
use wire::blob::BlobBuf;
use wire::work::{Algorithm, Chunk, DigestChunk};

use super::chunk;
use super::job::Job;

/// Strings and what to do to them, as they would come in a frame.
#[derive(Debug, Clone)]
pub struct Sample(pub(super) Bytes);

impl Sample {
    /// Puts them into a frame.
    ///
    /// # Errors
    /// If they do not fit into one, with the reason for people.
    pub fn new(algorithm: Algorithm<'_>, inputs: &BlobBuf) -> Result<Self, String> {
        let mut body = Vec::new();
        let chunk = Chunk::Digest(DigestChunk { algorithm, inputs: inputs.as_blob() });
        wire::frame::encode(&chunk, usize::MAX, &mut body).map_err(|error| error.to_string())?;
        Ok(Self(Bytes::from(body).slice(wire::frame::HEADER..)))
    }

    /// A job that begins with the first string.
    ///
    /// # Errors
    /// If this cannot be computed, with the reason for people.
    pub fn job(&self) -> Result<Box<dyn Job>, String> {
        let chunk: Chunk<'_> = wire::frame::decode(&self.0).map_err(|error| error.to_string())?;
        chunk::job(&self.0, &chunk)
    }
}
