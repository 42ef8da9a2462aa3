//! Strings to hash.

use std::ops::Range;

use web::kinds::digest::{Algorithm, Digest, Encoding};
use wire::blob::{Blob, BlobBuf, SharedBlob};
use wire::work::{self, Chunk, ChunkOutput, DigestChunk, Digests, Kind};

use super::Rejected;
use crate::core::{Class, Segment};

/// What a segment's items cost and weigh.
pub(super) fn weigh(digest: &Digest, inputs: Blob<'_>) -> Segment {
    let cost = |length| compressions(&digest.algorithm, decoded_len(digest.encoding, length));
    Segment {
        items: inputs.len() as u64,
        cost: inputs.byte_lengths().map(|length| cost(u64::from(length))).sum(),
        bytes: inputs.layout_len() as u64,
    }
}

/// Each algorithm has a rate of its own: a short string is mostly overhead, PBKDF2 none.
pub(super) fn class(digest: &Digest) -> Class {
    let variant = match digest.algorithm {
        Algorithm::Sha256 => 0,
        Algorithm::Sha256d => 1,
        Algorithm::HmacSha256 { .. } => 2,
        Algorithm::Pbkdf2HmacSha256 { .. } => 3,
    };
    Class { kind: Kind::DIGEST.0, variant }
}

/// The bytes to hash of inputs as they were given.
pub(super) fn decoded(digest: &Digest, given: SharedBlob) -> SharedBlob {
    match digest.encoding {
        Encoding::Utf8 => given,
        encoding => decode(encoding, given.as_blob()),
    }
}

/// The message that carries `inputs`.
pub(super) fn chunk<'a>(digest: &'a Digest, inputs: &'a SharedBlob) -> Chunk<'a> {
    let algorithm = match &digest.algorithm {
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
pub(super) fn parameter_bytes(digest: &Digest) -> usize {
    match &digest.algorithm {
        Algorithm::Sha256 | Algorithm::Sha256d => 0,
        Algorithm::HmacSha256 { key } => key.len(),
        Algorithm::Pbkdf2HmacSha256 { salt, .. } => salt.len(),
    }
}

/// The digests' bytes, if there is one for each index of `range`.
///
/// # Errors
/// If there are more or fewer.
pub(super) fn check<'a>(range: &Range<u64>, output: &ChunkOutput<'a>) -> Result<&'a [u8], Rejected> {
    let ChunkOutput::Digests(digests) = output;
    match digests.len() as u64 == range.end.saturating_sub(range.start) && !digests.is_empty() {
        true => Ok(digests.bytes()),
        false => Err(Rejected { count: digests.len(), range: range.clone() }),
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
        let given: BlobBuf = ["6162", "FF"].iter().collect();
        let digest = Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Hex };
        let part = decoded(&digest, given.freeze());
        assert!(part.as_blob().iter().eq([&b"ab"[..], &[0xFF]]));
    }
}
