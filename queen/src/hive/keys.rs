//! Idempotency keys: which are in use by a request that is under way, and, where nothing is
//! kept on disk, what they were used for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use web::budget::Budget;
use web::hive::Identity;
use wire::ids::TaskId;

use crate::clock::HiveTime;
use crate::store::KEY_LIFE;

type Key = [u8; 32];

/// What a used key that is not on disk takes of memory, in bytes, as measured.
const KEY: u64 = 256;

pub(super) struct Keys {
    budget: Arc<Budget>,
    claims: u64,
    /// At most as many as there are requests under way, or commits.
    under_way: HashMap<Key, Use>,
    /// The used ones that are not on disk, oldest first.
    oldest: VecDeque<(HiveTime, Key)>,
}

enum Use {
    /// A request has it; claims are numbered, so that none is dropped for another.
    Claimed(u64),
    /// It created a task.
    Used { fingerprint: [u8; 32], task: TaskId },
}

/// What a key is.
pub(super) enum Found {
    /// It is now the caller's, by this number.
    Free(u64),
    /// Another request has it.
    UnderWay,
    /// It was used.
    Used { fingerprint: [u8; 32], task: TaskId },
}

impl Keys {
    /// None yet; used ones count against the budget.
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, claims: 0, under_way: HashMap::new(), oldest: VecDeque::new() }
    }

    /// Claims a key. `is_durable`: a used key is one whose task is still on its way to the disk.
    pub(super) fn claim(&mut self, key: Key, now: HiveTime, is_durable: bool) -> Found {
        self.expire(now);
        match self.under_way.get(&key) {
            None => {
                self.claims += 1;
                self.under_way.insert(key, Use::Claimed(self.claims));
                Found::Free(self.claims)
            }
            Some(Use::Used { fingerprint, task }) if !is_durable => {
                Found::Used { fingerprint: *fingerprint, task: *task }
            }
            Some(_) => Found::UnderWay,
        }
    }

    /// The request that claimed it is over; if it created a task, the key stays used.
    pub(super) fn drop_claim(&mut self, key: &Key, number: u64) {
        if matches!(self.under_way.get(key), Some(Use::Claimed(claim)) if *claim == number) {
            self.under_way.remove(key);
        }
    }

    /// It created a task.
    pub(super) fn used(&mut self, identity: &Identity, task: TaskId, now: HiveTime) {
        self.under_way.insert(identity.key, Use::Used { fingerprint: identity.fingerprint, task });
        self.oldest.push_back((now, identity.key));
        self.budget.take(KEY);
    }

    /// What it was used for is on disk, or in vain.
    pub(super) fn release(&mut self, key: &Key) {
        self.under_way.remove(key);
        // Mostly the first: commits come in order.
        if let Some(at) = self.oldest.iter().position(|(_, other)| other == key) {
            self.oldest.remove(at);
            self.budget.free(KEY);
        }
    }

    fn expire(&mut self, now: HiveTime) {
        let life = KEY_LIFE.as_millis() as i64;
        while let Some((_, key)) = self.oldest.pop_front_if(|(used_at, _)| used_at.0 + life < now.0) {
            self.under_way.remove(&key);
            self.budget.free(KEY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_used_once() {
        let identity = Identity { key: [1; 32], fingerprint: [2; 32] };
        let now = HiveTime(1000);
        let budget = Budget::new(1 << 20);
        let mut keys = Keys::new(Arc::clone(&budget));
        let Found::Free(first) = keys.claim(identity.key, now, false) else { panic!("nobody has it") };
        assert!(matches!(keys.claim(identity.key, now, false), Found::UnderWay));
        keys.drop_claim(&identity.key, first);
        let Found::Free(second) = keys.claim(identity.key, now, false) else { panic!("nobody has it") };
        keys.drop_claim(&identity.key, first);
        assert!(matches!(keys.claim(identity.key, now, false), Found::UnderWay), "not dropped by another's claim");
        keys.used(&identity, TaskId(7), now);
        keys.drop_claim(&identity.key, second);
        assert!(matches!(keys.claim(identity.key, now, true), Found::UnderWay), "it is not on disk yet");
        let Found::Used { fingerprint, task } = keys.claim(identity.key, now, false) else { panic!("it was used") };
        assert_eq!((fingerprint, task), (identity.fingerprint, TaskId(7)));
        let later = HiveTime(now.0 + KEY_LIFE.as_millis() as i64 + 1);
        assert!(matches!(keys.claim(identity.key, later, false), Found::Free(_)));
        keys.used(&identity, TaskId(8), later);
        keys.release(&identity.key);
        assert!(matches!(keys.claim(identity.key, later, false), Found::Free(_)));
        assert!(keys.oldest.is_empty());
        assert_eq!(budget.used(), 0);
    }
}
