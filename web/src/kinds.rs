//! The kinds of work as people see them: what they specify, and how its results look.

pub mod digest;
pub mod search;

use serde::{Deserialize, Serialize};

/// The names of all kinds.
pub const KINDS: [&str; 2] = [digest::KIND, search::KIND];

/// What a task is to compute, parsed once from a request; serialised for the store, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Specification {
    /// Strings to hash.
    Digest(digest::Digest),
    /// Candidates to search.
    Search(search::Search),
}

impl Specification {
    /// The kind's name in requests and views.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Digest(_) => digest::KIND,
            Self::Search(_) => search::KIND,
        }
    }

    /// About what it takes of memory, or on disk, besides [what may be long](Self::secret), in bytes.
    pub fn resident(&self) -> usize {
        match self {
            Self::Digest(_) => 0,
            Self::Search(search) => search.resident(),
        }
    }

    /// The key, the salt or the digests that are sought, which may be long; empty if there is none.
    pub fn secret(&self) -> &[u8] {
        match self {
            Self::Digest(digest) => digest.algorithm.secret(),
            Self::Search(search) => search.sought.secret(),
        }
    }

    /// Takes [what may be long](Self::secret) out.
    pub fn take_secret(&mut self) -> Vec<u8> {
        self.secret_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Puts it back; nothing happens where there is none.
    pub fn set_secret(&mut self, secret: Vec<u8>) {
        if let Some(place) = self.secret_mut() {
            *place = secret;
        }
    }

    fn secret_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Digest(digest) => digest.algorithm.secret_mut(),
            Self::Search(search) => search.sought.secret_mut(),
        }
    }

    /// Gives every field to `field`, in an order that the ones before decide: equal fields are
    /// equal specifications. Fingerprints on disk are made of them, so that they must not change.
    pub(crate) fn fields(&self, field: impl FnMut(&[u8])) {
        match self {
            Self::Digest(digest) => digest.fields(field),
            Self::Search(search) => search.fields(field),
        }
    }
}
