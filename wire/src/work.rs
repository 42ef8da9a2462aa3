//! What is to be computed, and what comes back: one variant per kind of work.

use bincode::de::{BorrowDecoder, read::BorrowReader};
use bincode::enc::{Encoder, write::Writer};
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Encode};

use crate::blob::Blob;
use crate::sieve::Sieve;
use crate::space::Candidates;

/// The number of a kind of work, as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, bincode::Decode)]
pub struct Kind(pub u16);

impl Kind {
    /// Strings to hash: [`DigestChunk`], answered by [`Digests`].
    pub const DIGEST: Self = Self(1);
    /// Candidates to search: [`SearchChunk`], answered by [`ChunkOutput::Marks`].
    pub const SEARCH: Self = Self(2);
}

/// Work that is computed at one rate: a kind, and what differs in speed within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, bincode::Decode)]
pub struct Class {
    /// The kind that a Drone must be able to do.
    pub kind: Kind,
    /// Which of the kind's classes.
    pub variant: u16,
}

impl Class {
    /// SHA-256 of inputs of at most [`LONG_BYTES`].
    pub const SHORT: Self = Self { kind: Kind::DIGEST, variant: 0 };
    /// SHA-256d of inputs of any length.
    pub const SHA256D: Self = Self { kind: Kind::DIGEST, variant: 1 };
    /// HMAC-SHA-256 of inputs of any length.
    pub const HMAC: Self = Self { kind: Kind::DIGEST, variant: 2 };
    /// PBKDF2-HMAC-SHA-256 of passwords of any length.
    pub const PBKDF2: Self = Self { kind: Kind::DIGEST, variant: 3 };
    /// SHA-256 of longer inputs: the blocks of one message take all the time, and to begin the
    /// next one takes none.
    pub const LONG: Self = Self { kind: Kind::DIGEST, variant: 4 };
    /// A search with SHA-256 among candidates of which nothing but a last block differs.
    pub const SEARCH: Self = Self { kind: Kind::SEARCH, variant: 0 };
    /// The same with SHA-256d.
    pub const SEARCH_SHA256D: Self = Self { kind: Kind::SEARCH, variant: 1 };
    /// A search among candidates that take several blocks each.
    pub const SEARCH_LONG: Self = Self { kind: Kind::SEARCH, variant: 2 };
    /// All classes.
    pub const ALL: [Self; 8] = [
        Self::SHORT,
        Self::LONG,
        Self::SHA256D,
        Self::HMAC,
        Self::PBKDF2,
        Self::SEARCH,
        Self::SEARCH_SHA256D,
        Self::SEARCH_LONG,
    ];

    /// SHA-256 of `items` inputs that have so many bytes together: [`LONG`](Self::LONG) if they
    /// have more than [`LONG_BYTES`] each, on average.
    pub fn sha256(items: u64, bytes: u64) -> Self {
        if bytes > items.saturating_mul(LONG_BYTES) { Self::LONG } else { Self::SHORT }
    }
}

/// The longest short input, in bytes.
pub const LONG_BYTES: u64 = 4096;

/// The work of one lease: its kind's number, then that kind's body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Chunk<'a> {
    /// [`Kind::DIGEST`].
    Digest(DigestChunk<'a>),
    /// [`Kind::SEARCH`].
    Search(SearchChunk<'a>),
}

impl Chunk<'_> {
    /// The number that stands before the body.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Digest(_) => Kind::DIGEST,
            Self::Search(_) => Kind::SEARCH,
        }
    }
}

impl Encode for Chunk<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.kind().encode(encoder)?;
        match self {
            Self::Digest(body) => body.encode(encoder),
            Self::Search(body) => body.encode(encoder),
        }
    }
}

impl<'de, C> BorrowDecode<'de, C> for Chunk<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        match Kind::borrow_decode(decoder)? {
            Kind::DIGEST => DigestChunk::borrow_decode(decoder).map(Self::Digest),
            Kind::SEARCH => SearchChunk::borrow_decode(decoder).map(Self::Search),
            Kind(_) => Err(DecodeError::Other("no such kind of work")),
        }
    }
}

/// Strings to hash, the n-th for the n-th index of the lease's range.
#[derive(Debug, Clone, Copy, PartialEq, Encode, BorrowDecode)]
pub struct DigestChunk<'a> {
    /// What to do to each string.
    pub algorithm: Algorithm<'a>,
    /// The strings.
    pub inputs: Blob<'a>,
}

impl DigestChunk<'_> {
    /// The class that it belongs to.
    pub fn class(&self) -> Class {
        match self.algorithm {
            Algorithm::Sha256 => Class::sha256(self.inputs.len() as u64, self.inputs.bytes().len() as u64),
            Algorithm::Sha256d => Class::SHA256D,
            Algorithm::HmacSha256 { .. } => Class::HMAC,
            Algorithm::Pbkdf2HmacSha256 { .. } => Class::PBKDF2,
        }
    }
}

