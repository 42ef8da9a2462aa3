//! What the Queen has to know of every kind of work.

use std::ops::Range;
use std::time::Duration;

use web::kinds::digest::Encoding;
use web::kinds::search::Search;
use wire::blob::{Blob, SharedBlob};
use wire::work::{Chunk, ChunkOutput};

use crate::core::{Class, Segment};
use crate::work::inputs::Inputs;

/// A specification of one kind: what is computed of each input.
pub trait Kind: Send + Sync {
    /// What views say of it.
    fn summary(&self) -> Summary;

    /// Bytes of the result of one input; 0 if what is found is apart from the inputs.
    fn width(&self) -> usize;

    /// The search that it is, if it is one.
    fn search(&self) -> Option<&Search> {
        None
    }

    /// Its inputs, if they are stored nowhere.
    fn implied(&self) -> Option<Inputs> {
        None
    }

    /// About what its inputs and their results take on disk, in bytes.
    fn on_disk(&self, inputs: &Inputs) -> u64 {
        inputs.on_disk(self.width())
    }

    /// What it takes to compute these inputs.
    fn class(&self, segments: &[Segment]) -> Class;

    /// What one thread is to do of it in one chunk, where there is enough to do.
    fn target(&self) -> Duration;

    /// What an input of so many bytes, as it was given, costs, in SHA-256 compressions.
    fn cost(&self, length: u64) -> u64;

    /// What a segment's items cost and weigh.
    fn weigh(&self, inputs: Blob<'_>) -> Segment {
        Segment {
            items: inputs.len() as u64,
            cost: inputs.byte_lengths().map(|length| self.cost(u64::from(length))).sum(),
            bytes: inputs.layout_len() as u64,
        }
    }

    /// Inputs as Drones get them, made of inputs as they were given.
    fn decoded(&self, given: SharedBlob) -> SharedBlob;

    /// What the candidates of a segment are made of, where inputs are implied.
    fn candidates(&self, _segment: usize) -> SharedBlob {
        SharedBlob::default()
    }

    /// The message that carries such inputs.
    fn chunk<'a>(&'a self, part: Content<'a>) -> Chunk<'a>;

    /// Bytes that every chunk carries besides its inputs.
    fn parameter_bytes(&self) -> usize;

    /// Bytes of what all chunks need that is too long for each, and is sent once; 0 if there is nothing. Its key or salt
    /// has `secret` bytes, wherever that is.
    fn material(&self, secret: u64) -> u64;

    /// The bytes of the results that came for `range`.
    ///
    /// # Errors
    /// If they cannot be results of that range.
    fn check<'a>(&self, range: &Range<u64>, output: &ChunkOutput<'a>) -> Result<&'a [u8], Rejected>;

    /// The result of an input as it was given, computed without a Drone and without a Drone's code.
    /// `None` if the input is not written in its encoding.
    fn reference(&self, input: &[u8]) -> Option<Box<[u8]>>;

    /// What is to be done with these inputs, in words, for a console: `Hash the word '…'`, or a count.
    /// What may be a password is not told.
    fn title(&self, inputs: &Inputs) -> String;
}

/// What a chunk is made of.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Its inputs as Drones get them; of a search what is sought.
    pub inputs: Blob<'a>,
    /// See [`Kind::candidates`].
    pub candidates: Blob<'a>,
    /// The number of its first item within its segment.
    pub first: u64,
    /// How many items it has.
    pub items: u64,
}

/// What views say of a specification, without its key or salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The name of the kind.
    pub kind: &'static str,
    /// What turns an input into its result.
    pub algorithm: &'static str,
    /// How inputs are written, where there are any.
    pub encoding: Option<Encoding>,
    /// Iterations, where an algorithm has them.
    pub iterations: Option<u32>,
}

/// Why what a Drone sent is not a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There are more or fewer than there can be.
    #[error("{count} results came for a part of {} items", range.end.saturating_sub(range.start))]
    Count {
        /// Results that came.
        count: usize,
        /// What they were to be of.
        range: Range<u64>,
    },
    /// They are not ascending indices of their part.
    #[error("marks came for a part of {} candidates that are not ascending indices of it", range.end.saturating_sub(range.start))]
    Marks {
        /// What they were to be of.
        range: Range<u64>,
    },
    /// They are of another kind of work.
    #[error("results of another kind of work came")]
    Kind,
}
