//! One message after the other through `sha2`, which knows instructions of some CPUs too.

use sha2::block_api::compress256;

use super::lanes::{Digest, Feed, Lane, Message, Slots};
use super::run::Run;
use super::sha256::{BLOCK, Chain, Midstate, block_bytes, cost, digest_bytes};
use super::table::Table;

pub(super) static TABLE: Table = Table {
    name: "portable",
    needs: "",
    is_supported: || true,
    lanes: 1,
    computes_idle_lanes: false,
    absorb,
    rehash,
    iterate,
    search,
};

/// See [`Kernel::absorb`](crate::kernel::Kernel::absorb).
fn absorb(start: &Midstate, lanes: &mut [Lane], feed: &mut Feed<'_>, slots: &mut Slots<'_>, rounds: usize) -> u64 {
    let Some(lane) = lanes.first_mut() else { return 0 };
    let mut left = rounds;
    while left > 0 && !lane.message.is_over() {
        left = left.saturating_sub(advance(start, lane, feed, slots, left));
    }
    (rounds - left) as u64
}

/// Takes up to `rounds` whole blocks, or what is left and the padding. Returns how many it took.
fn advance(start: &Midstate, lane: &mut Lane, feed: &mut Feed<'_>, slots: &mut Slots<'_>, rounds: usize) -> usize {
    let Lane { message, state } = lane;
    let taken = match usize::try_from(message.left) {
        Ok(left) => {
            let (blocks, rest) = feed.bytes()[message.at..][..left].as_chunks::<BLOCK>();
            if !blocks.is_empty() {
                let blocks = &blocks[..blocks.len().min(rounds)];
                compress256(state, blocks);
                blocks.iter().for_each(|_| message.advance());
                return blocks.len();
            }
            *state = Midstate { state: *state, bytes: message.bits / 8 - left as u64 }.finish(rest);
            cost(left) as usize
        }
        // Another kernel has left the second of two blocks of padding.
        Err(_) => {
            let mut block = [0; BLOCK];
            block[BLOCK - 8..].copy_from_slice(&message.bits.to_be_bytes());
            compress256(state, &[block]);
            1
        }
    };
    slots.of(message).copy_from_slice(&digest_bytes(state));
    *lane = Lane { message: feed.begin(start).unwrap_or(Message::OVER), state: start.state };
    taken
}

/// See [`Kernel::search`](crate::kernel::Kernel::search).
pub(super) fn search(run: &Run<'_>, found: &mut Vec<usize>) {
    let mut block = block_bytes(&run.block);
    for candidate in run.range.clone() {
        for column in run.columns {
            let word = run.block[column.word] | column.bits[candidate];
            block[size_of::<u32>() * column.word..][..size_of::<u32>()].copy_from_slice(&word.to_be_bytes());
        }
        let (mut state, mut chain) = (*run.start, run.start);
        compress256(&mut state, &[block]);
        if run.is_twice {
            (state, chain) = (Midstate::START.finish(&digest_bytes(&state)), &Midstate::START.state);
        }
        if run.probe.passes(&digest_bytes(&state), chain) {
            found.push(candidate);
        }
    }
}

/// See [`Kernel::rehash`](crate::kernel::Kernel::rehash).
fn rehash(start: &Midstate, digests: &mut [Digest]) {
    for digest in digests {
        *digest = digest_bytes(&start.finish(digest));
    }
}

/// See [`Kernel::iterate`](crate::kernel::Kernel::iterate).
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
