//! The kinds of work as people see them: what they specify, and how its results look.

pub mod digest;
mod options;

use serde::{Deserialize, Serialize};

pub(crate) use options::{NAMES as OPTION_NAMES, Options, renewed_deadline};

/// What a task is to compute, parsed once from a request; serialised for the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Specification {
    /// Strings to hash.
    Digest(digest::Digest),
}

impl Specification {
    /// The kind's name in requests and views.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Digest(_) => digest::KIND,
        }
    }

    /// Gives every field to `field`, in an order that the ones before decide: equal fields are
    /// equal specifications. Fingerprints on disk are made of them, so that they must not change.
    pub(crate) fn fields(&self, field: impl FnMut(&[u8])) {
        match self {
            Self::Digest(digest) => digest.fields(field),
        }
    }
}
