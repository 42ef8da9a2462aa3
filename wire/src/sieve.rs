//! Marks: candidates of a search that pass a sieve which is coarser than what is sought.
//!
//! A Drone reports marks, the Queen finds out which of them are what is sought. Marks that are
//! not prove that a Drone computed the candidates: how many there are in a range is known beforehand.

use std::ops::RangeInclusive;

use bincode::de::{BorrowDecoder, read::BorrowReader};
use bincode::enc::{Encoder, write::Writer};
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Encode};

/// A digest.
pub type Digest = [u8; 32];

/// The eight words between blocks of a message (FIPS 180-4, 6.2), before the last one: its *chain*.
pub type Chain = [u32; 8];

/// The chain before the first block of each message (FIPS 180-4, 5.3.3).
pub const START: Chain =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Which candidates are marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Sieve<'a> {
    /// Those whose [value](Word::value) agrees with one of these in its lowest bits.
    Targets {
        /// Of what the values are made.
        word: Word,
        /// How many of the lowest bits are compared, 0 to 64.
        bits: u8,
        /// Those bits of what is sought, ascending and without duplicates; at least one.
        values: Values<'a>,
    },
    /// Those whose digest, as a number of 256 bits, begins with a number in a range.
    Interval {
        /// How a digest is a number.
        order: DigestOrder,
        /// First and last of the most significant 64 bits of a mark.
        marks: (u64, u64),
        /// First and last of what is sought, most significant byte first. It lies within the marks.
        hits: (Digest, Digest),
    },
}

/// The two words of a digest, or of a state that leads to it, of which a value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Word {
    /// The variable `a` after 57 and after 58 of the 64 rounds of the last compression (FIPS 180-4, 6.2.2,
    /// step 3), which follow from the digest where the chain before its last block is known: rounds
    /// that need not be computed.
    Inner,
    /// The last and the last but one word of the digest.
    Outer,
}

/// How a digest is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum DigestOrder {
    /// Its first byte is the most significant one.
    Big,
    /// Its last byte is the most significant one.
    Little,
}

impl Word {
    /// The value of a digest: the first of the two words in its lower half. `chain` is that before the
    /// last block of what was hashed last.
    pub fn value(self, digest: &Digest, chain: &Chain) -> u64 {
        let words: [u32; 8] = std::array::from_fn(|at| {
            u32::from_be_bytes([digest[4 * at], digest[4 * at + 1], digest[4 * at + 2], digest[4 * at + 3]])
        });
        let (first, second) = match self {
            Self::Inner => inner(&words, chain),
            Self::Outer => (words[7], words[6]),
        };
        u64::from(second) << 32 | u64::from(first)
    }
}

/// `a` after 57 and after 58 rounds.
fn inner(digest: &[u32; 8], chain: &Chain) -> (u32, u32) {
    let state: [u32; 8] = std::array::from_fn(|at| digest[at].wrapping_sub(chain[at]));
    // After round 64 the variables a to d are `a` after 64, 63, 62 and 61 rounds, e to h `e` after those.
    let [mut a64, mut a63, mut a62, mut a61, ..] = state;
    let mut found = [0; 4];
    for (e, found) in state[4..].iter().zip(&mut found) {
        // What both variables of a round have in common is its T1; `e` has `a` of four rounds before as well.
        let sigma = a63.rotate_right(2) ^ a63.rotate_right(13) ^ a63.rotate_right(22);
        let majority = (a63 & a62) ^ (a63 & a61) ^ (a62 & a61);
        let t1 = a64.wrapping_sub(sigma.wrapping_add(majority));
        *found = e.wrapping_sub(t1);
        (a64, a63, a62, a61) = (a63, a62, a61, *found);
    }
    let [_, _, after_58, after_57] = found;
    (after_57, after_58)
}

impl DigestOrder {
    /// The digest with its most significant byte first.
    pub fn number(self, digest: &Digest) -> Digest {
        let mut number = *digest;
        if self == Self::Little {
            number.reverse();
        }
        number
    }
}

/// The most significant 64 bits of a number.
pub fn top(number: &Digest) -> u64 {
    number.first_chunk().map_or(0, |top| u64::from_be_bytes(*top))
}

/// The lowest `bits` bits.
pub fn low_bits(bits: u8) -> u64 {
    1u64.checked_shl(u32::from(bits)).map_or(u64::MAX, |end| end - 1)
}

