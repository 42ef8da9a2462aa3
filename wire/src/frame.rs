//! Messages to bytes and back: a `u32` length, then that many bytes of bincode.
//!
//! Pure: it reads and writes memory only. bincode 2 in its standard configuration (variable
//! integers, little-endian) with a limit; its limit counts decoded memory and says nothing
//! about encoding or about bytes left over, so all three are checked here.

use std::borrow::Cow;

use bincode::error::DecodeError;
use bincode::{BorrowDecode, Encode, config};

/// The longest body of a frame to a Drone after the handshake, in bytes.
pub const MAX_TO_DRONE: usize = 8 << 20;

/// The longest body of a frame to the Queen after the handshake, in bytes: many Drones send to her at once.
pub const MAX_TO_QUEEN: usize = 1 << 20;

/// The longest body of a frame during the handshake, in bytes.
pub const MAX_HANDSHAKE: usize = 4 << 10;

/// Bytes of the length that precedes a body.
pub const HEADER: usize = size_of::<u32>();

/// Decoded memory may exceed the bytes of a frame, small elements most; this bounds it.
const MAX_DECODED: usize = 4 * MAX_TO_DRONE;

/// Why bytes are not a frame or a message not encodable.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is above the limit.
    #[error("a frame of {size} bytes is longer than the {limit} allowed here")]
    TooLong {
        /// Bytes of the body.
        size: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The body is not one of the expected messages.
    #[error("a frame holds no message: {}", in_words(.0))]
    Invalid(#[from] DecodeError),
    /// The body is a message and something more.
    #[error("{0} bytes are left over behind the message of a frame")]
    LeftOver(usize),
    /// The message breaks a bound of its own.
    #[error("a message cannot be encoded: {0}")]
    Unencodable(#[from] bincode::error::EncodeError),
}

/// What is wrong with a body, as `docs/PROTOCOL.md` would say it.
fn in_words(error: &DecodeError) -> Cow<'_, str> {
    match error {
        DecodeError::UnexpectedEnd { .. } => "it ends too early".into(),
        DecodeError::LimitExceeded | DecodeError::OutsideUsizeRange(_) => {
            "it speaks of more bytes than a frame may have".into()
        }
        DecodeError::InvalidIntegerType { .. } => "a number is longer than its type".into(),
        DecodeError::Utf8 { .. } => "a text is not UTF-8".into(),
        DecodeError::UnexpectedVariant { found, .. } => {
            format!("no message, algorithm or option here has the number {found}").into()
        }
        DecodeError::InvalidBooleanValue(value) => format!("a bool is {value}, and not 0 or 1").into(),
        DecodeError::Other(text) => (*text).into(),
        DecodeError::OtherString(text) => text.into(),
        _ => "it cannot be read".into(),
    }
}

/// Appends `message` as one frame to `out`; leaves `out` as it was on an error.
///
/// # Errors
/// If the body would be longer than `limit`, or the message breaks a bound of its own.
pub fn encode(message: &impl Encode, limit: usize, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    let written = bincode::encode_into_std_write(message, out, config::standard());
    let size = out.len() - start - HEADER;
    let result = match written {
        Err(error) => Err(error.into()),
        Ok(_) if size > limit => Err(FrameError::TooLong { size, limit }),
        Ok(_) => Ok(()),
    };
    match result {
        Ok(()) => out[start..start + HEADER].copy_from_slice(&(size as u32).to_le_bytes()),
        Err(_) => out.truncate(start),
    }
    result
}

/// The length of the body that `buffer` begins with, once its header is there.
///
/// # Errors
/// If the length is above `limit`.
pub fn body_len(buffer: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let size = u32::from_le_bytes(*header) as usize;
    if size > limit {
        return Err(FrameError::TooLong { size, limit });
    }
    Ok(Some(size))
}

/// Reads the body of a frame; bulk bytes are borrowed from it.
///
/// # Errors
/// If the body is not exactly one message.
pub fn decode<'a, M: BorrowDecode<'a, ()>>(body: &'a [u8]) -> Result<M, FrameError> {
    let config = config::standard().with_limit::<MAX_DECODED>();
    let (message, read) = bincode::borrow_decode_from_slice(body, config)?;
    match body.len() - read {
        0 => Ok(message),
        left => Err(FrameError::LeftOver(left)),
    }
}
