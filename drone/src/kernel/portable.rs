//! One string after the other through `sha2`, which uses the CPU's SHA instructions where
//! there are any. A kernel that hashes several strings at once offers the same functions.

use super::sha256::{Budget, Nest, State, cost, digest_bytes};

/// Strings that were hashed in one go.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) strings: usize,
    pub(super) bytes: usize,
}

/// Hashes whole strings and appends their digests, up to the first string that costs more
/// than is left of the budget.
pub(super) fn hash_run<'a>(
    nest: &Nest,
    strings: impl Iterator<Item = &'a [u8]>,
    budget: &mut Budget,
    digests: &mut Vec<u8>,
) -> Run {
    let mut run = Run::default();
    for string in strings {
        let cost = cost(string.len()) + nest.outer_cost();
        if cost > budget.left() {
            break;
        }
        let state = nest.close(nest.inner.hash(string));
        digests.extend_from_slice(&digest_bytes(&state));
        budget.spend(cost);
        run.strings += 1;
        run.bytes += string.len();
    }
    run
}

/// PBKDF2's inner loop (RFC 8018, section 5.2, the function F): U becomes PRF(U) and is added
/// to T, `times` times.
pub(super) fn iterate(prf: &Nest, u: &mut State, t: &mut State, times: u64) {
    for _ in 0..times {
        *u = prf.close(prf.inner.hash_state(u));
        for (t, u) in t.iter_mut().zip(u.iter()) {
            *t ^= u;
        }
    }
}
