//! What the Queen has to know of every kind of work.

use std::ops::Range;

use web::kinds::digest::Encoding;
use wire::blob::{Blob, SharedBlob};
use wire::work::{Chunk, ChunkOutput};

use crate::core::{Class, Segment};
use crate::work::inputs::Inputs;

/// A specification of one kind: what is computed of each input, which has one result.
pub trait Kind: Send + Sync {
    /// What views say of it.
    fn summary(&self) -> Summary;

    /// Bytes of one result.
    fn width(&self) -> usize;

    /// What it takes to compute these inputs.
    fn class(&self, segments: &[Segment]) -> Class;

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

    /// The message that carries such inputs.
    fn chunk<'a>(&'a self, inputs: Blob<'a>) -> Chunk<'a>;

    /// Bytes that every chunk carries besides its inputs.
    fn parameter_bytes(&self) -> usize;

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

/// What views say of a specification, without its key or salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The name of the kind.
    pub kind: &'static str,
    /// What turns an input into its result.
    pub algorithm: &'static str,
    /// How inputs are written.
    pub encoding: Encoding,
    /// Iterations, where an algorithm has them.
    pub iterations: Option<u32>,
}

/// Why what a Drone sent is not a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} results came for a part of {} items", range.end.saturating_sub(range.start))]
pub struct Rejected {
    /// Results that came.
    pub(super) count: usize,
    /// What they were to be of.
    pub(super) range: Range<u64>,
}
