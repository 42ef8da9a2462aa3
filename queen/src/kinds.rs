//! The kinds of work as the Queen deals with them: what items cost, how a range becomes a
//! message, how what comes back is checked, how it is told.

mod digest;
mod kind;
pub mod search;

use std::ops::Range;

use web::kinds::Specification;
use wire::blob::SharedBlob;
use wire::work::Chunk;

pub use self::kind::{Content, Kind, Rejected, Summary};
use crate::work::inputs::Inputs;
use crate::work::job::Job;
use crate::work::terms::Terms;

/// What one chunk is made of; the message that carries it [borrows](Self::message) that.
pub struct ChunkBuf<'a> {
    kind: &'a dyn Kind,
    inputs: SharedBlob,
    candidates: SharedBlob,
    /// The number of its first item within its segment.
    first: u64,
    /// How many items it has.
    items: u64,
}

/// The kind that a specification is of.
pub fn of(specification: &Specification) -> &dyn Kind {
    match specification {
        Specification::Digest(digest) => digest,
        Specification::Search(search) => search,
    }
}

impl Terms {
    /// The kind of work that they ask for.
    pub fn kind(&self) -> &dyn Kind {
        of(&self.specification)
    }

    /// Bytes that each lease brings besides its inputs.
    pub fn chunk_bytes(&self) -> u32 {
        u32::try_from(self.kind().parameter_bytes()).unwrap_or(u32::MAX)
    }

    /// Bytes of what all leases need and a Drone is sent once.
    pub fn material_bytes(&self) -> u32 {
        u32::try_from(self.kind().material(self.secret_bytes())).unwrap_or(u32::MAX)
    }
}

impl Job {
    /// The kind of work that it is.
    pub fn kind(&self) -> &dyn Kind {
        self.terms.kind()
    }

    /// How the inputs of `range` travel, which lies in one segment. They are as they were given; of a search, what is
    /// sought stands in their place.
    pub fn chunk_buf(&self, inputs: SharedBlob, range: &Range<u64>) -> ChunkBuf<'_> {
        let kind = self.kind();
        let (segment, start) = match &self.inputs {
            Inputs::Small(_) => (0, 0),
            Inputs::Large(large) => (large.segment_of(range.start), large.around(range.start).start),
        };
        ChunkBuf {
            kind,
            inputs: kind.decoded(inputs),
            candidates: kind.candidates(segment),
            first: range.start - start,
            items: range.end - range.start,
        }
    }
}

impl ChunkBuf<'_> {
    /// The message that carries it.
    pub fn message(&self) -> Chunk<'_> {
        let (inputs, candidates) = (self.inputs.as_blob(), self.candidates.as_blob());
        self.kind.chunk(Content { inputs, candidates, first: self.first, items: self.items })
    }

    /// About how many bytes that is.
    pub fn bytes(&self) -> usize {
        // Of what is known of a search only the values travel, which count as parameters.
        let inputs = if self.kind.search().is_some() { 0 } else { self.inputs.as_blob().layout_len() };
        inputs + self.candidates.as_blob().layout_len() + self.kind.parameter_bytes()
    }
}
