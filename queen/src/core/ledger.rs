//! A map from ids, at hardly more than the cost of what is kept of each.
//!
//! Ids are sequential, so neighbours share a page of slots; a page without any is freed.
//! A search tree alone would take about twice the memory, since nodes that are filled in
//! order stay half empty, and a search in it is longer.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Index;

use wire::ids::{DroneId, LeaseId, TaskId};

const SLOTS: u64 = 64;

/// A map from ids: of tasks, unless said otherwise.
#[derive(Debug)]
pub struct Ledger<T, K = TaskId> {
    pages: BTreeMap<u64, Page<T>>,
    len: usize,
    ids: PhantomData<K>,
}

/// An id that is given in order.
pub trait Id: Copy + Ord {
    /// Its number.
    fn number(self) -> u64;
    /// The id with that number.
    fn of(number: u64) -> Self;
}

macro_rules! sequential {
    ($($id:ident),*) => {$(
        impl Id for $id {
            fn number(self) -> u64 {
                self.0
            }

            fn of(number: u64) -> Self {
                Self(number)
            }
        }
    )*};
}

sequential!(TaskId, LeaseId, DroneId);

#[derive(Debug)]
struct Page<T> {
    slots: Box<[Option<Box<T>>; SLOTS as usize]>,
    used: usize,
}

impl<T, K> Default for Ledger<T, K> {
    fn default() -> Self {
        Self { pages: BTreeMap::new(), len: 0, ids: PhantomData }
    }
}

impl<T, K: Id> Ledger<T, K> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is kept of it.
    pub fn get(&self, id: K) -> Option<&T> {
        let (page, slot) = slot_of(id);
        self.pages.get(&page)?.slots[slot].as_deref()
    }

    /// What is kept of it, to be changed.
    pub fn get_mut(&mut self, id: K) -> Option<&mut T> {
        let (page, slot) = slot_of(id);
        self.pages.get_mut(&page)?.slots[slot].as_deref_mut()
    }

    /// Keeps `value`, instead of what was kept before.
    pub fn insert(&mut self, id: K, value: T) {
        let (page, slot) = slot_of(id);
        let empty = || Page { slots: Box::new(std::array::from_fn(|_| None)), used: 0 };
        let page = self.pages.entry(page).or_insert_with(empty);
        if page.slots[slot].replace(Box::new(value)).is_none() {
            page.used += 1;
            self.len += 1;
        }
    }

    /// Forgets it.
    pub fn remove(&mut self, id: K) -> Option<T> {
        let (number, slot) = slot_of(id);
        let page = self.pages.get_mut(&number)?;
        let value = page.slots[slot].take()?;
        page.used -= 1;
        self.len -= 1;
        if page.used == 0 {
            self.pages.remove(&number);
        }
        Some(*value)
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.pages.iter().flat_map(|(number, page)| page.entries(*number))
    }

    /// All, by id, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.values_mut().flat_map(|page| page.slots.iter_mut().filter_map(Option::as_deref_mut))
    }
}

impl<T, K: Id + Display> Index<K> for Ledger<T, K> {
    type Output = T;

    fn index(&self, id: K) -> &T {
        let Some(value) = self.get(id) else { panic!("nothing is kept of {id}") };
        value
    }
}

impl<T> Page<T> {
    fn entries<K: Id>(&self, number: u64) -> impl Iterator<Item = (K, &T)> {
        let id = move |slot: usize| K::of(number * SLOTS + slot as u64);
        self.slots.iter().enumerate().filter_map(move |(slot, value)| Some((id(slot), value.as_deref()?)))
    }
}

fn slot_of(id: impl Id) -> (u64, usize) {
    (id.number() / SLOTS, (id.number() % SLOTS) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn is_a_map(steps: Vec<(u8, Option<u16>)>) {
            let (mut ledger, mut model) = (Ledger::default(), BTreeMap::new());
            for (id, value) in steps {
                let id = TaskId(u64::from(id));
                match value {
                    Some(value) => {
                        ledger.insert(id, value);
                        model.insert(id, value);
                    }
                    None => assert_eq!(ledger.remove(id), model.remove(&id)),
                }
                assert_eq!(ledger.get(id), model.get(&id));
                assert_eq!(ledger.get_mut(id), model.get_mut(&id));
                assert_eq!((ledger.len(), ledger.is_empty()), (model.len(), model.is_empty()));
            }
            assert!(ledger.iter().map(|(id, value)| (id, *value)).eq(model.clone()));
            assert!(ledger.pages.values().all(|page| page.used > 0));
        }
    }
}
