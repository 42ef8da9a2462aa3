//! The inputs of one task, as they were given.
//!
//! Small ones lie in the task's record. Others lie in segments, in the pieces in which they
//! came, in the task's file; what a segment holds, costs and weighs is known
//! without reading it. Those of a search are stored nowhere: each is a function of its index.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use wire::blob::{Blob, SharedBlob};

use crate::core::Segment;

/// What a task's record may take, inputs and results together, in bytes.
pub const SMALL: usize = 64 << 10;

/// About what a task's rows and their places in indexes take besides, in bytes.
const ROWS: u64 = 256;

/// The inputs of one task; clones share them.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// The layout of one blob, which is sound.
    Small(Arc<[u8]>),
    /// Segments, in a file or implied.
    Large(Arc<Large>),
}

/// Inputs in segments.
#[derive(Debug)]
pub struct Large {
    /// What each segment is; none is empty.
    pub segments: Box<[Extent]>,
    /// The number of the bulk file that they are in, one after the other; the results follow them. `None` if each input
    /// is a function of its index.
    pub file: Option<u64>,
}

/// One segment of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Behind its last index.
    pub end: u64,
    /// Where its layout begins in the file.
    pub offset: u64,
    /// The layout's length.
    pub bytes: u32,
    /// CRC-32 of the layout.
    pub crc: u32,
    /// SHA-256 compressions of all its items.
    pub cost: u64,
}

impl Inputs {
    /// How many there are.
    pub fn total(&self) -> u64 {
        match self {
            Self::Small(layout) => layout.first_chunk().map_or(0, |count| u64::from(u32::from_le_bytes(*count))),
            Self::Large(large) => large.total(),
        }
    }

    /// Small ones, as they were given.
    pub fn small(&self) -> Option<SharedBlob> {
        let Self::Small(layout) = self else { return None };
        SharedBlob::parse(&Bytes::from_owner(Arc::clone(layout))).ok()
    }

    /// Those that lie in a bulk file, and its number.
    pub fn in_file(&self) -> Option<(&Arc<Large>, u64)> {
        let Self::Large(large) = self else { return None };
        Some((large, large.file?))
    }

    /// Inputs that are stored nowhere, by segment: how many, and what they cost in compressions.
    pub fn implied(segments: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut end = 0;
        let segments = segments.map(|(items, cost)| {
            end += items;
            Extent { end, offset: 0, bytes: 0, crc: 0, cost }
        });
        Self::Large(Arc::new(Large { segments: segments.collect(), file: None }))
    }

    /// Whether they are stored nowhere.
    pub fn are_implied(&self) -> bool {
        matches!(self, Self::Large(large) if large.file.is_none())
    }

    /// Whether they lie in the task's record.
    pub fn is_small(&self) -> bool {
        matches!(self, Self::Small(_))
    }

    /// Bytes on disk that they and their results take there, each of which has `width` bytes.
    pub fn on_disk(&self, width: usize) -> u64 {
        match self {
            Self::Small(layout) => ROWS + layout.len() as u64 + self.total() * width as u64,
            Self::Large(large) => ROWS + large.file_bytes(width),
        }
    }

    /// About how many bytes the inputs in `range` have, which lies in one segment.
    pub fn bytes_of(&self, range: &Range<u64>) -> u64 {
        match self {
            Self::Small(layout) => layout.len() as u64,
            Self::Large(large) => {
                let number = large.segment_of(range.start);
                large.segments.get(number).map_or(0, |segment| {
                    let items = segment.end - large.start_of(number);
                    u64::from(segment.bytes) * (range.end - range.start) / items.max(1)
                })
            }
        }
    }

    /// Bytes of memory that they take, and the segment that `index` is in, for who has read both.
    pub fn read_at(&self, index: u64) -> u64 {
        let segment = match self {
            Self::Large(large) => {
                large.segments.get(large.segment_of(index)).map_or(0, |segment| u64::from(segment.bytes))
            }
            Self::Small(_) => 0,
        };
        self.resident() + segment
    }

    /// The one small input, if there are not more.
    pub fn only(&self) -> Option<SharedBlob> {
        self.small().filter(|_| self.total() == 1)
    }

    /// Behind the last index of the segment that `index` is in; `index` itself at the end of all.
    pub fn segment_end(&self, index: u64) -> u64 {
        match self {
            Self::Small(_) => self.total().max(index),
            Self::Large(large) => large.around(index).end,
        }
    }

