//! The kinds of work as the Queen deals with them: what items cost, how a range becomes a
//! message, how what comes back is checked.

pub mod digest;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use web::kinds::Specification;
use wire::blob::{Blob, SharedBlob};
use wire::ids::{Instance, TaskId};
use wire::work::{Chunk, ChunkOutput};

use crate::core::{Class, Segment};
use crate::store::Inputs;

/// Why what a Drone sent is not a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} results came for a part of {} items", range.end.saturating_sub(range.start))]
pub struct Rejected {
    count: usize,
    range: Range<u64>,
}

/// What was asked for, apart from the inputs. Tasks that differ in nothing of it share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What to compute.
    pub specification: Specification,
    /// For people.
    pub name: Option<Box<str>>,
    /// More urgent is larger.
    pub priority: i8,
    /// How long it may take from its creation on, in seconds.
    pub deadline: Option<u32>,
    /// Its inputs are tasks of their own, whose ids follow its own.
    pub batch: bool,
    /// Random; a task's instance is this and its id.
    pub base: Instance,
}

impl Terms {
    /// How many ids behind its own belong to a task with so many inputs.
    pub fn members(&self, total: u64) -> u64 {
        if self.batch { total } else { 0 }
    }

    /// Of a task of a batch.
    pub fn of_member(&self) -> Self {
        Self { batch: false, ..self.clone() }
    }

    /// The random name of a task.
    pub fn instance(&self, task: TaskId) -> Instance {
        let sum = u128::from_le_bytes(self.base.0).wrapping_add(u128::from(task.0));
        Instance(sum.to_le_bytes())
    }

    /// The base of a task's instance: undoes [`instance`](Self::instance).
    pub fn base_of(instance: Instance, task: TaskId) -> Instance {
        let difference = u128::from_le_bytes(instance.0).wrapping_sub(u128::from(task.0));
        Instance(difference.to_le_bytes())
    }
}

/// The id of a task of a batch; see [`Terms::members`].
pub fn member_id(batch: TaskId, index: u64) -> TaskId {
    TaskId(batch.0 + 1 + index)
}

/// Everything that is to be computed for one task.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which task it is.
    pub task: TaskId,
    /// What to do.
    pub terms: Arc<Terms>,
    /// With what.
    pub inputs: Inputs,
}

/// The bytes to hash of one chunk, ready to be sent.
pub struct Part<'a> {
    specification: &'a Specification,
    inputs: SharedBlob,
}

/// What a segment's items cost and weigh.
pub fn weigh(specification: &Specification, inputs: Blob<'_>) -> Segment {
    match specification {
        Specification::Digest(digest) => digest::weigh(digest, inputs),
    }
}

/// What an input of so many bytes, as it was given, costs.
pub(crate) fn cost(specification: &Specification, length: u64) -> u64 {
    let Specification::Digest(digest) = specification;
    digest::cost(digest, length)
}

/// The result of an input as it was given, computed without a Drone and without a Drone's code.
/// `None` if the input is not written in its encoding.
pub(crate) fn reference(specification: &Specification, input: &[u8]) -> Option<[u8; digest::DIGEST]> {
    let Specification::Digest(digest) = specification;
    digest::reference(digest, input)
}

/// What it takes to compute these inputs.
pub fn class(specification: &Specification, segments: &[Segment]) -> Class {
    match specification {
        Specification::Digest(digest) => digest::class(digest, segments),
    }
}

impl Job {
    /// The task's random name.
    pub fn instance(&self) -> Instance {
        self.terms.instance(self.task)
    }

    /// How `inputs`, which are as they were given, travel.
    pub fn part(&self, inputs: SharedBlob) -> Part<'_> {
        let specification = &self.terms.specification;
        let Specification::Digest(digest) = specification;
        Part { specification, inputs: digest::decoded(digest, inputs) }
    }

    /// The bytes of the results that came for `range`.
    ///
    /// # Errors
    /// If they cannot be results of that range.
    pub fn check<'a>(&self, range: &Range<u64>, output: &ChunkOutput<'a>) -> Result<&'a [u8], Rejected> {
        let Specification::Digest(_) = &self.terms.specification;
        digest::check(range, output)
    }
}

impl Part<'_> {
    /// The message that carries it.
    pub fn chunk(&self) -> Chunk<'_> {
        let Specification::Digest(digest) = self.specification;
        digest::chunk(digest, &self.inputs)
    }

    /// About how many bytes that is.
    pub fn bytes(&self) -> usize {
        let Specification::Digest(digest) = self.specification;
        self.inputs.as_blob().layout_len() + digest::parameter_bytes(digest)
    }
}

/// What is to be done, in words: `Hash the word '…'`, or a count. What is hashed with a key or a salt
/// may be a password, and is not for a console.
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Specification::Digest(digest) = &self.terms.specification;
        let algorithm = digest.algorithm.name();
        match (self.inputs.total(), self.inputs.only()) {
            (1, Some(_)) if digest.algorithm.is_keyed() => write!(f, "Hash a word ({algorithm})"),
            (1, Some(word)) => {
                write!(f, "Hash the word '{}' ({algorithm})", drone::console::word(word.as_blob().bytes()))
            }
            (1, None) => write!(f, "Hash one long word ({algorithm})"),
            (count, _) => write!(f, "Hash {} words ({algorithm})", drone::console::count(count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use web::kinds::digest::{Algorithm, Digest, Encoding};

    use super::*;

    #[test]
    fn an_instance_is_a_base_and_an_id() {
        let specification = Specification::Digest(Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Utf8 });
        let terms =
            Terms { specification, name: None, priority: 0, deadline: None, batch: false, base: Instance([0xff; 16]) };
        let (first, second) = (terms.instance(TaskId(1)), terms.instance(TaskId(2)));
        assert_ne!(first, second);
        assert_eq!(Terms::base_of(first, TaskId(1)), terms.base);
        assert_eq!(Terms::base_of(second, TaskId(2)), terms.base);
    }
}
