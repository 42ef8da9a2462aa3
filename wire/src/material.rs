//! Material: the long part that many leases have in common, which is sent once and not with each of them.
//!
//! A lease has at most one: the values that a search looks for, or a key or salt. It names it by its SHA-256.

use bincode::{BorrowDecode, Decode, Encode};
use sha2::{Digest, Sha256};

/// The longest values, key or salt that stand in a lease, in bytes; longer ones are material.
pub const MAX_INLINE: usize = 1 << 10;

/// The longest piece of material in one message, in bytes.
pub const MAX_PIECE: usize = 256 << 10;

/// How many a Drone has to keep at most, so that it can list them in its offer: as many as it may hold leases.
pub const MAX_KEPT: usize = 4096;

/// The SHA-256 of material, which is its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct MaterialId(pub [u8; 32]);

impl MaterialId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl std::fmt::Display for MaterialId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for MaterialId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MaterialId({self})")
    }
}

/// Material that a Drone has from a connection before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct KeptMaterial {
    /// Its name.
    pub id: MaterialId,
    /// How long it is, in bytes.
    pub bytes: u64,
}
