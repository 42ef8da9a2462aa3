//! What all leases of a job need, and a Drone is sent once.

use bytes::Bytes;
use wire::material::MaterialId;

/// What all leases of a job need that is too long for each: what a search looks for, or a key or salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// Its name.
    pub id: MaterialId,
    /// It itself; clones share it.
    pub bytes: Bytes,
}
