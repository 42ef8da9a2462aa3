//! PBKDF2 of each string, several at once.

use wire::blob::Blob;
use wire::work::Class;

use crate::kernel::kernels::Kernels;
use crate::kernel::results::Results;
use crate::kernel::sha256::{Absorb, BLOCK, Budget, Chain, Hmac, Midstate, digest_bytes};

/// The first block of PBKDF2-HMAC-SHA-256, with each string as the password.
pub(super) struct Stretching {
    /// The salt and the block's number.
    salt: Vec<u8>,
    iterations: u32,
    /// The passwords behind the last one that is done, which are iterated together.
    group: Vec<Chain>,
    /// Iterations that the group has before it.
    left: u32,
    /// The password behind these, if it is begun.
    begun: Option<Stage>,
    /// Where the next password begins, in bytes.
    at: usize,
}

impl Stretching {
    /// `iterations` is at least 1.
    pub(super) fn new(salt: &[u8], iterations: u32) -> Self {
        let salt = [salt, &1_u32.to_be_bytes()].concat();
        Self { salt, iterations, group: Vec::new(), left: iterations - 1, begun: None, at: 0 }
    }

    pub(super) fn shrink(&mut self, results: &Results) {
        self.group.truncate(results.total - results.done);
    }

    /// One stage of one password, or some iterations of a group.
    pub(super) fn advance(&mut self, kernels: &Kernels, inputs: Blob<'_>, results: &mut Results, budget: &mut Budget) {
        if self.left == self.iterations - 1 {
            let rest = results.total - results.done;
            if self.group.len() < kernels.of(Class::PBKDF2, rest).group(rest) {
                return self.prepare(inputs, results.done + self.group.len(), budget);
            }
        }
        let lanes = 2 * self.group.len() as u64;
        let times = u64::from(self.left).min((budget.left() / lanes).max(1)) as u32;
        kernels.of(Class::PBKDF2, self.group.len()).iterate(&mut self.group, times);
        budget.spend(lanes * u64::from(times));
        self.left -= times;
        if self.left == 0 {
            self.left = self.iterations - 1;
            self.group.drain(..).for_each(|chain| results.push(digest_bytes(&chain.t)));
        }
    }

    fn prepare(&mut self, inputs: Blob<'_>, string: usize, budget: &mut Budget) {
        let len = inputs.length_of(string).unwrap_or_default();
        let password = &inputs.bytes()[self.at..][..len];
        let begun = match self.begun.take() {
            None => Stage::new(password, budget),
            Some(begun) => begun.advance(password, &self.salt, budget),
        };
        match begun {
            Stage::Iterate(chain) => {
                self.group.push(chain);
                self.at += len;
            }
            begun => self.begun = Some(begun),
        }
    }
}

/// How far one password is.
enum Stage {
    /// Longer than a block: its hash becomes the key.
    LongKey(Absorb),
    Salt {
        prf: Hmac,
        begun: Absorb,
    },
    Iterate(Chain),
}

impl Stage {
    fn new(password: &[u8], budget: &mut Budget) -> Self {
        match password.len() <= BLOCK {
            true => Self::keyed(password, budget),
            false => Self::LongKey(Absorb::new(Midstate::START)),
        }
    }

    fn keyed(key: &[u8], budget: &mut Budget) -> Self {
        budget.spend(Hmac::COST);
        let prf = Hmac::new(key);
        Self::Salt { prf, begun: Absorb::new(prf.inner) }
    }

    /// Goes on towards the iterations, the first of which is the salt's.
    fn advance(self, password: &[u8], salt: &[u8], budget: &mut Budget) -> Self {
        match self {
            Self::LongKey(mut begun) => match begun.step(password, budget) {
                Some(key) => Self::keyed(&digest_bytes(&key), budget),
                None => Self::LongKey(begun),
            },
            Self::Salt { prf, mut begun } => match begun.step(salt, budget) {
                Some(inner) => {
                    budget.spend(1);
                    Self::Iterate(Chain::new(&prf, prf.outer.finish(&digest_bytes(&inner))))
                }
                None => Self::Salt { prf, begun },
            },
            Self::Iterate(chain) => Self::Iterate(chain),
        }
    }
}
