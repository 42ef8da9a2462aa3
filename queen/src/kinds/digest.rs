//! Strings to hash.

use std::fmt;
use std::ops::Range;

use web::kinds::digest::{Algorithm, Digest, Encoding};
use wire::blob::{Blob, BlobBuf, SharedBlob};
use wire::work::{self, Chunk, ChunkOutput, DigestChunk, Digests, Kind};

use super::Rejected;
use crate::core::{Class, Segment};
use crate::store::Inputs;

/// The inputs as they were given, and what to do with them.
#[derive(Debug)]
pub struct Work {
    /// What to do.
    pub specification: Digest,
    /// With what.
    pub inputs: Inputs,
}

impl Work {
    /// The items of each segment of the store, and what they cost together.
    pub fn segments(&self) -> Box<[Segment]> {
        self.inputs.segments().map(|segment| self.weigh(segment)).collect()
    }

    fn weigh(&self, inputs: Blob<'_>) -> Segment {
        let encoding = self.specification.encoding;
        let cost = |length| compressions(&self.specification.algorithm, decoded_len(encoding, length));
        Segment {
            items: inputs.len() as u64,
            cost: inputs.byte_lengths().map(|length| cost(u64::from(length))).sum(),
            bytes: inputs.layout_len() as u64,
        }
    }

    /// Each algorithm has a rate of its own: a short string is mostly overhead, PBKDF2 none.
    pub fn class(&self) -> Class {
        let variant = match self.specification.algorithm {
            Algorithm::Sha256 => 0,
            Algorithm::Sha256d => 1,
            Algorithm::HmacSha256 { .. } => 2,
            Algorithm::Pbkdf2HmacSha256 { .. } => 3,
        };
        Class { kind: Kind::DIGEST.0, variant }
    }

    /// The bytes to hash for `range`, which lies in one segment.
    pub fn part(&self, range: &Range<u64>) -> SharedBlob {
        let given = self.inputs.part(range);
        match self.specification.encoding {
            Encoding::Utf8 => given,
            encoding => decode(encoding, given.as_blob()),
        }
    }

    /// The message that carries `inputs`.
    pub fn chunk<'a>(&'a self, inputs: &'a SharedBlob) -> Chunk<'a> {
        let algorithm = match &self.specification.algorithm {
            Algorithm::Sha256 => work::Algorithm::Sha256,
            Algorithm::Sha256d => work::Algorithm::Sha256d,
            Algorithm::HmacSha256 { key } => work::Algorithm::HmacSha256 { key },
            Algorithm::Pbkdf2HmacSha256 { salt, iterations } => {
                work::Algorithm::Pbkdf2HmacSha256 { salt, iterations: *iterations }
            }
        };
        Chunk::Digest(DigestChunk { algorithm, inputs: inputs.as_blob() })
    }

    /// Bytes that every chunk carries besides its inputs.
    pub fn parameter_bytes(&self) -> usize {
        match &self.specification.algorithm {
            Algorithm::Sha256 | Algorithm::Sha256d => 0,
            Algorithm::HmacSha256 { key } => key.len(),
            Algorithm::Pbkdf2HmacSha256 { salt, .. } => salt.len(),
        }
    }

    /// The digests' bytes, if there is one for each index of `range`.
    ///
    /// # Errors
    /// If there are more or fewer.
    pub fn check<'a>(&self, range: &Range<u64>, output: &ChunkOutput<'a>) -> Result<&'a [u8], Rejected> {
        let ChunkOutput::Digests(digests) = output;
        match digests.len() as u64 == range.end.saturating_sub(range.start) && !digests.is_empty() {
            true => Ok(digests.bytes()),
            false => Err(Rejected { count: digests.len(), range: range.clone() }),
        }
    }
}

/// What is to be done, in words: `Hash the word '…'`, or a count.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.specification.algorithm.name();
        match self.inputs.total() {
            1 => write!(
                f,
                "Hash the word '{}' ({algorithm})",
                drone::console::word(self.inputs.part(&(0..1)).as_blob().bytes())
            ),
            count => write!(f, "Hash {} words ({algorithm})", drone::console::count(count)),
        }
    }
}

/// Bytes of one digest in the store.
pub const DIGEST: usize = Digests::SIZE;

/// SHA-256 compressions that an input of so many bytes takes (FIPS 180-4, 5.1.1: at least
/// nine bytes of padding to blocks of 64).
fn compressions(algorithm: &Algorithm, bytes: u64) -> u64 {
    let message = (bytes + 9).div_ceil(64);
    match algorithm {
        Algorithm::Sha256 => message,
        Algorithm::Sha256d | Algorithm::HmacSha256 { .. } => message + 1,
        Algorithm::Pbkdf2HmacSha256 { iterations, .. } => message + 2 * u64::from(*iterations) + 2,
    }
}

fn decoded_len(encoding: Encoding, length: u64) -> u64 {
    match encoding {
        Encoding::Utf8 => length,
        Encoding::Hex => length / 2,
        Encoding::Base64 => length / 4 * 3,
    }
}

/// Inputs were checked when they came in; one that is none the less unreadable stands for nothing.
fn decode(encoding: Encoding, given: Blob<'_>) -> SharedBlob {
    let mut decoded = BlobBuf::with_capacity(given.len(), given.bytes().len());
    let mut bytes = Vec::new();
    for input in given.iter() {
        bytes.clear();
        if let Err(error) = encoding.decode(input, &mut bytes) {
            tracing::error!(%error, "an input of the store cannot be read");
        }
        decoded.push(&bytes);
    }
    decoded.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_costs_its_blocks() {
        let sha256 = |bytes| compressions(&Algorithm::Sha256, bytes);
        assert_eq!([0, 55, 56, 119, 120].map(sha256), [1, 1, 2, 2, 3]);
        let stretch = Algorithm::Pbkdf2HmacSha256 { salt: vec![], iterations: 1000 };
        assert_eq!(compressions(&stretch, 8), 2003);
    }

    #[test]
    fn what_is_written_in_hex_is_sent_as_bytes() {
        let mut inputs = Inputs::default();
        inputs.push(["6162", "FF"].iter().collect());
        let work = Work { specification: Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Hex }, inputs };
        let part = work.part(&(0..2));
        assert!(part.as_blob().iter().eq([&b"ab"[..], &[0xFF]]));
    }
}
