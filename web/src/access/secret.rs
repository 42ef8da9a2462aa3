//! The secrets of Drones, as users see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::timestamp::Timestamp;

/// A secret that Drones prove to know, as users see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Secret)]
pub struct SecretView {
    /// By which Drones name it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many connected Drones came with it.
    pub drones: u64,
}
