//! SHA-256 (FIPS 180-4) from and to midstates, and what is nested from it.

use sha2::block_api::compress256;

/// Bytes of one block.
pub(super) const BLOCK: usize = 64;

/// Bytes of the padding that every message gets: `0x80` and the length in bits.
const PADDING: usize = 9;

/// Constants of the rounds (FIPS 180-4, section 4.2.2).
#[cfg(all(target_arch = "x86_64", not(hive_portable)))]
#[rustfmt::skip]
pub(super) static K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

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

    /// Goes on behind these blocks.
    pub(super) fn absorb(&mut self, blocks: &[[u8; BLOCK]]) {
        compress256(&mut self.state, blocks);
        self.bytes += (BLOCK * blocks.len()) as u64;
    }

    /// The state before the last block of a message that ends with `rest`, which is shorter than a block.
    pub(super) fn before_last(mut self, rest: &[u8]) -> State {
        if rest.len() + PADDING > BLOCK {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            block[rest.len()] = 0x80;
            self.absorb(&[block]);
        }
        self.state
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

/// The block of `bytes` that begins at `at`; if it reaches beyond their end, `copy` with what there is.
#[cfg(all(target_arch = "x86_64", not(hive_portable)))]
#[inline(always)]
pub(super) fn block_at<'a>(bytes: &'a [u8], at: usize, copy: &'a mut [u8; BLOCK]) -> &'a [u8; BLOCK] {
    #[cold]
    fn copy_end(copy: &mut [u8; BLOCK], bytes: &[u8], at: usize) {
        let end = bytes.get(at..).unwrap_or_default();
        copy[..end.len()].copy_from_slice(end);
    }
    match bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        Some(block) => block,
        None => {
            copy_end(copy, bytes, at);
            copy
        }
    }
}

/// The digest that a final state stands for.
pub(super) fn digest_bytes(state: &State) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    bytes
}

/// The bytes of a block of so many words.
pub(super) fn block_bytes(words: &[u32; 16]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (bytes, word) in block.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
    block
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
