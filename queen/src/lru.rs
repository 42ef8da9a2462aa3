//! A map that knows which of its entries was used longest ago.
//!
//! Who has one decides by itself when an entry has to go, by bytes or by their number. Both orders are maps of the
//! standard library: nothing here needs `unsafe`, as the linked lists of the usual crates do.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A map from keys to values, in the order of their last uses.
#[derive(Debug)]
pub struct LruMap<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys by when they were used last.
    by_use: BTreeMap<u64, K>,
    /// How many uses there were so far.
    uses: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    /// The number of its last use.
    used_at: u64,
}

impl<K, V> Default for LruMap<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }
}

impl<K: Copy + Eq + Hash, V> LruMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether a key has a value, which is not a use.
    pub fn contains(&self, key: K) -> bool {
        self.entries.contains_key(&key)
    }

    /// The value of a key, which is used by that.
    pub fn get(&mut self, key: K) -> Option<&V> {
        let entry = self.entries.get_mut(&key)?;
        self.uses += 1;
        self.by_use.remove(&entry.used_at);
        self.by_use.insert(self.uses, key);
        entry.used_at = self.uses;
        Some(&entry.value)
    }

    /// Gives a key a value, which is used by that; returns the value that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.remove(key);
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.entries.insert(key, Entry { value, used_at: self.uses });
        before
    }

    /// Removes a key; returns the value that it had.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let entry = self.entries.remove(&key)?;
        self.by_use.remove(&entry.used_at);
        Some(entry.value)
    }

    /// Removes the entry that was used longest ago.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        let (_, key) = self.by_use.pop_first()?;
        let entry = self.entries.remove(&key)?;
        Some((key, entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut map = LruMap::default();
        ["a", "b", "c"].into_iter().for_each(|key| assert_eq!(map.insert(key, 1), None));
        assert_eq!(map.get("a"), Some(&1));
        assert_eq!(map.insert("b", 2), Some(1));
        assert!(map.contains("c") && !map.contains("d"), "that is no use");
        assert_eq!(map.remove("a"), Some(1));
        assert_eq!((map.remove("a"), map.len()), (None, 2));
        assert_eq!(map.get("a"), None);
        assert_eq!([map.pop_oldest(), map.pop_oldest(), map.pop_oldest()], [Some(("c", 1)), Some(("b", 2)), None]);
        assert_eq!((map.len(), map.by_use.len()), (0, 0));
    }
}
