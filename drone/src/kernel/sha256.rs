//! SHA-256 (FIPS 180-4) from and to midstates, and what is nested from it.

use sha2::block_api::compress256;

/// Bytes of one block.
pub(super) const BLOCK: usize = 64;

/// Bytes of the padding that every message gets: `0x80` and the length in bits.
const PADDING: usize = 9;

/// The eight working words.
pub(super) type State = [u32; 8];

/// How many compressions may still be computed; what cannot be divided may overdraw it.
#[derive(Debug)]
pub(super) struct Budget {
    given: i64,
    left: i64,
}

impl Budget {
    pub(super) fn new(compressions: u64) -> Self {
        let given = i64::try_from(compressions).unwrap_or(i64::MAX);
        Self { given, left: given }
    }

    pub(super) fn left(&self) -> u64 {
        self.left.max(0) as u64
    }

    pub(super) fn spend(&mut self, compressions: u64) {
        self.left -= compressions as i64;
    }

    pub(super) fn spent(&self) -> u64 {
        (self.given - self.left) as u64
    }
}

/// The state behind whole blocks that many messages begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Midstate {
    state: State,
    bytes: u64,
}

impl Midstate {
    /// Before the first block (FIPS 180-4, section 5.3.3).
    pub(super) const START: Self = Self {
        state: [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19],
        bytes: 0,
    };

    /// Behind one block.
    fn after(block: [u8; BLOCK]) -> Self {
        let mut state = Self::START.state;
        compress256(&mut state, &[block]);
        Self { state, bytes: BLOCK as u64 }
    }

    /// Hashes a whole message.
    pub(super) fn hash(&self, message: &[u8]) -> State {
        let (blocks, rest) = message.as_chunks::<BLOCK>();
        let mut state = self.state;
        if !blocks.is_empty() {
            compress256(&mut state, blocks);
        }
        self.finish(state, rest, message.len())
    }

    /// Hashes one digest: a single compression.
    pub(super) fn hash_state(&self, digest: &State) -> State {
        let mut block = [0; BLOCK];
        block[..32].copy_from_slice(&digest_bytes(digest));
        block[32] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&(8 * (self.bytes + 32)).to_be_bytes());
        let mut state = self.state;
        compress256(&mut state, &[block]);
        state
    }

    /// Pads and hashes the `rest` (less than a block) of a message of `len` bytes.
    fn finish(&self, mut state: State, rest: &[u8], len: usize) -> State {
        let bits = 8 * (self.bytes + len as u64);
        let mut blocks = [[0; BLOCK]; 2];
        let used = if rest.len() + PADDING <= BLOCK { 1 } else { 2 };
        blocks[0][..rest.len()].copy_from_slice(rest);
        blocks[0][rest.len()] = 0x80;
        blocks[used - 1][BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut state, &blocks[..used]);
        state
    }
}

/// Compressions that a message of `len` bytes takes behind any midstate.
pub(super) fn cost(len: usize) -> u64 {
    (len + PADDING).div_ceil(BLOCK) as u64
}

/// The digest that a final state stands for.
pub(super) fn digest_bytes(state: &State) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    bytes
}

/// One message being hashed, with pauses. The caller passes the same midstate and message to
/// each step.
#[derive(Debug)]
pub(super) struct Absorb {
    state: State,
    at: usize,
}

impl Absorb {
    pub(super) fn new(start: &Midstate) -> Self {
        Self { state: start.state, at: 0 }
    }

    /// Goes on; the final state when the message is hashed to its end.
    pub(super) fn step(&mut self, start: &Midstate, message: &[u8], budget: &mut Budget) -> Option<State> {
        let blocks = message[self.at..].as_chunks::<BLOCK>().0;
        let count = blocks.len().min(usize::try_from(budget.left()).unwrap_or(usize::MAX));
        compress256(&mut self.state, &blocks[..count]);
        self.at += count * BLOCK;
        budget.spend(count as u64);
        if count < blocks.len() || budget.left() == 0 {
            return None;
        }
        let rest = &message[self.at..];
        budget.spend(cost(rest.len()));
        Some(start.finish(self.state, rest, message.len()))
    }
}

/// A hash, and perhaps another one over its digest. SHA-256, SHA-256d and HMAC-SHA-256 differ
/// only in the midstates that the two begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nest {
    pub(super) inner: Midstate,
    outer: Option<Midstate>,
}

impl Nest {
    pub(super) const SHA256: Self = Self { inner: Midstate::START, outer: None };
    pub(super) const SHA256D: Self = Self { inner: Midstate::START, outer: Some(Midstate::START) };

    /// Compressions that [`hmac`](Self::hmac) takes.
    pub(super) const HMAC_COST: u64 = 2;

    /// HMAC-SHA-256 (RFC 2104) under a key of at most one block; longer ones are hashed first.
    pub(super) fn hmac(key: &[u8]) -> Self {
        let mut padded = [0; BLOCK];
        padded[..key.len()].copy_from_slice(key);
        Self {
            inner: Midstate::after(padded.map(|byte| byte ^ 0x36)),
            outer: Some(Midstate::after(padded.map(|byte| byte ^ 0x5c))),
        }
    }

    /// Compressions behind the inner hash.
    pub(super) fn outer_cost(&self) -> u64 {
        u64::from(self.outer.is_some())
    }

    /// The final state, given that of the inner hash.
    pub(super) fn close(&self, inner: State) -> State {
        match &self.outer {
            Some(outer) => outer.hash_state(&inner),
            None => inner,
        }
    }
}
