//! How candidates that differ in one block are given to a kernel.
//!
//! The block's words that change fastest are kept for many candidates at once, in columns: all that the fastest
//! wheels show, again and again, so that nothing but the other wheels has to be looked at in between.

use std::ops::Range;

use super::prefix::Prefix;
use super::segment::Segment;
use super::wheel::{Wheel, shown};
use crate::kernel::probe::Probe;
use crate::kernel::run::{Column, PADDING_WORDS, Run};
use crate::kernel::sha256::BLOCK;

/// From so many candidates on columns are long enough that lanes without one, and what is to be done before each
/// run, count for little.
const ENOUGH: u64 = 1024;

/// With fewer candidates in columns of one word, columns of two words are better.
const ENOUGH_IN_ONE_WORD: u64 = 256;

/// With fewer candidates in columns of two words, it is better to write down each candidate.
const ENOUGH_IN_TWO_WORDS: u64 = 64;

/// The most candidates of columns that are kept: what they take fits into a CPU's second cache.
const MAX_KEPT: u64 = 1 << 16;

/// The most candidates that are written down at once.
const MAX_WRITTEN: u64 = 1024;

const WORD: usize = size_of::<u32>();

/// Candidates from an item on, in one block each.
pub(super) struct Plan {
    /// The item that the segment begins with, and how often its wheels have been turned there.
    first: u64,
    turns: u64,
    /// The block with what all candidates have in common, and zeros elsewhere.
    block: [u32; 16],
    /// By the bytes of the block.
    wheels: Vec<Wheel>,
    columns: Vec<Column>,
    /// How many of the wheels the columns show, and how many candidates that are; `None` if the columns are written
    /// anew for each run.
    kept: Option<(usize, u64)>,
}

impl Plan {
    /// For a segment of the items `items`.
    pub(super) fn new(prefix: &Prefix, segment: Segment, suffix: &[u8], items: Range<u64>) -> Self {
        let Segment { mut candidate, mut wheels, turns, length, .. } = segment;
        wheels.iter().for_each(|wheel| candidate[wheel.at] = 0);
        let mut bytes = [prefix.rest.as_slice(), &candidate, suffix, &[0x80]].concat();
        bytes.resize(BLOCK, 0);
        let bits = 8 * (prefix.midstate.bytes + (prefix.rest.len() + length + suffix.len()) as u64);
        bytes[BLOCK - size_of::<u64>()..].copy_from_slice(&bits.to_be_bytes());
        wheels.iter_mut().for_each(|wheel| wheel.at += prefix.rest.len());
        let words = bytes.as_chunks::<WORD>().0;
        let block = std::array::from_fn(|word| u32::from_be_bytes(words[word]));
        let (kept, columns) = match kept(&wheels, items.end - items.start) {
            Some((count, candidates)) => (Some((count, candidates)), columns_of(&wheels[..count], candidates)),
            None => (None, columns_of(&wheels, 0)),
        };
        Self { first: items.start, turns, block, wheels, columns, kept }
    }

    /// The candidates from `item` on, at most `most`.
    pub(super) fn run<'a>(
        &'a mut self,
        item: u64,
        most: u64,
        prefix: &'a Prefix,
        is_twice: bool,
        probe: &'a Probe,
    ) -> Run<'a> {
        let turns = self.turns + (item - self.first);
        let mut block = self.block;
        let range = match self.kept {
            Some((count, candidates)) => {
                for (wheel, digit) in shown(&self.wheels[count..], turns / candidates) {
                    block[wheel.at / WORD] |= bits(wheel, digit);
                }
                let at = turns % candidates;
                at as usize..at.saturating_add(most).min(candidates) as usize
            }
            None => {
                let count = most.min(MAX_WRITTEN) as usize;
                write(&self.wheels, turns, count, &mut self.columns);
                0..count
            }
        };
        Run { start: &prefix.midstate.state, block, columns: &self.columns, range, is_twice, probe }
    }
}

/// What a wheel adds to its word.
fn bits(wheel: &Wheel, digit: usize) -> u32 {
    u32::from(wheel.bytes[digit]) << (u32::BITS as usize - 8 * (wheel.at % WORD + 1))
}

/// How many of the fastest wheels are kept in columns, and how many candidates these are, if that is enough.
fn kept(wheels: &[Wheel], items: u64) -> Option<(usize, u64)> {
    let (mut count, mut candidates) = (0, 1);
    let mut words = wheels.first()?.at / WORD..=wheels.first()?.at / WORD;
    for wheel in wheels {
        let word = wheel.at / WORD;
        let wider = word.min(*words.start())..=word.max(*words.end());
        let more = candidates * wheel.bytes.len() as u64;
        let enough = if wider == words { ENOUGH } else { ENOUGH_IN_ONE_WORD };
        if candidates >= enough.min(items) || more > MAX_KEPT || wider.end() - wider.start() > 1 {
            break;
        }
        (count, candidates, words) = (count + 1, more, wider);
    }
    let is_all = candidates >= items || count == wheels.len();
    (is_all || candidates >= ENOUGH_IN_TWO_WORDS).then_some((count, candidates))
}

/// Columns of the words in which the wheels are, with all that these show in so many turns.
fn columns_of(wheels: &[Wheel], candidates: u64) -> Vec<Column> {
    let mut words: Vec<usize> = wheels.iter().map(|wheel| wheel.at / WORD).collect();
    words.sort_unstable();
    words.dedup();
    let column = |word: usize| {
        let mut bits_shown = Vec::with_capacity(candidates as usize + PADDING_WORDS);
        bits_shown.push(0);
        for wheel in wheels {
            let before = bits_shown.len();
            if (before as u64) < candidates {
                for digit in 1..wheel.bytes.len() {
                    let own = if wheel.at / WORD == word { bits(wheel, digit) } else { 0 };
                    bits_shown.extend_from_within(..before);
                    bits_shown[digit * before..].iter_mut().for_each(|bits| *bits |= own);
                }
                if wheel.at / WORD == word {
                    let own = bits(wheel, 0);
                    bits_shown[..before].iter_mut().for_each(|bits| *bits |= own);
                }
            }
        }
        bits_shown.resize(candidates as usize + PADDING_WORDS, 0);
        Column { word, bits: bits_shown }
    };
    words.into_iter().map(column).collect()
}

/// Writes down what the wheels show at each of `count` turns.
fn write(wheels: &[Wheel], turns: u64, count: usize, columns: &mut [Column]) {
    let mut digits: Vec<usize> = shown(wheels, turns).map(|(_, digit)| digit).collect();
    let mut words = [0u32; 16];
    for (wheel, digit) in wheels.iter().zip(&digits) {
        words[wheel.at / WORD] |= bits(wheel, *digit);
    }
    columns.iter_mut().for_each(|column| column.bits.resize(count + PADDING_WORDS, 0));
    for candidate in 0..count {
        for column in &mut *columns {
            column.bits[candidate] = words[column.word];
        }
        for (wheel, digit) in wheels.iter().zip(&mut digits) {
            let next = (*digit + 1) % wheel.bytes.len();
            words[wheel.at / WORD] ^= bits(wheel, *digit) ^ bits(wheel, next);
            *digit = next;
            if next > 0 {
                break;
            }
        }
    }
}
