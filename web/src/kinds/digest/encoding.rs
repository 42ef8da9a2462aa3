//! Inputs as they are written, and the bytes that they stand for.

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use base64::{DecodeSliceError, Engine as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How inputs are written. They are kept and shown as they were given; what is hashed are
/// the bytes that they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The bytes themselves.
    #[default]
    Utf8,
    /// Two hexadecimal digits a byte, of either case.
    Hex,
    /// RFC 4648 base64 with padding.
    Base64,
}

impl Encoding {
    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }
}

/// Why an input is not written in its encoding. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Half a byte is left over.
    #[error("hexadecimal has two digits a byte, and {0} is an odd number of digits")]
    OddHex(usize),
    /// Something else than a digit.
    #[error("character {at} ({:?}) is not a hexadecimal digit", char::from(*byte))]
    NotHex {
        /// Where.
        at: usize,
        /// What.
        byte: u8,
    },
    /// Something else than a base64 digit.
    #[error("character {at} ({:?}) does not belong there in base64", char::from(*byte))]
    NotBase64 {
        /// Where.
        at: usize,
        /// What.
        byte: u8,
    },
    /// Not padded, or cut off.
    #[error("base64 with padding is a multiple of four characters long, not {0}")]
    Base64Length(usize),
    /// The end does not stand for whole bytes.
    #[error("base64 ends in a way that no bytes are written")]
    Base64End,
}

impl Encoding {
    /// Checks that `input` is written in it.
    ///
    /// # Errors
    /// If it is not, with the first fault.
    pub fn check(self, input: &[u8]) -> Result<(), EncodingError> {
        match self {
            Self::Utf8 => Ok(()),
            Self::Hex => check_hex(input),
            Self::Base64 => decode_base64(input, |_| ()),
        }
    }

    /// Appends the bytes that `input` stands for.
    ///
    /// # Errors
    /// If it is not written in this encoding; `bytes` may then hold a part.
    pub fn decode(self, input: &[u8], bytes: &mut Vec<u8>) -> Result<(), EncodingError> {
        match self {
            Self::Utf8 => bytes.extend_from_slice(input),
            Self::Hex => {
                check_hex(input)?;
                let digit = |digit: u8| (digit & 15) + 9 * (digit >> 6);
                bytes.extend(input.as_chunks::<2>().0.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)));
            }
            Self::Base64 => decode_base64(input, |part| bytes.extend_from_slice(part))?,
        }
        Ok(())
    }
}

fn check_hex(input: &[u8]) -> Result<(), EncodingError> {
    match input.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        Some(at) => Err(EncodingError::NotHex { at: at + 1, byte: input[at] }),
        None if input.len() % 2 == 1 => Err(EncodingError::OddHex(input.len())),
        None => Ok(()),
    }
}

/// Base64 characters decoded at a time, on the stack.
const PART: usize = 1024;

fn decode_base64(input: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), EncodingError> {
    let mut buffer = [0; PART / 4 * 3];
    let mut start = 0;
    for part in input.chunks(PART) {
        // Padding may stand at the very end alone.
        let is_last = start + part.len() == input.len();
        let decoded = match is_last {
            true => STANDARD.decode_slice(part, &mut buffer),
            false => STANDARD_NO_PAD.decode_slice(part, &mut buffer),
        };
        match decoded {
            Ok(length) => each(&buffer[..length]),
            Err(DecodeSliceError::DecodeError(base64::DecodeError::InvalidByte(at, byte))) => {
                return Err(EncodingError::NotBase64 { at: start + at + 1, byte });
            }
            Err(_) if !input.len().is_multiple_of(4) => return Err(EncodingError::Base64Length(input.len())),
            Err(_) => return Err(EncodingError::Base64End),
        }
        start += part.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        let hex = |text: &str| Encoding::Hex.check(text.as_bytes());
        assert_eq!(hex("00fFaA"), Ok(()));
        assert_eq!(hex("abc"), Err(EncodingError::OddHex(3)));
        assert_eq!(hex("0x00"), Err(EncodingError::NotHex { at: 2, byte: b'x' }));
        let base64 = |text: &str| Encoding::Base64.check(text.as_bytes());
        assert_eq!(base64(""), Ok(()));
        assert_eq!(base64("YQ=="), Ok(()));
        assert_eq!(base64("YQ"), Err(EncodingError::Base64Length(2)));
        assert_eq!(base64("YR=="), Err(EncodingError::Base64End));
        assert!(matches!(base64("Y Q="), Err(EncodingError::NotBase64 { at: 2, byte: b' ' })));
        let long = "A".repeat(PART) + "A*AA";
        assert_eq!(base64(&long), Err(EncodingError::NotBase64 { at: PART + 2, byte: b'*' }));
        let early = "A".repeat(PART - 2) + "==" + "AAAA";
        assert!(base64(&early).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..3 * PART)) {
            for (encoding, written) in [
                (Encoding::Utf8, bytes.clone()),
                (Encoding::Hex, const_hex::encode(&bytes).into_bytes()),
                (Encoding::Hex, const_hex::encode_upper(&bytes).into_bytes()),
                (Encoding::Base64, STANDARD.encode(&bytes).into_bytes()),
            ] {
                assert_eq!(encoding.check(&written), Ok(()));
                let mut read = Vec::new();
                encoding.decode(&written, &mut read).unwrap();
                assert_eq!(read, bytes);
            }
        }
    }
}
