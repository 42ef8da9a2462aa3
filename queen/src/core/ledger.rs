//! Tasks by id, at hardly more than the cost of what is kept of each.
//!
//! Ids are sequential, so neighbours share a page of slots; a page without tasks is freed.
//! A search tree alone would take about twice the memory, since nodes that are filled in
//! order stay half empty.

use std::collections::BTreeMap;

use wire::ids::TaskId;

const SLOTS: u64 = 64;

/// A map from task ids.
#[derive(Debug)]
pub struct Ledger<T> {
    pages: BTreeMap<u64, Page<T>>,
    len: usize,
}

#[derive(Debug)]
struct Page<T> {
    slots: Box<[Option<Box<T>>; SLOTS as usize]>,
    used: usize,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self { pages: BTreeMap::new(), len: 0 }
    }
}

impl<T> Ledger<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is kept of a task.
    pub fn get(&self, id: TaskId) -> Option<&T> {
        let (page, slot) = place(id);
        self.pages.get(&page)?.slots[slot].as_deref()
    }

    /// What is kept of a task, to be changed.
    pub fn get_mut(&mut self, id: TaskId) -> Option<&mut T> {
        let (page, slot) = place(id);
        self.pages.get_mut(&page)?.slots[slot].as_deref_mut()
    }

    /// Keeps `value`, instead of what was kept before.
    pub fn insert(&mut self, id: TaskId, value: T) {
        let (page, slot) = place(id);
        let empty = || Page { slots: Box::new(std::array::from_fn(|_| None)), used: 0 };
        let page = self.pages.entry(page).or_insert_with(empty);
        if page.slots[slot].replace(Box::new(value)).is_none() {
            page.used += 1;
            self.len += 1;
        }
    }

    /// Forgets a task.
    pub fn remove(&mut self, id: TaskId) -> Option<T> {
        let (number, slot) = place(id);
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
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &T)> {
        self.pages.iter().flat_map(|(number, page)| page.tasks(*number))
    }

    /// Those with a smaller id than `before`, largest first.
    pub fn newest_before(&self, before: TaskId) -> impl Iterator<Item = (TaskId, &T)> {
        let pages = self.pages.range(..=place(before).0).rev();
        pages.flat_map(|(number, page)| page.tasks(*number).rev()).filter(move |(id, _)| *id < before)
    }
}

impl<T> Page<T> {
    fn tasks(&self, number: u64) -> impl DoubleEndedIterator<Item = (TaskId, &T)> {
        let id = move |slot: usize| TaskId(number * SLOTS + slot as u64);
        self.slots.iter().enumerate().filter_map(move |(slot, value)| Some((id(slot), value.as_deref()?)))
    }
}

fn place(id: TaskId) -> (u64, usize) {
    (id.0 / SLOTS, (id.0 % SLOTS) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn is_a_map(steps: Vec<(u8, Option<u16>)>, before: u8) {
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
            let before = TaskId(u64::from(before));
            assert!(ledger.iter().map(|(id, value)| (id, *value)).eq(model.clone()));
            assert!(ledger.newest_before(before).map(|(id, _)| id).eq(model.range(..before).rev().map(|(id, _)| *id)));
            assert!(ledger.pages.values().all(|page| page.used > 0));
        }
    }
}
