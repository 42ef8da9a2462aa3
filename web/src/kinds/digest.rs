//! Strings to hash: the specification, and what its results look like.

mod encoding;
mod rows;

use serde::{Deserialize, Serialize};

pub use self::encoding::{Encoding, EncodingError};
pub(crate) use self::rows::{CSV_HEADER, OVER, Row, csv_field, first_with_line_feed};

/// The name of this kind.
pub const KIND: &str = "digest";

/// The longest input in bytes, as it was given.
pub const MAX_INPUT: usize = 4 << 20;

/// The longest key or salt in bytes.
pub const MAX_KEY: usize = 64 << 10;

/// The most iterations of PBKDF2.
pub const MAX_ITERATIONS: u32 = 10_000_000;

/// The names of all algorithms.
pub(crate) const ALGORITHMS: [&str; 4] = ["sha256", "sha256d", "hmac-sha256", "pbkdf2-hmac-sha256"];

/// What to do to each input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// What turns an input into 32 bytes.
    #[serde(flatten)]
    pub algorithm: Algorithm,
    /// How the inputs are written.
    pub encoding: Encoding,
}

impl Digest {
    /// See [`Specification::fields`](super::Specification::fields).
    pub(crate) fn fields(&self, mut field: impl FnMut(&[u8])) {
        let Self { algorithm, encoding } = self;
        field(encoding.name().as_bytes());
        field(algorithm.name().as_bytes());
        match algorithm {
            Algorithm::Sha256 | Algorithm::Sha256d => {}
            Algorithm::HmacSha256 { key } => field(key),
            Algorithm::Pbkdf2HmacSha256 { salt, iterations } => {
                field(salt);
                field(&iterations.to_le_bytes());
            }
        }
    }
}

/// What turns an input into 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "kebab-case")]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-256 of the SHA-256.
    Sha256d,
    /// HMAC-SHA-256.
    HmacSha256 {
        /// At most [`MAX_KEY`] bytes.
        #[serde(default, skip_serializing, deserialize_with = "const_hex::serde::no_prefix::deserialize")]
        key: Vec<u8>,
    },
    /// PBKDF2-HMAC-SHA-256, 32 bytes long; the input is the password.
    Pbkdf2HmacSha256 {
        /// At most [`MAX_KEY`] bytes.
        #[serde(default, skip_serializing, deserialize_with = "const_hex::serde::no_prefix::deserialize")]
        salt: Vec<u8>,
        /// 1 to [`MAX_ITERATIONS`].
        iterations: u32,
    },
}

impl Algorithm {
    /// The name in requests and views.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha256d => "sha256d",
            Self::HmacSha256 { .. } => "hmac-sha256",
            Self::Pbkdf2HmacSha256 { .. } => "pbkdf2-hmac-sha256",
        }
    }

    /// The key or the salt.
    pub(super) fn secret_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Sha256 | Self::Sha256d => None,
            Self::HmacSha256 { key } => Some(key),
            Self::Pbkdf2HmacSha256 { salt, .. } => Some(salt),
        }
    }

    /// The key or the salt; empty if there is none.
    pub(super) fn secret(&self) -> &[u8] {
        match self {
            Self::Sha256 | Self::Sha256d => &[],
            Self::HmacSha256 { key } => key,
            Self::Pbkdf2HmacSha256 { salt, .. } => salt,
        }
    }

    /// Whether inputs are hashed with a key or a salt, as passwords are.
    pub fn is_keyed(&self) -> bool {
        matches!(self, Self::HmacSha256 { .. } | Self::Pbkdf2HmacSha256 { .. })
    }
}
