//! The kinds of work as the Queen deals with them: how many items, what they cost and weigh,
//! how a range becomes a message, how what comes back is checked.

pub mod digest;

use std::ops::Range;

use wire::blob::SharedBlob;
use wire::ids::Instance;
use wire::work::{Chunk, ChunkOutput};

use crate::core::{Class, Segment};

/// Why what a Drone sent is not a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} results came for {range:?}")]
pub struct Rejected {
    count: usize,
    range: Range<u64>,
}

/// Everything that is to be computed for one task.
#[derive(Debug)]
pub struct Job {
    /// The task's own random name.
    pub instance: Instance,
    /// What to do with which inputs.
    pub work: digest::Work,
}

/// The inputs of one chunk, ready to be sent.
pub struct Part<'a> {
    job: &'a Job,
    inputs: SharedBlob,
}

impl Job {
    /// How many items there are.
    pub fn total(&self) -> u64 {
        self.work.inputs.total()
    }

    /// The items as the scheduler sees them.
    pub fn segments(&self) -> Box<[Segment]> {
        self.work.segments()
    }

    /// What it takes to compute it.
    pub fn class(&self) -> Class {
        self.work.class()
    }

    /// The inputs of `range`, which lies in one segment.
    pub fn part(&self, range: &Range<u64>) -> Part<'_> {
        Part { job: self, inputs: self.work.part(range) }
    }

    /// The bytes of the results that came for `range`.
    ///
    /// # Errors
    /// If they cannot be results of that range.
    pub fn check<'a>(&self, range: &Range<u64>, output: &ChunkOutput<'a>) -> Result<&'a [u8], Rejected> {
        self.work.check(range, output)
    }
}

impl Part<'_> {
    /// The message that carries it.
    pub fn chunk(&self) -> Chunk<'_> {
        self.job.work.chunk(&self.inputs)
    }

    /// About how many bytes that is.
    pub fn bytes(&self) -> usize {
        self.inputs.as_blob().layout_len() + self.job.work.parameter_bytes()
    }
}
