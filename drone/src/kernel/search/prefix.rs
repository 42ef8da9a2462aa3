//! What stands before every candidate.

use crate::kernel::sha256::{BLOCK, Budget, Midstate};

/// A prefix, of which whole blocks are hashed.
pub(super) struct Prefix {
    /// Behind those blocks.
    pub(super) midstate: Midstate,
    /// What comes before the candidate in its first block.
    pub(super) rest: Vec<u8>,
}

impl Default for Prefix {
    /// Of which nothing is hashed.
    fn default() -> Self {
        Self { midstate: Midstate::START, rest: Vec::new() }
    }
}

impl Prefix {
    /// Goes on with hashing `prefix`, which is the same at each call; whether that is over.
    pub(super) fn absorb(&mut self, prefix: &[u8], budget: &mut Budget) -> bool {
        let (blocks, rest) = prefix[self.midstate.bytes as usize..].as_chunks::<BLOCK>();
        let count = blocks.len().min(usize::try_from(budget.left()).unwrap_or(usize::MAX));
        self.midstate.absorb(&blocks[..count]);
        budget.spend(count as u64);
        self.rest = rest.to_vec();
        count == blocks.len()
    }
}
