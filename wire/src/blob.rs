//! Bulk bytes: many strings as one piece, in one layout on the wire and in the store.
//!
//! `u32` n, then n lengths as `u32`, then the bytes of all strings, one after the other.
//! All integers are little-endian. The lengths stand together, so that a range of strings
//! is two slices of the whole, and nothing is ever copied string by string.

use std::ops::Range;

use bincode::de::{BorrowDecoder, read::BorrowReader};
use bincode::enc::{Encoder, write::Writer};
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Encode};
use bytes::Bytes;

const WORD: usize = size_of::<u32>();

/// Why bytes are not a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The count or the lengths are cut off.
    #[error("a blob of {have} bytes cannot hold the {count} lengths it announces")]
    Lengths {
        /// Bytes there are.
        have: usize,
        /// Strings announced.
        count: usize,
    },
    /// The lengths do not add up to the bytes that follow them.
    #[error("the lengths of a blob add up to {expected} bytes, but {have} follow")]
    Bytes {
        /// Bytes there are.
        have: usize,
        /// Sum of the lengths.
        expected: u64,
    },
}

/// A borrowed sequence of byte strings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Blob<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Blob<'a> {
    /// Reads the layout of this module's head; every byte must belong to it.
    ///
    /// # Errors
    /// If the count, the lengths and the bytes do not fit together.
    pub fn parse(layout: &'a [u8]) -> Result<Self, BlobError> {
        let have = layout.len();
        let (count, rest) = layout.split_first_chunk::<WORD>().ok_or(BlobError::Lengths { have, count: 0 })?;
        let count = u32::from_le_bytes(*count) as usize;
        let (lengths, bytes) = count
            .checked_mul(WORD)
            .and_then(|size| rest.split_at_checked(size))
            .ok_or(BlobError::Lengths { have, count })?;
        let blob = Self { lengths, bytes };
        let expected = blob.byte_lengths().map(u64::from).sum();
        if expected != bytes.len() as u64 {
            return Err(BlobError::Bytes { have: bytes.len(), expected });
        }
        Ok(blob)
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.lengths.len() / WORD
    }

    /// Whether there is no string at all.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The bytes of all strings together.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The length of each string, in bytes.
    pub fn byte_lengths(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.lengths.as_chunks::<WORD>().0.iter().map(|word| u32::from_le_bytes(*word))
    }

    /// The length of string number `index`, in bytes; `None` if there are fewer strings.
    #[inline]
    pub fn length_of(&self, index: usize) -> Option<usize> {
        self.lengths.as_chunks::<WORD>().0.get(index).map(|word| u32::from_le_bytes(*word) as usize)
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.bytes;
        self.byte_lengths().map(move |length| {
            let (string, after) = rest.split_at(length as usize);
            rest = after;
            string
        })
    }

    /// The strings from number `index` on, the first of which begins at byte `offset`: for a
    /// reader that goes on where it stopped, without summing up the lengths before it.
    ///
    /// # Panics
    /// If there are fewer strings or bytes; the iterator, if `offset` is not that string's.
    pub fn iter_at(&self, index: usize, offset: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        Self { lengths: &self.lengths[index * WORD..], bytes: &self.bytes[offset..] }.iter()
    }

    /// The strings numbered `range`, as a blob of their own.
    ///
    /// # Panics
    /// If `range` is not within `0..self.len()`.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let sum = |lengths: &[u8]| -> usize {
            let words = lengths.as_chunks::<WORD>().0;
            words.iter().map(|word| u32::from_le_bytes(*word) as usize).sum()
        };
        let lengths = &self.lengths[range.start * WORD..range.end * WORD];
        let start = sum(&self.lengths[..range.start * WORD]);
        Self { lengths, bytes: &self.bytes[start..start + sum(lengths)] }
    }

    /// The size of the layout in bytes.
    pub fn layout_len(&self) -> usize {
        WORD + self.lengths.len() + self.bytes.len()
    }

    /// Appends the layout of this module's head.
    pub fn write(&self, layout: &mut Vec<u8>) {
        layout.reserve(self.layout_len());
        layout.extend_from_slice(&(self.len() as u32).to_le_bytes());
        layout.extend_from_slice(self.lengths);
        layout.extend_from_slice(self.bytes);
    }
}

impl std::fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} strings, {} bytes)", self.len(), self.bytes.len())
    }
}

impl Encode for Blob<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let count =
            u32::try_from(self.len()).map_err(|_| EncodeError::Other("a blob holds at most 2^32 - 1 strings"))?;
        (self.layout_len() as u64).encode(encoder)?;
        let writer = encoder.writer();
        writer.write(&count.to_le_bytes())?;
        writer.write(self.lengths)?;
        writer.write(self.bytes)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Blob<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let size = u64::borrow_decode(decoder)?;
        let size = usize::try_from(size).map_err(|_| DecodeError::OutsideUsizeRange(size))?;
        decoder.claim_bytes_read(size)?;
        let layout = decoder.borrow_reader().take_bytes(size)?;
        Blob::parse(layout).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

/// A blob under construction.
#[derive(Debug, Default, Clone)]
pub struct BlobBuf {
    lengths: Vec<u8>,
    bytes: Vec<u8>,
}

