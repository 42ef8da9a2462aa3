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
    pub(super) state: State,
    /// How many bytes these blocks have.
    pub(super) bytes: u64,
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

    /// Pads and hashes the `rest` of a message, which is shorter than a block.
    pub(super) fn finish(&self, rest: &[u8]) -> State {
        let bits = 8 * (self.bytes + rest.len() as u64);
        let mut blocks = [[0; BLOCK]; 2];
        let used = if rest.len() + PADDING <= BLOCK { 1 } else { 2 };
        blocks[0][..rest.len()].copy_from_slice(rest);
        blocks[0][rest.len()] = 0x80;
        blocks[used - 1][BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        let mut state = self.state;
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

/// One key or salt being hashed, with pauses. The caller passes the same message to each step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absorb {
    reached: Midstate,
    at: usize,
}

impl Absorb {
    pub(super) fn new(start: Midstate) -> Self {
        Self { reached: start, at: 0 }
    }

    /// Goes on; the final state when the message is hashed to its end.
    pub(super) fn step(&mut self, message: &[u8], budget: &mut Budget) -> Option<State> {
        let blocks = message[self.at..].as_chunks::<BLOCK>().0;
        let count = blocks.len().min(usize::try_from(budget.left()).unwrap_or(usize::MAX));
        compress256(&mut self.reached.state, &blocks[..count]);
        self.at += count * BLOCK;
        self.reached.bytes += (count * BLOCK) as u64;
        budget.spend(count as u64);
        if count < blocks.len() || budget.left() == 0 {
            return None;
        }
        let rest = &message[self.at..];
        budget.spend(cost(rest.len()));
        Some(self.reached.finish(rest))
    }
}

/// A hash, and perhaps another one over its digest. SHA-256, SHA-256d and HMAC-SHA-256 differ
/// only in the midstates that the two begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nest {
    pub(super) inner: Midstate,
    pub(super) outer: Option<Midstate>,
}

impl Nest {
    pub(super) const SHA256: Self = Self { inner: Midstate::START, outer: None };
    pub(super) const SHA256D: Self = Self { inner: Midstate::START, outer: Some(Midstate::START) };

    pub(super) fn hmac(Hmac { inner, outer }: Hmac) -> Self {
        Self { inner, outer: Some(outer) }
    }
}

/// The midstates of HMAC-SHA-256 under one key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hmac {
    pub(super) inner: Midstate,
    pub(super) outer: Midstate,
}

impl Hmac {
    /// Compressions that [`new`](Self::new) takes.
    pub(super) const COST: u64 = 2;

    /// Of a key of at most one block (RFC 2104); longer ones are hashed first.
    pub(super) fn new(key: &[u8]) -> Self {
        let mut padded = [0; BLOCK];
        padded[..key.len()].copy_from_slice(key);
        Self {
            inner: Midstate::after(padded.map(|byte| byte ^ 0x36)),
            outer: Midstate::after(padded.map(|byte| byte ^ 0x5c)),
        }
    }
}

/// PBKDF2's inner loop under way (RFC 8018, section 5.2, the function F): U becomes HMAC(U) and
/// is added to T, again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    /// The key's midstates, each behind one block.
    pub(super) inner: State,
    pub(super) outer: State,
    pub(super) u: State,
    pub(super) t: State,
}

impl Chain {
    /// Before the second iteration.
    pub(super) fn new(prf: &Hmac, u: State) -> Self {
        Self { inner: prf.inner.state, outer: prf.outer.state, u, t: u }
    }
}
