//! Consecutive candidates of one length.

use wire::space::{Candidates, CounterFormat};
use wire::work::SearchChunk;

use super::wheel::Wheel;

/// Candidates from an item on that have all the same length.
pub(super) struct Segment {
    /// Behind the last item.
    pub(super) end: u64,
    /// Bytes of each candidate.
    pub(super) length: usize,
    /// The first candidate.
    pub(super) candidate: Vec<u8>,
    /// Its bytes that change, the one first that changes fastest.
    pub(super) wheels: Vec<Wheel>,
    /// How often these have been turned at the first candidate.
    pub(super) turns: u64,
}

impl Segment {
    /// From `item` on, which is one of the search.
    pub(super) fn new(search: &SearchChunk<'_>, item: u64) -> Self {
        let index = search.first + item;
        let mut candidate = Vec::new();
        search.candidates.write(index, &mut candidate);
        let length = candidate.len();
        match search.candidates {
            Candidates::Mask(sets) => {
                let wheel = |(at, set): (usize, &[u8])| Wheel { at, bytes: set.to_vec() };
                let wheels = sets.iter().enumerate().filter(|(_, set)| set.len() > 1).map(wheel).collect();
                Self { end: search.items, length, candidate, wheels, turns: index }
            }
            Candidates::Counter { from, format } => {
                let number = from + index;
                let left = last_of_length(format, length) - number;
                let end = item.saturating_add(left).saturating_add(1).min(search.items);
                Self { end, length, candidate, wheels: wheels(format, length), turns: number }
            }
        }
    }
}

/// The last number that is written in so many bytes.
fn last_of_length(format: CounterFormat, length: usize) -> u64 {
    let next = match format {
        CounterFormat::Decimal => 10u64.checked_pow(length as u32),
        CounterFormat::Hex => 1u64.checked_shl(4 * length as u32),
        CounterFormat::U32Le | CounterFormat::U32Be | CounterFormat::U64Le | CounterFormat::U64Be => None,
    };
    next.map_or(format.max(), |next| next - 1)
}

/// The digits of a number, the least significant one first.
fn wheels(format: CounterFormat, length: usize) -> Vec<Wheel> {
    let (bytes, is_reversed) = match format {
        CounterFormat::Decimal => (b"0123456789".to_vec(), true),
        CounterFormat::Hex => (b"0123456789abcdef".to_vec(), true),
        CounterFormat::U32Le | CounterFormat::U64Le => ((0..=u8::MAX).collect(), false),
        CounterFormat::U32Be | CounterFormat::U64Be => ((0..=u8::MAX).collect(), true),
    };
    let wheel = |digit| Wheel { at: if is_reversed { length - 1 - digit } else { digit }, bytes: bytes.clone() };
    (0..length).map(wheel).collect()
}
