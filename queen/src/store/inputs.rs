//! The inputs of one task, in segments.

use std::ops::Range;

use wire::blob::{Blob, BlobBuf, SharedBlob};

/// Inputs as they were given, in the segments in which they came.
#[derive(Debug, Default)]
pub struct Inputs {
    segments: Vec<SharedBlob>,
    /// Behind each segment's last index.
    ends: Vec<u64>,
}

impl Inputs {
    /// Adds a segment; an empty one adds nothing.
    pub fn push(&mut self, inputs: BlobBuf) {
        if !inputs.is_empty() {
            self.ends.push(self.total() + inputs.len() as u64);
            self.segments.push(inputs.freeze());
        }
    }

    /// How many inputs there are.
    pub fn total(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Each segment's inputs.
    pub fn segments(&self) -> impl Iterator<Item = Blob<'_>> {
        self.segments.iter().map(SharedBlob::as_blob)
    }

    /// Behind the last index of the segment that `index` is in; `index` itself at the end of all.
    pub fn segment_end(&self, index: u64) -> u64 {
        self.ends.get(self.segment_of(index)).copied().unwrap_or(index)
    }

    /// The inputs of `range`, which lies in one segment.
    ///
    /// # Panics
    /// If it does not.
    pub fn part(&self, range: &Range<u64>) -> SharedBlob {
        let segment = self.segment_of(range.start);
        let start = segment.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.segments[segment].slice((range.start - start) as usize..(range.end - start) as usize)
    }

    fn segment_of(&self, index: u64) -> usize {
        self.ends.partition_point(|end| *end <= index)
    }
}
