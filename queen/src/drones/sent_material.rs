//! What material one Drone has, so that none is sent twice, and what it is to forget to make room for more.

use wire::material::{KeptMaterial, MAX_KEPT, MaterialId};

use crate::hive::Breach;
use crate::lru::LruMap;

/// The material of one Drone. What was named longest ago goes first; leases that named it go on with it.
#[derive(Debug, Default)]
pub(super) struct SentMaterial {
    /// How much the Drone keeps, in bytes.
    limit: u64,
    used: u64,
    /// Bytes of each.
    kept: LruMap<MaterialId, u64>,
}

impl SentMaterial {
    /// Of a Drone that keeps `limit` bytes, and has this from connections before.
    ///
    /// # Errors
    /// If it cannot have that.
    pub(super) fn new(limit: u64, offered: &[KeptMaterial]) -> Result<Self, Breach> {
        let mut sent_material = Self { limit, ..Self::default() };
        for KeptMaterial { id, bytes } in offered {
            if sent_material.kept.contains(*id) {
                return Err(Breach::MaterialTwice(*id));
            }
            if !sent_material.has_room(*bytes) {
                return Err(Breach::TooMuchMaterial);
            }
            sent_material.put(*id, *bytes);
        }
        Ok(sent_material)
    }

    /// A lease is about to name material of so many bytes. If the Drone does not have it, what it is to forget before
    /// that is sent.
    pub(super) fn name(&mut self, id: MaterialId, bytes: u64) -> Option<Vec<MaterialId>> {
        if self.kept.get(id).is_some() {
            return None;
        }
        let mut gone = Vec::new();
        while !self.has_room(bytes)
            && let Some((oldest, freed)) = self.kept.pop_oldest()
        {
            self.used -= freed;
            gone.push(oldest);
        }
        self.put(id, bytes);
        Some(gone)
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.kept.len() < MAX_KEPT && self.used.checked_add(bytes).is_some_and(|used| used <= self.limit)
    }

    fn put(&mut self, id: MaterialId, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
        self.kept.insert(id, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> MaterialId {
        MaterialId([number; 32])
    }

    fn offered(number: u8, bytes: u64) -> KeptMaterial {
        KeptMaterial { id: id(number), bytes }
    }

    #[test]
    fn what_was_named_longest_ago_makes_room() {
        let mut sent_material = SentMaterial::new(100, &[offered(1, 40)]).unwrap();
        assert_eq!(sent_material.name(id(1), 40), None, "it has that");
        assert_eq!(sent_material.name(id(2), 30), Some(vec![]));
        assert_eq!(sent_material.name(id(3), 30), Some(vec![]));
        assert_eq!(sent_material.name(id(1), 40), None);
        assert_eq!(sent_material.name(id(4), 50), Some(vec![id(2), id(3)]));
        assert_eq!(sent_material.name(id(2), 10), Some(vec![]));
        assert_eq!(sent_material.name(id(5), 100), Some(vec![id(1), id(4), id(2)]));
        assert_eq!((sent_material.used, sent_material.kept.len()), (100, 1));
    }

    #[test]
    fn there_are_no_more_than_an_offer_lists() {
        let mut sent_material = SentMaterial::new(u64::MAX, &[]).unwrap();
        let name = |number: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_le_bytes());
            MaterialId(id)
        };
        assert!((0..MAX_KEPT).all(|number| sent_material.name(name(number), 1) == Some(vec![])));
        assert_eq!(sent_material.name(name(MAX_KEPT), 1), Some(vec![name(0)]));
    }

    #[test]
    fn nobody_offers_more_than_it_keeps_or_the_same_twice() {
        let new = |offered: &[KeptMaterial]| SentMaterial::new(100, offered).map(drop);
        assert_eq!(new(&[offered(1, 60), offered(2, 40)]), Ok(()));
        assert_eq!(new(&[offered(1, 60), offered(2, 41)]), Err(Breach::TooMuchMaterial));
        assert_eq!(new(&[offered(1, 1), offered(2, u64::MAX)]), Err(Breach::TooMuchMaterial));
        assert_eq!(new(&[offered(1, 1), offered(1, 1)]), Err(Breach::MaterialTwice(id(1))));
    }
}
