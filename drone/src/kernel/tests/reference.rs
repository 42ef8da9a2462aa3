//! What every algorithm comes to, by RustCrypto's `sha2`, `hmac` and `pbkdf2`, string by string: for
//! tests and benchmarks.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wire::work::Algorithm;

pub(crate) fn digest(algorithm: Algorithm<'_>, input: &[u8]) -> [u8; 32] {
    match algorithm {
        Algorithm::Sha256 => Sha256::digest(input).into(),
        Algorithm::Sha256d => Sha256::digest(Sha256::digest(input)).into(),
        Algorithm::HmacSha256 { key } => {
            Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(input).finalize().into_bytes().into()
        }
        Algorithm::Pbkdf2HmacSha256 { salt, iterations } => {
            pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(input, salt, iterations)
        }
    }
}
