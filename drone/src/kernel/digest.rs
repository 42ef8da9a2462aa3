//! Strings to hash.

use bytes::Bytes;
use wire::blob::SharedBlob;
use wire::work::{Algorithm, DigestChunk, Digests, Kind};

use super::portable::{hash_run, iterate};
use super::sha256::{Absorb, BLOCK, Budget, Midstate, Nest, State, digest_bytes};
use super::{Job, Output};

/// Room that is set aside for digests at once, in bytes; they are collected about then.
const ROOM: usize = (1 << 20) + (64 << 10);

/// [`Job`] of [`Kind::DIGEST`].
pub(super) struct DigestJob {
    inputs: SharedBlob,
    /// Inputs wanted.
    total: usize,
    /// Inputs hashed, and the bytes that these are.
    done: usize,
    offset: usize,
    method: Method,
    /// Of the last inputs before `done`.
    digests: Vec<u8>,
}

/// How an input is hashed, and what is kept of the one that is begun.
enum Method {
    /// HMAC under a key longer than a block: its hash becomes the key.
    LongKey {
        key: Bytes,
        begun: Absorb,
    },
    Hash {
        nest: Nest,
        begun: Option<Absorb>,
    },
    /// `salt` ends with PBKDF2's block number.
    Pbkdf2 {
        salt: Vec<u8>,
        iterations: u32,
        begun: Option<Stretch>,
    },
}

/// One password of PBKDF2.
enum Stretch {
    /// A password longer than a block: its hash becomes the key.
    LongKey(Absorb),
    Salt {
        prf: Nest,
        begun: Absorb,
    },
    Iterate {
        prf: Nest,
        u: State,
        t: State,
        left: u32,
    },
}

impl DigestJob {
    /// # Errors
    /// If PBKDF2 is to iterate zero times.
    pub(super) fn new(frame: &Bytes, chunk: &DigestChunk<'_>) -> Result<Self, String> {
        let method = match chunk.algorithm {
            Algorithm::Sha256 => Method::Hash { nest: Nest::SHA256, begun: None },
            Algorithm::Sha256d => Method::Hash { nest: Nest::SHA256D, begun: None },
            Algorithm::HmacSha256 { key } if key.len() <= BLOCK => Method::Hash { nest: Nest::hmac(key), begun: None },
            Algorithm::HmacSha256 { key } => {
                Method::LongKey { key: frame.slice_ref(key), begun: Absorb::new(&Midstate::START) }
            }
            Algorithm::Pbkdf2HmacSha256 { iterations: 0, .. } => {
                return Err("PBKDF2 needs at least one iteration".to_owned());
            }
            Algorithm::Pbkdf2HmacSha256 { salt, iterations } => {
                Method::Pbkdf2 { salt: [salt, &1_u32.to_be_bytes()].concat(), iterations, begun: None }
            }
        };
        let total = chunk.inputs.len();
        Ok(Self {
            inputs: SharedBlob::within(frame, chunk.inputs),
            total,
            done: 0,
            offset: 0,
            method,
            digests: Vec::with_capacity(ROOM.min(total * Digests::SIZE)),
        })
    }

    /// Advances within one input, or over many; leaves when the budget is spent.
    fn advance(&mut self, budget: &mut Budget) {
        match &mut self.method {
            Method::LongKey { key, begun } => {
                if let Some(key) = begun.step(&Midstate::START, key, budget) {
                    budget.spend(Nest::HMAC_COST);
                    self.method = Method::Hash { nest: Nest::hmac(&digest_bytes(&key)), begun: None };
                }
            }
            Method::Hash { nest, begun: None } => {
                let strings = self.inputs.as_blob().iter_at(self.done, self.offset).take(self.total - self.done);
                let run = hash_run(nest, strings, budget, &mut self.digests);
                self.done += run.strings;
                self.offset += run.bytes;
                if self.done < self.total && budget.left() > 0 {
                    let begun = Some(Absorb::new(&nest.inner));
                    self.method = Method::Hash { nest: *nest, begun };
                }
            }
            Method::Hash { nest, begun: begun @ Some(_) } => {
                let input = self.inputs.as_blob().iter_at(self.done, self.offset).next().unwrap_or_default();
                if let Some(inner) = begun.as_mut().and_then(|begun| begun.step(&nest.inner, input, budget)) {
                    budget.spend(nest.outer_cost());
                    *begun = None;
                    let digest = nest.close(inner);
                    self.complete(input.len(), &digest);
                }
            }
            Method::Pbkdf2 { salt, iterations, begun } => {
                let input = self.inputs.as_blob().iter_at(self.done, self.offset).next().unwrap_or_default();
                if let Some(digest) = stretch(begun, input, salt, *iterations, budget) {
                    *begun = None;
                    self.complete(input.len(), &digest);
                }
            }
        }
    }

