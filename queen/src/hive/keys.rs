//! Idempotency keys that are in use: by a request that is under way, or on their way to the store.

use std::collections::HashMap;

type IdempotencyKey = [u8; 32];

/// At most as many as there are requests under way, and commits.
#[derive(Debug, Default)]
pub(super) struct Keys {
    claims: u64,
    in_use: HashMap<IdempotencyKey, Use>,
}

#[derive(Debug)]
enum Use {
    /// A request has it; claims are numbered, so that none is dropped for another.
    Claimed(u64),
    /// It created a task, which is on its way to the store.
    Used,
}

impl Keys {
    /// Claims a key, which is the caller's then, by this number; `None` if it is in use.
    pub(super) fn claim(&mut self, key: IdempotencyKey) -> Option<u64> {
        if self.in_use.contains_key(&key) {
            return None;
        }
        self.claims += 1;
        self.in_use.insert(key, Use::Claimed(self.claims));
        Some(self.claims)
    }

    /// The request that claimed it is over; if it created a task, the key stays used.
    pub(super) fn drop_claim(&mut self, key: &IdempotencyKey, number: u64) {
        if matches!(self.in_use.get(key), Some(Use::Claimed(claim)) if *claim == number) {
            self.in_use.remove(key);
        }
    }

    /// Notes that the request with this key created a task.
    pub(super) fn used(&mut self, key: IdempotencyKey) {
        self.in_use.insert(key, Use::Used);
    }

    /// Forgets a key whose task is in the store, or was refused.
    pub(super) fn release(&mut self, key: &IdempotencyKey) {
        self.in_use.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_used_once() {
        let (key, mut keys) = ([1; 32], Keys::default());
        let first = keys.claim(key).unwrap();
        assert_eq!(keys.claim(key), None);
        keys.drop_claim(&key, first);
        let second = keys.claim(key).unwrap();
        keys.drop_claim(&key, first);
        assert_eq!(keys.claim(key), None, "not dropped by another's claim");
        keys.used(key);
        keys.drop_claim(&key, second);
        assert_eq!(keys.claim(key), None, "its task is not in the store yet");
        keys.release(&key);
        assert!(keys.claim(key).is_some());
    }
}
