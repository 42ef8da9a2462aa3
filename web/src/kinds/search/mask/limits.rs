//! How many masks and charsets one search can have, and how long they can be.

/// How many custom charsets a mask can have.
pub const CHARSETS: usize = 8;

/// The most masks of a search.
pub const MAX_MASKS: usize = 100_000;

/// The most positions of all masks of a search together.
pub const MAX_POSITIONS: usize = 1 << 20;

/// The most different sets of a search.
pub const MAX_SETS: usize = 1 << 14;

/// The longest custom charset, as it is written, in bytes.
pub const MAX_CHARSET: usize = 1023;

/// The most bytes of the texts of all masks together.
pub(super) const MAX_TEXT: usize = 16 << 20;
