//! What was asked for with a task, apart from its inputs.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use web::access::{Owner, TokenId};
use web::budget::Reservation;
use web::kinds::Specification;
use web::model::Verify;
use wire::ids::{Instance, TaskId};
use wire::material::MAX_INLINE;

/// What was asked for, apart from the inputs. Tasks that differ in nothing of it share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What to compute; without its key or salt if that is a [`LongSecret`].
    pub specification: Specification,
    /// What stands for its key or salt, if that is a [`LongSecret`].
    pub secret: Option<SecretRef>,
    /// The task's name, for people.
    pub name: Option<Box<str>>,
    /// The task's priority; more urgent is larger.
    pub priority: i8,
    /// How long the task may take from its creation on, in seconds.
    pub deadline: Option<u32>,
    /// Whether it is a batch: its inputs are tasks of their own, whose ids follow its own.
    pub batch: bool,
    /// How many of its results are computed a second time.
    pub verify: Verify,
    /// The token that it was submitted with.
    pub owner: Option<Owner>,
    /// The address that it was submitted from.
    pub address: Option<IpAddr>,
    /// A random number, of which and its id a task's instance is made.
    pub base: Instance,
    /// What this takes of the memory limit.
    pub room: Room,
}

/// SHA-256 of a key or salt.
pub type SecretHash = [u8; 32];

/// What stands in terms for a key or salt that is too long to be kept with its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretRef {
    /// Its SHA-256, by which it is found.
    pub hash: SecretHash,
    /// Its length, in bytes.
    pub bytes: u32,
}

/// The longest key or salt that is kept with its task, in bytes; longer ones are read when they are needed. What is
/// kept with its task stands in each of its leases.
pub const SECRET: usize = MAX_INLINE;

/// Whether a key or salt is too long to be kept with its task.
pub fn is_long(secret: &[u8]) -> bool {
    secret.len() > SECRET
}

/// The SHA-256 by which a long key or salt is found.
pub fn hash_of(secret: &[u8]) -> SecretHash {
    Sha256::digest(secret).into()
}

/// A key or salt that is too long to be kept with its task, on its way to the disk.
#[derive(Debug)]
pub struct LongSecret {
    /// Its SHA-256, by which it is found.
    pub hash: SecretHash,
    /// The key or salt.
    pub bytes: Vec<u8>,
    /// What it takes of the memory limit.
    pub room: Room,
}

impl LongSecret {
    /// What terms have in its place.
    pub fn reference(&self) -> SecretRef {
        SecretRef { hash: self.hash, bytes: self.bytes.len() as u32 }
    }
}

/// Bytes that something takes of the memory limit, given back when it goes. They are no part of what terms say, and a
/// copy takes none of its own.
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
        (size_of::<Self>() + self.texts() + self.specification.resident() + self.specification.secret().len()) as u64
    }

    /// How long the key or salt is, in bytes, wherever it is.
    pub fn secret_bytes(&self) -> u64 {
        self.secret.map_or(self.specification.secret().len() as u64, |secret| u64::from(secret.bytes))
    }

    /// About what they take in a task's row, in bytes.
    pub fn on_disk(&self) -> u64 {
        (self.texts() + self.specification.resident() + self.specification.secret().len()) as u64
    }

    /// Bytes of its name and of its owner's.
    fn texts(&self) -> usize {
        self.name.as_ref().map_or(0, |name| name.len()) + self.owner.as_ref().map_or(0, |owner| owner.name.len())
    }

    /// The same with its [`LongSecret`].
    pub fn whole(&self, secret: &[u8]) -> Self {
        let mut whole = Self { secret: None, ..self.clone() };
        whole.specification.set_secret(secret.to_vec());
        whole
    }

    /// The terms of a task of this batch.
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