    fn complete(&mut self, bytes: usize, digest: &State) {
        self.digests.extend_from_slice(&digest_bytes(digest));
        self.done += 1;
        self.offset += bytes;
    }
}

/// One stage of one password; the derived key behind the last.
fn stretch(
    begun: &mut Option<Stretch>,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    budget: &mut Budget,
) -> Option<State> {
    let keyed = |key: &[u8], budget: &mut Budget| {
        budget.spend(Nest::HMAC_COST);
        let prf = Nest::hmac(key);
        Stretch::Salt { prf, begun: Absorb::new(&prf.inner) }
    };
    match begun {
        None if password.len() > BLOCK => *begun = Some(Stretch::LongKey(Absorb::new(&Midstate::START))),
        None => *begun = Some(keyed(password, budget)),
        Some(Stretch::LongKey(absorb)) => {
            if let Some(key) = absorb.step(&Midstate::START, password, budget) {
                *begun = Some(keyed(&digest_bytes(&key), budget));
            }
        }
        Some(Stretch::Salt { prf, begun: absorb }) => {
            if let Some(inner) = absorb.step(&prf.inner, salt, budget) {
                budget.spend(prf.outer_cost());
                let u = prf.close(inner);
                if iterations == 1 {
                    return Some(u);
                }
                *begun = Some(Stretch::Iterate { prf: *prf, u, t: u, left: iterations - 1 });
            }
        }
        Some(Stretch::Iterate { prf, u, t, left }) => {
            let times = u64::from(*left).min(budget.left().div_ceil(2));
            iterate(prf, u, t, times);
            budget.spend(2 * times);
            *left -= times as u32;
            return (*left == 0).then_some(*t);
        }
    }
    None
}

impl Job for DigestJob {
    fn kind(&self) -> Kind {
        Kind::DIGEST
    }

    fn total(&self) -> u64 {
        self.total as u64
    }

    fn done(&self) -> u64 {
        self.done as u64
    }

    fn uncollected(&self) -> usize {
        self.digests.len()
    }

    fn shrink(&mut self, total: u64) {
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        self.total = self.total.min(total);
        // Of the digests that wait, those of unwanted inputs are the last ones.
        let unwanted = self.done.saturating_sub(self.total) * Digests::SIZE;
        self.digests.truncate(self.digests.len().saturating_sub(unwanted));
        self.done = self.done.min(self.total);
    }

    fn step(&mut self, compressions: u64) -> u64 {
        let mut budget = Budget::new(compressions);
        while self.done < self.total && budget.left() > 0 {
            self.advance(&mut budget);
        }
        budget.spent()
    }

    fn collect(&mut self) -> Output {
        let rest = self.total.saturating_sub(self.done) * Digests::SIZE;
        // Results may be kept for long: they must not hold much more memory than they fill.
        if self.digests.len() < self.digests.capacity() / 2 {
            let digests = Bytes::copy_from_slice(&self.digests);
            self.digests.clear();
            return Output::Digests(digests);
        }
        let room = Vec::with_capacity(ROOM.min(rest));
        Output::Digests(std::mem::replace(&mut self.digests, room).into())
    }
}
