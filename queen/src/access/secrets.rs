//! The secrets by which Drones are let in.

use std::collections::BTreeMap;

use web::model::Timestamp;

/// A secret that Drones prove to know, by its name. One that is made anew under the name of one that was
/// revoked has another number.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinSecret {
    /// Its number.
    pub id: u64,
    /// 32 random bytes.
    pub key: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
}

/// The secrets that are valid at a moment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct JoinSecrets {
    /// Each by its name.
    pub by_name: BTreeMap<Box<str>, JoinSecret>,
}

impl JoinSecrets {
    /// Whether the secret with this number is valid.
    pub fn has(&self, id: u64) -> bool {
        self.by_name.values().any(|secret| secret.id == id)
    }
}
