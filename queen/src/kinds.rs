//! The kinds of work as the Queen deals with them: what items cost, how a range becomes a
//! message, how what comes back is checked.

pub mod digest;

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use web::access::{Owner, TokenId};
use web::budget::Reservation;
use web::kinds::Specification;
use web::model::Verify;
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
    /// What to compute; without its key or salt if that is kept apart.
    pub specification: Specification,
    /// Where a long key or salt is that is kept apart.
    pub secret: Option<Apart>,
    /// For people.
    pub name: Option<Box<str>>,
    /// More urgent is larger.
    pub priority: i8,
    /// How long it may take from its creation on, in seconds.
    pub deadline: Option<u32>,
    /// Its inputs are tasks of their own, whose ids follow its own.
    pub batch: bool,
    /// How many of its results are computed a second time.
    pub verify: Verify,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// Where it was submitted from.
    pub address: Option<IpAddr>,
    /// Random; a task's instance is this and its id.
    pub base: Instance,
    /// What this takes of the memory limit.
    pub room: Room,
}

/// SHA-256 of a key or salt.
pub type SecretHash = [u8; 32];

/// A key or salt that is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Apart {
    /// By which it is found.
    pub hash: SecretHash,
    /// How long it is.
    pub bytes: u32,
}

/// The longest key or salt that is kept with its task, in bytes; longer ones are read when they are needed.
pub const SECRET: usize = 1 << 10;

/// Whether a key or salt is kept apart.
pub fn is_long(secret: &[u8]) -> bool {
    secret.len() > SECRET
}

/// By which a long key or salt is found.
pub fn hash_of(secret: &[u8]) -> SecretHash {
    Sha256::digest(secret).into()
}

/// A key or salt that is kept apart, on its way to the disk.
#[derive(Debug)]
pub struct LongSecret {
    /// By which it is found.
    pub hash: SecretHash,
    /// The key or salt.
    pub bytes: Vec<u8>,
    /// What it takes of the memory limit.
    pub room: Room,
}

impl LongSecret {
    /// Where it will be.
    pub fn apart(&self) -> Apart {
        Apart { hash: self.hash, bytes: self.bytes.len() as u32 }
    }
}

/// What something takes of the memory limit. It is no part of what terms say, and a copy takes nothing of its own.
#[derive(Debug, Default)]
pub struct Room {
    _held: Option<Reservation>,
}

impl From<Reservation> for Room {
    fn from(reservation: Reservation) -> Self {
        Self { _held: Some(reservation) }
    }
}

impl Clone for Room {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Room {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Room {}

impl Terms {
    /// The token that it was submitted with.
    pub fn owner_id(&self) -> Option<TokenId> {
        self.owner.as_ref().map(|owner| owner.token)
    }

    /// How many ids behind its own belong to a task with so many inputs.
    pub fn members(&self, total: u64) -> u64 {
        if self.batch { total } else { 0 }
    }

    /// About what they take of memory, in bytes.
    pub fn bytes(&self) -> u64 {
        (size_of::<Self>() + self.texts() + self.specification.secret().len()) as u64
    }

    /// How long the key or salt is, in bytes, wherever it is.
    pub fn secret_bytes(&self) -> u64 {
        self.secret.map_or(self.specification.secret().len() as u64, |secret| u64::from(secret.bytes))
    }

    /// About what they take in a task's row, in bytes.
    pub fn on_disk(&self) -> u64 {
        (self.texts() + self.specification.secret().len()) as u64
    }

    /// Bytes of its name and of its owner's.
    fn texts(&self) -> usize {
        self.name.as_ref().map_or(0, |name| name.len()) + self.owner.as_ref().map_or(0, |owner| owner.name.len())
    }

    /// With the key or salt that is kept apart.
    pub fn whole(&self, secret: &[u8]) -> Self {
        let mut whole = Self { secret: None, ..self.clone() };
        whole.specification.set_secret(secret.to_vec());
        whole
    }

    /// Of a task of a batch.
    pub fn of_member(&self) -> Self {
        Self { batch: false, ..self.clone() }
    }

    /// Whether each of its results is computed a second time before it counts as done.
    pub fn is_twice(&self) -> bool {
        self.verify == Verify::All
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
    /// What is computed of each input.
    pub fn algorithm(&self) -> &'static str {
        let Specification::Digest(digest) = &self.terms.specification;
        digest.algorithm.name()
    }

    /// Whether all of it is in memory.
    pub fn is_at_hand(&self) -> bool {
        self.inputs.is_small() && self.terms.secret.is_none()
    }

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

    use super::*;
    use crate::store::testing::terms;

    #[test]
    fn an_instance_is_a_base_and_an_id() {
        let terms = Terms { base: Instance([0xff; 16]), ..terms() };
        let (first, second) = (terms.instance(TaskId(1)), terms.instance(TaskId(2)));
        assert_ne!(first, second);
        assert_eq!(Terms::base_of(first, TaskId(1)), terms.base);
        assert_eq!(Terms::base_of(second, TaskId(2)), terms.base);
    }
}