impl Sieve<'_> {
    /// Whether a candidate of this digest is a mark. `chain` as in [`Word::value`].
    pub fn passes(&self, digest: &Digest, chain: &Chain) -> bool {
        match self {
            Self::Targets { word, bits, values } => values.contains(word.value(digest, chain) & low_bits(*bits)),
            Self::Interval { order, marks, .. } => {
                RangeInclusive::new(marks.0, marks.1).contains(&top(&order.number(digest)))
            }
        }
    }

    /// Which share of candidates are marks.
    pub fn share(&self) -> f64 {
        match self {
            Self::Targets { bits, values, .. } => values.len() as f64 / (f64::from(*bits)).exp2(),
            Self::Interval { marks: (first, last), .. } => (last.saturating_sub(*first) as f64 + 1.0) / 64f64.exp2(),
        }
    }
}

/// Numbers, ascending and without duplicates, of eight bytes each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Values<'a>(&'a [[u8; 8]]);

impl<'a> Values<'a> {
    /// Takes numbers as they are, least significant byte first; `None` if they are not ascending.
    pub fn new(bytes: &'a [[u8; 8]]) -> Option<Self> {
        let values = Self(bytes);
        values.iter().zip(values.iter().skip(1)).all(|(one, next)| one < next).then_some(values)
    }

    /// Reads values that are material: each as eight bytes, least significant first; `None` if they are none, or not
    /// ascending.
    pub fn parse(material: &'a [u8]) -> Option<Self> {
        let (values, rest) = material.as_chunks();
        Self::new(values).filter(|_| rest.is_empty())
    }

    /// Of the bytes of values that are ascending, as is known: of those that were checked before, or sorted.
    pub fn known(bytes: &'a [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    /// The bytes of all.
    pub fn bytes(&self) -> &'a [u8] {
        self.0.as_flattened()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `value` is among them.
    pub fn contains(&self, value: u64) -> bool {
        self.0.binary_search_by_key(&value, |bytes| u64::from_le_bytes(*bytes)).is_ok()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u64> + use<'a> {
        self.0.iter().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

impl std::fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Values({})", self.len())
    }
}

impl Encode for Values<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.len() as u64).encode(encoder)?;
        encoder.writer().write(self.0.as_flattened())
    }
}

impl<'de, C> BorrowDecode<'de, C> for Values<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = u64::borrow_decode(decoder)?;
        let size = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size_of::<u64>()))
            .ok_or(DecodeError::OutsideUsizeRange(count))?;
        decoder.claim_bytes_read(size)?;
        let bytes = decoder.borrow_reader().take_bytes(size)?;
        Self::new(bytes.as_chunks().0).ok_or(DecodeError::Other("values are not ascending"))
    }
}

/// The marks of a part, as indices of it: ascending, each as its distance from the index behind the one
/// before, in groups of seven bits, least significant first, the highest bit set in all but the last (LEB128).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Marks<'a>(&'a [u8]);

impl<'a> Marks<'a> {
    /// Reads marks of a part of `items` indices; `None` if they are not written so, or lie beyond it.
    pub fn parse(bytes: &'a [u8], items: u64) -> Option<Self> {
        let mut reader = Reader { rest: bytes, next: 0 };
        while !reader.rest.is_empty() {
            reader.read().filter(|offset| *offset < items)?;
        }
        Some(Self(bytes))
    }

    /// The bytes of all.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The marks.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let mut reader = Reader { rest: self.0, next: 0 };
        std::iter::from_fn(move || reader.read())
    }
}

impl std::fmt::Debug for Marks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Marks({} bytes)", self.0.len())
    }
}

/// Appends the marks of a part: ascending indices of it.
pub fn write_marks(marks: impl IntoIterator<Item = u64>, out: &mut Vec<u8>) {
    let mut next = 0;
    for mark in marks {
        let mut distance: u64 = mark - next;
        while distance >= 0x80 {
            out.push(distance as u8 | 0x80);
            distance >>= 7;
        }
        out.push(distance as u8);
        next = mark + 1;
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Behind the mark that was read last.
    next: u64,
}

impl Reader<'_> {
    /// The next mark; `None` at the end, or where something else stands.
    fn read(&mut self) -> Option<u64> {
        let mut distance = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let group = u64::from(byte & 0x7f);
            // Bits beyond 64, and a last group that says nothing, are no number.
            if group << shift >> shift != group || (*byte == 0 && shift > 0) {
                return None;
            }
            distance |= group << shift;
            if byte & 0x80 == 0 {
                let mark = self.next.checked_add(distance)?;
                self.next = mark.checked_add(1)?;
                return Some(mark);
            }
        }
        None
    }
}
