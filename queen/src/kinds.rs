//! The kinds of work as the Queen deals with them: what items cost, how a range becomes a
//! message, how what comes back is checked, how it is told.

mod digest;
mod kind;

use web::kinds::Specification;
use wire::blob::SharedBlob;
use wire::work::Chunk;

pub use self::kind::{Kind, Rejected, Summary};
use crate::work::job::Job;
use crate::work::terms::Terms;

/// The bytes to hash of one chunk, ready to be sent.
pub struct Part<'a> {
    kind: &'a dyn Kind,
    inputs: SharedBlob,
}

/// The kind that a specification is of.
pub fn of(specification: &Specification) -> &dyn Kind {
    match specification {
        Specification::Digest(digest) => digest,
    }
}

impl Terms {
    /// The kind of work that they ask for.
    pub fn kind(&self) -> &dyn Kind {
        of(&self.specification)
    }
}

impl Job {
    /// The kind of work that it is.
    pub fn kind(&self) -> &dyn Kind {
        self.terms.kind()
    }

    /// How `inputs`, which are as they were given, travel.
    pub fn part(&self, inputs: SharedBlob) -> Part<'_> {
        let kind = self.kind();
        Part { kind, inputs: kind.decoded(inputs) }
    }
}

impl Part<'_> {
    /// The message that carries it.
    pub fn chunk(&self) -> Chunk<'_> {
        self.kind.chunk(self.inputs.as_blob())
    }

    /// About how many bytes that is.
    pub fn bytes(&self) -> usize {
        self.inputs.as_blob().layout_len() + self.kind.parameter_bytes()
    }
}
