//! A sequence of messages that grows only as its elements really arrive.

use bincode::de::BorrowDecoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Encode};

/// A sequence, encoded like bincode's own: a varint count, then the elements.
///
/// bincode's `Vec` allocates for the announced count at once, so ten bytes could ask for the
/// whole limit. Here memory follows the bytes that are there, and the count has a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> List<T> {
    /// The most elements that a list may have.
    pub const MAX: usize = 16_384;
}

impl<T> From<Vec<T>> for List<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(elements)
    }
}

impl<T: Encode> Encode for List<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        if self.0.len() > Self::MAX {
            return Err(EncodeError::Other("a list has at most 16384 elements"));
        }
        (self.0.len() as u64).encode(encoder)?;
        self.0.iter().try_for_each(|element| element.encode(encoder))
    }
}

impl<'de, C, T: BorrowDecode<'de, C>> BorrowDecode<'de, C> for List<T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = u64::borrow_decode(decoder)?;
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= Self::MAX)
            .ok_or(DecodeError::Other("a list has at most 16384 elements"))?;
        let mut elements = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            decoder.claim_container_read::<T>(1)?;
            elements.push(T::borrow_decode(decoder)?);
        }
        Ok(Self(elements))
    }
}
