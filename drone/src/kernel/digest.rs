//! Strings to hash.

mod stretching;

use bytes::Bytes;
use wire::blob::SharedBlob;
use wire::work::{Algorithm, Class, DigestChunk};

use self::stretching::Stretching;
use super::hashing::Hashing;
use super::job::Job;
use super::kernels::Kernels;
use super::output::Output;
use super::results::Results;
use super::sha256::{Absorb, BLOCK, Budget, Hmac, Midstate, Nest, cost, digest_bytes};

/// [`Job`] of [`Kind::DIGEST`](wire::work::Kind::DIGEST).
pub(super) struct DigestJob {
    inputs: SharedBlob,
    /// In compressions, at most.
    cost: u64,
    method: Method,
    results: Results,
}

/// How inputs are hashed, and what is kept of those that are begun.
enum Method {
    /// HMAC under a key longer than a block: its hash becomes the key.
    LongKey {
        key: Bytes,
        begun: Absorb,
    },
    Hash(Hashing),
    Stretch(Stretching),
}

impl DigestJob {
    /// # Errors
    /// If PBKDF2 is to iterate zero times, or there is material for no key or salt.
    pub(super) fn new(frame: &Bytes, chunk: &DigestChunk<'_>, material: Option<&Bytes>) -> Result<Self, String> {
        let secret = secret(frame, chunk, material)?;
        let secret_len = secret.len();
        let method = match chunk.algorithm {
            Algorithm::Sha256 => Method::Hash(Hashing::new(chunk.class(), Nest::SHA256)),
            Algorithm::Sha256d => Method::Hash(Hashing::new(chunk.class(), Nest::SHA256D)),
            Algorithm::HmacSha256 { .. } if secret.len() <= BLOCK => Method::keyed(&secret),
            Algorithm::HmacSha256 { .. } => Method::LongKey { key: secret, begun: Absorb::new(Midstate::START) },
            Algorithm::Pbkdf2HmacSha256 { iterations: 0, .. } => {
                return Err("PBKDF2 needs at least one iteration".to_owned());
            }
            Algorithm::Pbkdf2HmacSha256 { iterations, .. } => Method::Stretch(Stretching::new(&secret, iterations)),
        };
        let inputs = SharedBlob::within(frame, chunk.inputs);
        Ok(Self { inputs, cost: cost_of(chunk, secret_len), method, results: Results::new(chunk.inputs.len()) })
    }
}

/// The key or salt of a chunk, which may be its material.
fn secret(frame: &Bytes, chunk: &DigestChunk<'_>, material: Option<&Bytes>) -> Result<Bytes, String> {
    let inline = match chunk.algorithm {
        Algorithm::Sha256 | Algorithm::Sha256d => None,
        Algorithm::HmacSha256 { key: secret } | Algorithm::Pbkdf2HmacSha256 { salt: secret, .. } => Some(secret),
    };
    match (inline, material) {
        (inline, None) => Ok(inline.map(|secret| frame.slice_ref(secret)).unwrap_or_default()),
        (Some([]), Some(material)) => Ok(material.clone()),
        (_, Some(_)) => Err("its material is no key or salt that it needs".to_owned()),
    }
}

/// What a chunk with a key or salt of so many bytes takes at most, in compressions.
fn cost_of(chunk: &DigestChunk<'_>, secret: usize) -> u64 {
    let items = chunk.inputs.len() as u64;
    // The end of each and its padding take two blocks at most.
    let inputs = (chunk.inputs.bytes().len() / BLOCK) as u64 + 2 * items;
    match chunk.algorithm {
        _ if items == 0 => 0,
        Algorithm::Sha256 => inputs,
        Algorithm::Sha256d => inputs + items,
        Algorithm::HmacSha256 { .. } => Hmac::COST + cost(secret) + inputs + items,
        // Each password is a key, of the salt with a number behind it, and of every iteration.
        Algorithm::Pbkdf2HmacSha256 { iterations, .. } => {
            let each = Hmac::COST + cost(secret + size_of::<u32>()) + 2 * u64::from(iterations);
            inputs + each.saturating_mul(items)
        }
    }
}

impl Method {
    fn keyed(key: &[u8]) -> Self {
        Self::Hash(Hashing::new(Class::HMAC, Nest::hmac(Hmac::new(key))))
    }
}

impl Job for DigestJob {
    fn total(&self) -> u64 {
        self.results.total as u64
    }

    fn cost(&self) -> u64 {
        self.cost
    }

    fn done(&self) -> u64 {
        self.results.done as u64
    }

    fn uncollected(&self) -> usize {
        self.results.size()
    }

    fn shrink(&mut self, total: u64) {
        self.results.shrink(usize::try_from(total).unwrap_or(usize::MAX));
        match &mut self.method {
            Method::LongKey { .. } => {}
            Method::Hash(hashing) => hashing.shrink(self.results.total),
            Method::Stretch(stretching) => stretching.shrink(&self.results),
        }
    }

    fn step(&mut self, kernels: &Kernels, compressions: u64) -> u64 {
        let mut budget = Budget::new(compressions);
        while !self.is_finished() && budget.left() > 0 {
            match &mut self.method {
                Method::LongKey { key, begun } => {
                    if let Some(key) = begun.step(key, &mut budget) {
                        budget.spend(Hmac::COST);
                        self.method = Method::keyed(&digest_bytes(&key));
                    }
                }
                Method::Hash(hashing) => {
                    hashing.advance(kernels, self.inputs.as_blob(), &mut self.results, &mut budget);
                }
                Method::Stretch(stretching) => {
                    stretching.advance(kernels, self.inputs.as_blob(), &mut self.results, &mut budget);
                }
            }
        }
        budget.spent()
    }

    fn collect(&mut self) -> Output {
        Output::Digests(self.results.collect())
    }
}
