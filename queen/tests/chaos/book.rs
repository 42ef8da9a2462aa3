//! What was asked for, and what the Queen said of it. Whatever contradicts it is a panic.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::support::order::{Order, Rng};

#[derive(Default)]
pub struct Book {
    asked: u64,
    tasks: BTreeMap<u64, Known>,
}

/// A task that was acknowledged.
#[derive(Debug)]
pub struct Known {
    pub order: Arc<Order>,
    pub is_cancelled: bool,
    /// Shown as `done`, which means that it is on disk.
    pub is_done: bool,
}

impl Known {
    pub fn is_open(&self) -> bool {
        !self.is_done && !self.is_cancelled
    }
}

impl Book {
    /// The number of a new order.
    pub fn number(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Orders so far.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    pub fn acknowledged(&mut self, order: &Arc<Order>, id: u64) {
        let known = Known { order: Arc::clone(order), is_cancelled: false, is_done: false };
        let before = self.tasks.insert(id, known);
        assert!(before.is_none(), "task {id} is {order:?}, and was {before:?}");
    }

    pub fn tasks(&self) -> &BTreeMap<u64, Known> {
        &self.tasks
    }

    pub fn order(&self, id: u64) -> Arc<Order> {
        Arc::clone(&self.tasks[&id].order)
    }

    /// One of this client's open tasks.
    pub fn pick(&self, owner: usize, rng: &mut Rng) -> Option<u64> {
        let open = |(id, known): (&u64, &Known)| (known.order.owner == owner && known.is_open()).then_some(*id);
        let ids: Vec<u64> = self.tasks.iter().filter_map(open).collect();
        (!ids.is_empty()).then(|| ids[rng.below(ids.len() as u64) as usize])
    }

    pub fn open(&self, owner: usize) -> impl Iterator<Item = &Known> {
        self.tasks.values().filter(move |known| known.order.owner == owner && known.is_open())
    }

    /// The Queen acknowledged that she cancelled it.
    pub fn cancelled(&mut self, view: &Value) {
        let known = self.tasks.get_mut(&view["id"].as_u64().unwrap()).unwrap();
        assert!(!known.is_done && view["state"] == "cancelled", "{view} is {known:?}");
        known.is_cancelled = true;
    }

    /// The Queen shows a task.
    pub fn shown(&mut self, view: &Value) {
        let id = view["id"].as_u64().unwrap();
        // One whose answer is still on its way is not in the book yet.
        let Some(known) = self.tasks.get_mut(&id) else { return };
        known.order.check_view(view);
        match view["state"].as_str().unwrap() {
            "done" => {
                assert!(!known.is_cancelled && view["done"] == known.order.total, "{view} is {known:?}");
                known.is_done = true;
            }
            "cancelled" => assert!(known.is_cancelled, "{view} is {known:?}"),
            "pending" | "running" | "paused" => assert!(known.is_open(), "{view} is {known:?}"),
            // A Drone that is lost blames nothing.
            _ => panic!("{view}"),
        }
        if view["results"].is_array() {
            assert_eq!(view["results"], known.order.inline_results(), "task {id}");
        }
    }
}