    /// The items of each segment as the scheduler sees them. `weigh` is asked about small ones.
    pub fn segments(&self, weigh: impl FnOnce(Blob<'_>) -> Segment) -> Box<[Segment]> {
        match self {
            Self::Small(layout) => Blob::parse(layout).map(weigh).into_iter().collect(),
            Self::Large(large) => large.weights().collect(),
        }
    }

    /// Bytes of memory that they take for as long as the task is known.
    pub fn resident(&self) -> u64 {
        match self {
            Self::Small(layout) => layout.len() as u64,
            Self::Large(large) => size_of_val(&*large.segments) as u64,
        }
    }
}

impl Large {
    /// How many inputs there are.
    pub fn total(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.end)
    }

    /// The bytes of all segments together.
    pub fn bytes(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.offset + u64::from(segment.bytes))
    }

    /// Bytes that the task's file takes when all its results are there, each of which has `width` bytes.
    pub fn file_bytes(&self, width: usize) -> u64 {
        (self.bytes() + self.total() * width as u64).next_multiple_of(4096)
    }

    /// The number of the segment that `index` is in.
    pub fn segment_of(&self, index: u64) -> usize {
        self.segments.partition_point(|segment| segment.end <= index)
    }

    /// What the inputs in `range` cost, which lies in one segment, in compressions.
    pub fn cost_of(&self, range: &Range<u64>) -> u64 {
        let number = self.segment_of(range.start);
        let Some(segment) = self.segments.get(number) else { return 0 };
        let items = u128::from(segment.end - self.start_of(number)).max(1);
        (u128::from(segment.cost) * u128::from(range.end - range.start) / items) as u64
    }

    /// `range`, which lies in one segment, as strings of that segment.
    pub fn within_segment(&self, range: &Range<u64>) -> Range<usize> {
        let start = self.around(range.start).start;
        (range.start - start) as usize..(range.end - start) as usize
    }

    /// The indices of the segment that `index` is in.
    pub fn around(&self, index: u64) -> Range<u64> {
        let number = self.segment_of(index);
        self.start_of(number)..self.segments.get(number).map_or(index, |segment| segment.end)
    }

    fn start_of(&self, segment: usize) -> u64 {
        segment.checked_sub(1).map_or(0, |before| self.segments[before].end)
    }

    fn weights(&self) -> impl Iterator<Item = Segment> {
        self.segments.iter().enumerate().map(|(at, segment)| Segment {
            items: segment.end - self.start_of(at),
            cost: segment.cost,
            bytes: u64::from(segment.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use wire::blob::BlobBuf;

    use super::*;

    #[test]
    fn small_inputs_are_one_segment() {
        let mut layout = Vec::new();
        ["a", "bc"].iter().collect::<BlobBuf>().as_blob().write(&mut layout);
        let inputs = Inputs::Small(layout.into());
        assert_eq!((inputs.total(), inputs.segment_end(0), inputs.segment_end(2)), (2, 2, 2));
        assert!(inputs.small().unwrap().as_blob().iter().eq([&b"a"[..], b"bc"]) && inputs.only().is_none());
        assert!(size_of::<Inputs>() <= 16);
    }

    #[test]
    fn an_index_finds_its_segment() {
        let extent = |end, offset| Extent { end, offset, bytes: 100, crc: 0, cost: 7 };
        let large = Large { segments: [extent(3, 0), extent(10, 100)].into(), file: Some(1) };
        assert_eq!((large.segment_of(2), large.segment_of(3)), (0, 1));
        assert_eq!((large.around(2), large.around(3)), (0..3, 3..10));
        assert_eq!(large.within_segment(&(3..5)), 0..2);
        assert_eq!((large.total(), large.bytes()), (10, 200));
        assert_eq!(large.weights().map(|segment| segment.items).collect::<Vec<_>>(), [3, 7]);
        let inputs = Inputs::Large(large.into());
        assert_eq!((inputs.segment_end(0), inputs.segment_end(9), inputs.segment_end(10)), (3, 10, 10));
        assert!(inputs.in_file().is_some() && !inputs.are_implied());
    }

    #[test]
    fn implied_inputs_are_in_no_file() {
        let inputs = Inputs::implied([(3, 6), (7, 7)].into_iter());
        assert!(inputs.are_implied() && inputs.in_file().is_none());
        assert_eq!((inputs.total(), inputs.segment_end(2), inputs.segment_end(3)), (10, 3, 10));
        assert!(inputs.segments(|_| Segment::default()).iter().map(|segment| segment.cost).eq([6, 7]));
    }
}