/// Candidates to search. What is hashed is the candidate between `prefix` and `suffix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct SearchChunk<'a> {
    /// What to do to each string: [`Sha256`](Algorithm::Sha256) or [`Sha256d`](Algorithm::Sha256d) today.
    pub algorithm: Algorithm<'a>,
    /// Which candidates there are.
    pub candidates: Candidates<'a>,
    /// The number among them of the lease's first index.
    pub first: u64,
    /// How many candidates the lease has, as it was given.
    pub items: u64,
    /// Before each candidate.
    pub prefix: &'a [u8],
    /// Behind each candidate.
    pub suffix: &'a [u8],
    /// Which of them are to be told.
    pub sieve: Sieve<'a>,
}

/// SHA-256 blocks that differ between candidates of so many bytes with a prefix and a suffix of so many: at least 1.
pub fn varying_blocks(prefix: usize, candidate: usize, suffix: usize) -> u64 {
    let blocks = (prefix + candidate + suffix + 9).div_ceil(BLOCK);
    (blocks - prefix / BLOCK) as u64
}

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

impl SearchChunk<'_> {
    /// SHA-256 compressions of the longest candidate.
    pub fn compressions(&self) -> u64 {
        let last = self.first.saturating_add(self.items.saturating_sub(1));
        let longest = *self.candidates.lengths(self.first, last).end();
        let blocks = varying_blocks(self.prefix.len(), longest, self.suffix.len());
        blocks + u64::from(self.algorithm == Algorithm::Sha256d)
    }

    /// The class that it belongs to.
    pub fn class(&self) -> Class {
        match (self.algorithm, self.compressions()) {
            (Algorithm::Sha256, 1) => Class::SEARCH,
            (Algorithm::Sha256d, 2) => Class::SEARCH_SHA256D,
            _ => Class::SEARCH_LONG,
        }
    }
}

/// What turns a string into 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Algorithm<'a> {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-256 of the SHA-256.
    Sha256d,
    /// HMAC-SHA-256 (RFC 2104, FIPS 198-1) under one key.
    HmacSha256 {
        /// Any length.
        key: &'a [u8],
    },
    /// The first 32-byte block of PBKDF2-HMAC-SHA-256 (RFC 8018); the string is the password.
    Pbkdf2HmacSha256 {
        /// Any length.
        salt: &'a [u8],
        /// At least 1.
        iterations: u32,
    },
}

/// What was computed of one lease: its kind's number, then that kind's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkOutput<'a> {
    /// [`Kind::DIGEST`].
    Digests(Digests<'a>),
    /// [`Kind::SEARCH`]: [`Marks`](crate::sieve::Marks) of the part, as they are written.
    Marks(&'a [u8]),
}

impl ChunkOutput<'_> {
    /// The number that stands before the body.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Digests(_) => Kind::DIGEST,
            Self::Marks(_) => Kind::SEARCH,
        }
    }

    /// How many bytes the results have.
    pub fn size(&self) -> usize {
        match self {
            Self::Digests(digests) => digests.bytes().len(),
            Self::Marks(bytes) => bytes.len(),
        }
    }
}

impl Encode for ChunkOutput<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.kind().encode(encoder)?;
        match self {
            Self::Digests(body) => body.encode(encoder),
            Self::Marks(bytes) => bytes.encode(encoder),
        }
    }
}

impl<'de, C> BorrowDecode<'de, C> for ChunkOutput<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        match Kind::borrow_decode(decoder)? {
            Kind::DIGEST => Digests::borrow_decode(decoder).map(Self::Digests),
            Kind::SEARCH => BorrowDecode::borrow_decode(decoder).map(Self::Marks),
            Kind(_) => Err(DecodeError::Other("no such kind of work")),
        }
    }
}

/// Digests one after the other; all are [`Digests::SIZE`] bytes long, so no lengths are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digests<'a>(&'a [u8]);

impl<'a> Digests<'a> {
    /// Bytes of one digest.
    pub const SIZE: usize = 32;

    /// Takes the digests' bytes as they are; `None` if the last one is cut off.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(Self::SIZE).then_some(Self(bytes))
    }

    /// How many digests there are.
    pub fn len(&self) -> usize {
        self.0.len() / Self::SIZE
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all of them.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl std::fmt::Debug for Digests<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digests({})", self.len())
    }
}

impl Encode for Digests<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.len() as u64).encode(encoder)?;
        encoder.writer().write(self.0)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Digests<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = u64::borrow_decode(decoder)?;
        let size = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(Self::SIZE))
            .ok_or(DecodeError::OutsideUsizeRange(count))?;
        decoder.claim_bytes_read(size)?;
        decoder.borrow_reader().take_bytes(size).map(Self)
    }
}
