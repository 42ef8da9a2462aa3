//! Strings to hash.

use std::ops::Range;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac_array;
use sha2::{Digest as _, Sha256};
use web::kinds::digest::{Algorithm, Digest, Encoding, KIND};
use wire::blob::{Blob, BlobBuf, SharedBlob};
use wire::material::MAX_INLINE;
use wire::work::{self, Chunk, ChunkOutput, DigestChunk, Digests};

use super::kind::{Content, Kind, Rejected, Summary};
use crate::core::{Class, Segment};
use crate::work::inputs::Inputs;

/// Short enough that progress is seen, and long enough that a lease costs little beside it.
const TARGET: Duration = Duration::from_millis(200);

/// Bytes of one digest.
const DIGEST: usize = Digests::SIZE;

impl Kind for Digest {
    fn summary(&self) -> Summary {
        let iterations = match self.algorithm {
            Algorithm::Pbkdf2HmacSha256 { iterations, .. } => Some(iterations),
            _ => None,
        };
        Summary { kind: KIND, algorithm: self.algorithm.name(), encoding: Some(self.encoding), iterations }
    }

    fn width(&self) -> usize {
        DIGEST
    }

    /// Each algorithm has a rate of its own, since a short string is mostly overhead and PBKDF2 none.
    fn class(&self, segments: &[Segment]) -> Class {
        match self.algorithm {
            Algorithm::Sha256 => {
                let items: u64 = segments.iter().map(|segment| segment.items).sum();
                let layouts: u64 = segments.iter().map(|segment| segment.bytes).sum();
                let given = layouts.saturating_sub(size_of::<u32>() as u64 * (items + segments.len() as u64));
                Class::sha256(items, decoded_len(self.encoding, given))
            }
            Algorithm::Sha256d => Class::SHA256D,
            Algorithm::HmacSha256 { .. } => Class::HMAC,
            Algorithm::Pbkdf2HmacSha256 { .. } => Class::PBKDF2,
        }
    }

    fn target(&self) -> Duration {
        TARGET
    }

    fn cost(&self, length: u64) -> u64 {
        compressions(&self.algorithm, decoded_len(self.encoding, length))
    }

    fn decoded(&self, given: SharedBlob) -> SharedBlob {
        match self.encoding {
            Encoding::Utf8 => given,
            encoding => decode(encoding, given.as_blob()),
        }
    }

    fn chunk<'a>(&'a self, Content { inputs, .. }: Content<'a>) -> Chunk<'a> {
        let algorithm = match &self.algorithm {
            Algorithm::Sha256 => work::Algorithm::Sha256,
            Algorithm::Sha256d => work::Algorithm::Sha256d,
            Algorithm::HmacSha256 { key } => work::Algorithm::HmacSha256 { key },
            Algorithm::Pbkdf2HmacSha256 { salt, iterations } => {
                work::Algorithm::Pbkdf2HmacSha256 { salt, iterations: *iterations }
            }
        };
        Chunk::Digest(DigestChunk { algorithm, inputs })
    }

    fn parameter_bytes(&self) -> usize {
        match &self.algorithm {
            Algorithm::Sha256 | Algorithm::Sha256d => 0,
            Algorithm::HmacSha256 { key } => key.len(),
            Algorithm::Pbkdf2HmacSha256 { salt, .. } => salt.len(),
        }
    }

    fn material(&self, secret: u64) -> u64 {
        if secret > MAX_INLINE as u64 { secret } else { 0 }
    }

    fn check<'a>(&self, range: &Range<u64>, output: &ChunkOutput<'a>) -> Result<&'a [u8], Rejected> {
        let ChunkOutput::Digests(digests) = output else { return Err(Rejected::Kind) };
        match digests.len() as u64 == range.end.saturating_sub(range.start) && !digests.is_empty() {
            true => Ok(digests.bytes()),
            false => Err(Rejected::Count { count: digests.len(), range: range.clone() }),
        }
    }

    fn reference(&self, input: &[u8]) -> Option<Box<[u8]>> {
        let mut decoded = Vec::new();
        self.encoding.decode(input, &mut decoded).ok()?;
        let digest: [u8; DIGEST] = match &self.algorithm {
            Algorithm::Sha256 => Sha256::digest(&decoded).into(),
            Algorithm::Sha256d => Sha256::digest(Sha256::digest(&decoded)).into(),
            // A key of any length is one.
            Algorithm::HmacSha256 { key } => {
                Hmac::<Sha256>::new_from_slice(key).ok()?.chain_update(&decoded).finalize().into_bytes().into()
            }
            Algorithm::Pbkdf2HmacSha256 { salt, iterations } => {
                pbkdf2_hmac_array::<Sha256, DIGEST>(&decoded, salt, *iterations)
            }
        };
        Some(digest.into())
    }

    /// What is hashed with a key or a salt may be a password.
    fn title(&self, inputs: &Inputs) -> String {
        let algorithm = self.algorithm.name();
        match (inputs.total(), inputs.only()) {
            (1, Some(_)) if self.algorithm.is_keyed() => format!("Hash a word ({algorithm})"),
            (1, Some(word)) => {
                format!("Hash the word '{}' ({algorithm})", drone::console::word(word.as_blob().bytes()))
            }
            (1, None) => format!("Hash one long word ({algorithm})"),
            (count, _) => format!("Hash {} words ({algorithm})", drone::console::count(count)),
        }
    }
}

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
    fn long_inputs_are_a_class_of_their_own() {
        let class = |encoding, inputs: &[usize]| {
            let digest = Digest { algorithm: Algorithm::Sha256, encoding };
            let inputs: BlobBuf = inputs.iter().map(|length| "a".repeat(*length)).collect();
            digest.class(&[digest.weigh(inputs.as_blob())])
        };
        assert_eq!(class(Encoding::Utf8, &[4096, 4096]), Class::SHORT);
        assert_eq!(class(Encoding::Utf8, &[4096, 4097]), Class::LONG);
        assert_eq!(class(Encoding::Utf8, &[1, 10_000]), Class::LONG);
        assert_eq!(class(Encoding::Hex, &[8192]), Class::SHORT);
        assert_eq!(class(Encoding::Hex, &[8194]), Class::LONG);
    }

    #[test]
    fn references_are_the_published_ones() {
        let hex =
            |algorithm, encoding, input: &[u8]| Digest { algorithm, encoding }.reference(input).map(const_hex::encode);
        let sha256 = hex(Algorithm::Sha256, Encoding::Hex, b"616263").unwrap();
        assert_eq!(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let sha256d = hex(Algorithm::Sha256d, Encoding::Utf8, b"hello").unwrap();
        assert_eq!(sha256d, "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
        // RFC 4231, case 2.
        let hmac = Algorithm::HmacSha256 { key: b"Jefe".into() };
        let hmac = hex(hmac, Encoding::Utf8, b"what do ya want for nothing?").unwrap();
        assert_eq!(hmac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        // RFC 7914, section 11.
        let stretch = Algorithm::Pbkdf2HmacSha256 { salt: b"salt".into(), iterations: 1 };
        let stretch = hex(stretch, Encoding::Utf8, b"passwd").unwrap();
        assert_eq!(stretch, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
        assert_eq!(hex(Algorithm::Sha256, Encoding::Hex, b"6"), None);
    }

    #[test]
    fn what_is_written_in_hex_is_sent_as_bytes() {
        let given: BlobBuf = ["6162", "FF"].iter().collect();
        let digest = Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Hex };
        let part = digest.decoded(given.freeze());
        assert!(part.as_blob().iter().eq([&b"ab"[..], &[0xFF]]));
    }
}
