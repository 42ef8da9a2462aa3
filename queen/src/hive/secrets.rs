//! Long keys and salts of tasks that have not ended. They are on disk, once for all tasks that have
//! them, and in memory only until they are there.

use std::collections::HashMap;
use std::sync::Arc;

use crate::work::{LongSecret, SecretHash, SecretRef};

#[derive(Debug, Default)]
pub(super) struct Secrets {
    known: HashMap<SecretHash, Known>,
    /// What all of them take on disk.
    bytes: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// How many tasks have it.
    tasks: u64,
    /// The secret itself while submissions bring it to the disk, and how many do.
    coming: Option<(Arc<LongSecret>, u64)>,
}

impl Secrets {
    /// What they take on disk, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it would take more on disk.
    pub(super) fn new_bytes(&self, secret: Option<SecretRef>) -> u64 {
        let is_new = |secret: &SecretRef| self.known.get(&secret.hash).is_none_or(|known| known.tasks == 0);
        secret.filter(is_new).map_or(0, |secret| u64::from(secret.bytes))
    }

    /// One more task has it.
    pub(super) fn add_task(&mut self, secret: Option<SecretRef>) {
        self.bytes += self.new_bytes(secret);
        if let Some(SecretRef { hash, .. }) = secret {
            self.known.entry(hash).or_default().tasks += 1;
        }
    }

    /// One task fewer has it.
    pub(super) fn remove_task(&mut self, secret: Option<SecretRef>) {
        let Some(SecretRef { hash, bytes }) = secret else { return };
        let Some(known) = self.known.get_mut(&hash) else { return };
        known.tasks -= 1;
        if known.tasks == 0 {
            self.bytes -= u64::from(bytes);
        }
        self.forget(hash);
    }

    /// A submission brings it to the disk; identical ones are kept once.
    pub(super) fn comes(&mut self, secret: LongSecret) -> Arc<LongSecret> {
        let known = self.known.entry(secret.hash).or_default();
        let (secret, submissions) = known.coming.get_or_insert_with(|| (Arc::new(secret), 0));
        *submissions += 1;
        Arc::clone(secret)
    }

    /// A submission that brought it is on disk, or will never be.
    pub(super) fn has_come(&mut self, hash: SecretHash) {
        let Some(known) = self.known.get_mut(&hash) else { return };
        if let Some((_, submissions)) = &mut known.coming {
            *submissions -= 1;
            if *submissions == 0 {
                known.coming = None;
            }
        }
        self.forget(hash);
    }

    /// A secret that may not be on disk yet.
    pub(super) fn coming(&self, hash: &SecretHash) -> Option<Arc<LongSecret>> {
        let (secret, _) = self.known.get(hash)?.coming.as_ref()?;
        Some(Arc::clone(secret))
    }

    fn forget(&mut self, hash: SecretHash) {
        if self.known.get(&hash).is_some_and(|known| known.tasks == 0 && known.coming.is_none()) {
            self.known.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identical_ones_count_once_and_stay_until_they_are_on_disk() {
        let secret = || LongSecret { hash: [1; 32], bytes: vec![7; 2000], room: Default::default() };
        let secret_ref = Some(SecretRef { hash: [1; 32], bytes: 2000 });
        let mut secrets = Secrets::default();
        let (first, second) = (secrets.comes(secret()), secrets.comes(secret()));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(secrets.new_bytes(secret_ref), 2000);
        secrets.add_task(secret_ref);
        secrets.add_task(secret_ref);
        assert_eq!((secrets.bytes(), secrets.new_bytes(secret_ref)), (2000, 0));
        secrets.has_come([1; 32]);
        assert!(secrets.coming(&[1; 32]).is_some());
        secrets.has_come([1; 32]);
        assert!(secrets.coming(&[1; 32]).is_none());
        secrets.remove_task(secret_ref);
        assert_eq!(secrets.bytes(), 2000);
        secrets.remove_task(secret_ref);
        assert_eq!((secrets.bytes(), secrets.known.len()), (0, 0));
    }
}
