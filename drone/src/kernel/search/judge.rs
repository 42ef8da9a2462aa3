//! What a candidate is, by the definition.

use wire::sieve::{Chain, Digest, START, Sieve};
use wire::work::{Algorithm, SearchChunk};

use super::prefix::Prefix;
use crate::kernel::sha256::{BLOCK, Midstate, digest_bytes};

/// What a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not a mark.
    Other,
    Mark,
    /// A mark that is known to be what is sought.
    Hit,
}

impl Verdict {
    /// `chain` is that before the last block of what was hashed last.
    pub(super) fn of(sieve: &Sieve<'_>, digest: &Digest, chain: &Chain) -> Self {
        if !sieve.passes(digest, chain) {
            return Self::Other;
        }
        match sieve {
            Sieve::Interval { order, hits: (first, last), .. } if (first..=last).contains(&&order.number(digest)) => {
                Self::Hit
            }
            Sieve::Interval { .. } | Sieve::Targets { .. } => Self::Mark,
        }
    }
}

/// Hashes an item of a search, whatever a kernel says of it.
pub(super) fn judge(search: &SearchChunk<'_>, prefix: &Prefix, item: u64) -> Verdict {
    let mut message = prefix.rest.clone();
    search.candidates.write(search.first + item, &mut message);
    message.extend_from_slice(search.suffix);
    // What is left behind the last whole block that another block follows.
    let last = message.len() / BLOCK * BLOCK;
    let mut chain = prefix.midstate;
    chain.absorb(message[..last].as_chunks().0);
    let rest = &message[last..];
    let state = chain.finish(rest);
    if search.algorithm == Algorithm::Sha256d {
        let digest = digest_bytes(&Midstate::START.finish(&digest_bytes(&state)));
        return Verdict::of(&search.sieve, &digest, &START);
    }
    let chain = chain.before_last(rest);
    Verdict::of(&search.sieve, &digest_bytes(&state), &chain)
}
