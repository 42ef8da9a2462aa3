//! Candidates of a search that differ in words of one block: what every kernel is given to search.

use std::ops::Range;

use super::probe::Probe;
use super::sha256::State;

/// Columns have so many words more than candidates, so that a kernel may load all its lanes at once.
pub(super) const PADDING_WORDS: usize = 16;

/// A word of the block that differs between candidates.
pub(super) struct Column {
    /// Which word of the block it is.
    pub(super) word: usize,
    /// What each candidate has there, besides what the block has; [`PADDING_WORDS`] more than candidates.
    pub(super) bits: Vec<u32>,
}

/// Candidates to search.
pub(super) struct Run<'a> {
    /// Before the block.
    pub(super) start: &'a State,
    /// What all have in common of the block, with padding and length; zeros elsewhere.
    pub(super) block: [u32; 16],
    /// By ascending words.
    pub(super) columns: &'a [Column],
    /// Which candidates of the columns.
    pub(super) range: Range<usize>,
    /// Whether the digest is hashed again: SHA-256d.
    pub(super) is_twice: bool,
    pub(super) probe: &'a Probe,
}
