//! What can be wrong with masks.

use wire::space::MAX_CANDIDATE;

use super::limits::{CHARSETS, MAX_CHARSET, MAX_MASKS, MAX_POSITIONS, MAX_SETS, MAX_TEXT};

/// What is wrong with a mask, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct MaskError {
    /// What is wrong, and what to do.
    pub what: MaskFault,
    /// In which custom charset, from 1; in the mask itself if `None`.
    pub charset: Option<usize>,
    /// At which character, from 1; none where all of it is wrong.
    pub character: Option<usize>,
}

/// What is wrong with a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskFault {
    /// It has no position.
    #[error("the mask is empty: it needs at least one character")]
    Empty,
    /// Nothing stands behind a question mark.
    #[error("nothing stands behind the last `?`; a question mark itself is written `??`")]
    LoneMark,
    /// There is no such charset.
    #[error(
        "there is no charset `?{0}`; there are ?l ?u ?d ?h ?H ?s ?a ?b, ?1 to ?8, and ?? for a question mark itself"
    )]
    NoCharset(char),
    /// A custom charset is used that nobody defined.
    #[error("custom charset {0} is used, but not defined")]
    Undefined(usize),
    /// A custom charset uses one that comes after it.
    #[error("custom charset {0} does not come before this one; a custom charset may use those of lower number")]
    NotBefore(usize),
    /// It has too many positions.
    #[error("the mask is longer than {MAX_CANDIDATE} bytes")]
    TooLong,
    /// It cannot be so short.
    #[error("a mask of {length} characters has no candidates of {least}: `min_length` is 1 to {length}")]
    MinLength {
        /// How long the mask is.
        length: usize,
        /// What was asked for.
        least: usize,
    },
    /// A line of an `.hcmask` file has too many fields.
    #[error(
        "there are {0} commas, and at most {CHARSETS} charsets stand before a mask; write `\\,` for a comma itself"
    )]
    Fields(usize),
    /// There are too many masks, or too long ones.
    #[error(
        "these are more masks than one search can have: {MAX_MASKS}, of {MAX_POSITIONS} characters and {MAX_TEXT} bytes \
         of text in all"
    )]
    TooMany,
    /// There are too many different charsets.
    #[error("these are more different charsets than one search can have: {MAX_SETS}")]
    TooManySets,
    /// A custom charset is too long.
    #[error("a custom charset is longer than {MAX_CHARSET} bytes; charsets of others, such as ?l, make it shorter")]
    LongCharset,
}

impl MaskFault {
    /// At this character, from 1.
    pub(super) fn at(self, character: usize) -> MaskError {
        MaskError { what: self, charset: None, character: Some(character) }
    }

    /// With all of it.
    pub(super) fn whole(self) -> MaskError {
        MaskError { what: self, charset: None, character: None }
    }
}