impl BlobBuf {
    /// With room for `strings` strings of `bytes` bytes together.
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        Self { lengths: Vec::with_capacity(strings * WORD), bytes: Vec::with_capacity(bytes) }
    }

    /// Appends one string.
    ///
    /// # Panics
    /// If the string is longer than `u32::MAX` bytes; callers limit inputs to far less.
    pub fn push(&mut self, string: &[u8]) {
        assert!(u32::try_from(string.len()).is_ok(), "a string of a blob is shorter than 4 GiB");
        self.lengths.extend_from_slice(&(string.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(string);
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.lengths.len() / WORD
    }

    /// Whether there is no string at all.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The size of the layout in bytes.
    pub fn layout_len(&self) -> usize {
        self.as_blob().layout_len()
    }

    /// The strings so far.
    pub fn as_blob(&self) -> Blob<'_> {
        Blob { lengths: &self.lengths, bytes: &self.bytes }
    }

    /// Makes it immutable and cheap to share.
    pub fn freeze(self) -> SharedBlob {
        SharedBlob { lengths: self.lengths.into(), bytes: self.bytes.into() }
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for BlobBuf {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut blob = Self::default();
        strings.into_iter().for_each(|string| blob.push(string.as_ref()));
        blob
    }
}

/// An immutable blob that owns its bytes; clones share them.
#[derive(Debug, Default, Clone)]
pub struct SharedBlob {
    lengths: Bytes,
    bytes: Bytes,
}

impl SharedBlob {
    /// The strings.
    pub fn as_blob(&self) -> Blob<'_> {
        Blob { lengths: &self.lengths, bytes: &self.bytes }
    }

    /// Reads the layout of this module's head without copying it; every byte must belong to it.
    ///
    /// # Errors
    /// If the count, the lengths and the bytes do not fit together.
    pub fn parse(layout: &Bytes) -> Result<Self, BlobError> {
        Blob::parse(layout).map(|blob| Self::within(layout, blob))
    }

    /// Keeps a blob that was decoded from `frame`, without copying its bytes.
    ///
    /// # Panics
    /// If `blob` does not borrow from `frame`.
    pub fn within(frame: &Bytes, blob: Blob<'_>) -> Self {
        Self { lengths: frame.slice_ref(blob.lengths), bytes: frame.slice_ref(blob.bytes) }
    }

    /// String number `index`, sharing these bytes; `None` if there are fewer.
    pub fn string(&self, index: usize) -> Option<Bytes> {
        self.as_blob().iter().nth(index).map(|string| self.bytes.slice_ref(string))
    }

    /// The strings numbered `range`, sharing these bytes.
    ///
    /// # Panics
    /// If `range` is not within `0..len`.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let part = self.as_blob().slice(range);
        Self { lengths: self.lengths.slice_ref(part.lengths), bytes: self.bytes.slice_ref(part.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(blob: Blob<'_>) -> Vec<u8> {
        let mut layout = Vec::new();
        blob.write(&mut layout);
        layout
    }

    proptest::proptest! {
        #[test]
        fn what_goes_in_comes_out(strings: Vec<Vec<u8>>, cut: (usize, usize)) {
            let built: BlobBuf = strings.iter().collect();
            let bytes = layout(built.as_blob());
            assert_eq!(bytes.len(), built.layout_len());
            let blob = Blob::parse(&bytes).unwrap();
            assert!(blob.iter().eq(strings.iter().map(|string| &string[..])));
            let lengths = (0..=strings.len()).map_while(|index| blob.length_of(index));
            assert!(lengths.eq(strings.iter().map(Vec::len)));
            let from = cut.0 % (strings.len() + 1);
            let to = from + cut.1 % (strings.len() - from + 1);
            let part = built.clone().freeze().slice(from..to);
            assert!(part.as_blob().iter().eq(strings[from..to].iter().map(|string| &string[..])));
            let strings_of_it = (0..=to - from).map_while(|index| part.string(index));
            assert!(strings_of_it.eq(strings[from..to].iter().cloned()));
            let offset = strings[..from].iter().map(Vec::len).sum();
            assert!(blob.iter_at(from, offset).eq(strings[from..].iter().map(|string| &string[..])));
        }

        #[test]
        fn any_bytes_are_a_blob_or_an_error(bytes: Vec<u8>) {
            if let Ok(blob) = Blob::parse(&bytes) {
                assert_eq!(layout(blob), bytes);
            }
        }
    }

    #[test]
    fn lengths_must_fit() {
        assert_eq!(Blob::parse(&[1, 0]), Err(BlobError::Lengths { have: 2, count: 0 }));
        let endless = u32::MAX.to_le_bytes();
        assert!(matches!(Blob::parse(&endless), Err(BlobError::Lengths { .. })));
        let short = [1, 0, 0, 0, 2, 0, 0, 0, b'x'];
        assert_eq!(Blob::parse(&short), Err(BlobError::Bytes { have: 1, expected: 2 }));
        let long = [1, 0, 0, 0, 1, 0, 0, 0, b'x', b'y'];
        assert_eq!(Blob::parse(&long), Err(BlobError::Bytes { have: 2, expected: 1 }));
    }
}
