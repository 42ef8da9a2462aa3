//! One message after the other through `sha2`, which knows instructions of some CPUs too.

use sha2::block_api::compress256;

use super::choice::Table;
use super::lanes::{Digest, Feed, Lane, Slots};
use super::sha256::{BLOCK, Chain, Midstate, cost, digest_bytes};

pub(super) static TABLE: Table =
    Table { name: "portable", needs: "", is_supported: || true, lanes: 1, absorb, rehash, iterate };

/// See [`Kernel::absorb`](super::Kernel::absorb).
fn absorb(start: &Midstate, lanes: &mut [Lane], feed: &mut Feed<'_>, slots: &mut Slots<'_>, rounds: usize) -> u64 {
    let mut taken = 0;
    for lane in lanes {
        let mut left = rounds;
        while left > 0 && !lane.is_over() {
            left = left.saturating_sub(advance(start, lane, feed, slots, left));
        }
        taken += (rounds - left) as u64;
    }
    taken
}

/// Takes up to `rounds` whole blocks, or what is left and the padding. Returns how many it took.
fn advance(start: &Midstate, lane: &mut Lane, feed: &mut Feed<'_>, slots: &mut Slots<'_>, rounds: usize) -> usize {
    let taken = match usize::try_from(lane.left) {
        Ok(left) => {
            let (blocks, rest) = feed.bytes()[lane.at..][..left].as_chunks::<BLOCK>();
            if !blocks.is_empty() {
                let blocks = &blocks[..blocks.len().min(rounds)];
                compress256(&mut lane.state, blocks);
                blocks.iter().for_each(|_| lane.advance());
                return blocks.len();
            }
            lane.state = Midstate { state: lane.state, bytes: lane.bits / 8 - left as u64 }.finish(rest);
            cost(left) as usize
        }
        // Another kernel has left the second of two blocks of padding.
        Err(_) => {
            let mut block = [0; BLOCK];
            block[BLOCK - 8..].copy_from_slice(&lane.bits.to_be_bytes());
            compress256(&mut lane.state, &[block]);
            1
        }
    };
    slots.of(lane).copy_from_slice(&digest_bytes(&lane.state));
    match feed.begin(start) {
        Some(next) => *lane = next,
        None => lane.end(),
    }
    taken
}

/// See [`Kernel::rehash`](super::Kernel::rehash).
fn rehash(start: &Midstate, digests: &mut [Digest]) {
    for digest in digests {
        *digest = digest_bytes(&start.finish(digest));
    }
}

/// See [`Kernel::iterate`](super::Kernel::iterate).
fn iterate(chains: &mut [Chain], times: u32) {
    for Chain { inner, outer, u, t } in chains {
        for _ in 0..times {
            for key in [&inner, &outer] {
                let key = Midstate { state: **key, bytes: BLOCK as u64 };
                *u = key.finish(&digest_bytes(u));
            }
            for (t, u) in t.iter_mut().zip(u.iter()) {
                *t ^= u;
            }
        }
    }
}
