//! What the clients know: everything that was asked for, and all that the Queen ever said of it.
//! Whatever contradicts it is a panic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::disk::{CANCELLED, DONE, Disk, LIVE};
use super::life::Plan;
use super::order::{Order, Rng};

#[derive(Default)]
pub struct Book {
    orders: HashMap<u64, (Arc<Order>, OrderOutcome)>,
    tasks: BTreeMap<u64, Known>,
    /// Tasks that were removed.
    gone: BTreeSet<u64>,
    /// Orders with a key whose answers were lost: to be sent again.
    unsure: Vec<Unsure>,
    newest: u64,
    pub tally: Tally,
}

/// What came of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderOutcome {
    /// Its answer is outstanding, or lost.
    Open,
    /// It was refused, or removed at once: there must never be such a task.
    Never,
    /// It is this task: that was acknowledged, or seen on disk.
    Task(u64),
}

/// An order to be sent again.
pub struct Unsure {
    pub order: Arc<Order>,
    /// It may have been created, done and removed before anybody saw it.
    pub may_be_gone: bool,
}

/// A task that exists.
#[derive(Debug)]
pub struct Known {
    pub order: Arc<Order>,
    /// Shown as `done`, which means that it is on disk.
    pub is_done: bool,
    pub cancel: Tried,
    pub delete: Tried,
    /// Its results were compared as the Queen gives them.
    pub is_verified: bool,
    /// It had ended on disk when the present Queen started.
    had_ended: bool,
    /// Somebody was told that it is gone.
    is_gone: bool,
    /// Digests that were compared on disk.
    checked: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    No,
    /// The answer was lost.
    Sent,
    Acknowledged,
}

/// What happened in all.
#[derive(Debug, Default)]
pub struct Tally {
    pub acknowledged: u64,
    pub lost_answers: u64,
    pub lost_but_created: u64,
    pub sent_again: u64,
    pub cancelled: u64,
    pub removed: u64,
    pub verified: u64,
    pub digests_on_disk: u64,
    pub drones_killed: u64,
    pub taken_over: u64,
    pub taken_over_half_done: u64,
}

impl Book {
    /// A new order, made by `make` from its number.
    pub fn ask(&mut self, make: impl FnOnce(u64) -> Order) -> Arc<Order> {
        let order = Arc::new(make(self.orders.len() as u64 + 1));
        self.orders.insert(order.number, (Arc::clone(&order), OrderOutcome::Open));
        order
    }

    pub fn newest(&self) -> u64 {
        self.newest
    }

    pub fn outcome(&self, order: u64) -> OrderOutcome {
        self.orders[&order].1
    }

    /// The task was created, or found; `newest` was the largest id when it was asked for.
    pub fn acknowledged(&mut self, order: &Arc<Order>, id: u64, newest: u64) {
        self.tally.acknowledged += 1;
        match self.outcome(order.number) {
            OrderOutcome::Task(known) => assert_eq!(known, id, "{order:?} was one task and is another"),
            OrderOutcome::Open => {
                assert!(id > newest, "{order:?} became task {id}, but there was task {newest} before");
                self.enter(order, id);
            }
            OrderOutcome::Never => panic!("{order:?} was refused and is task {id}"),
        }
    }

    fn enter(&mut self, order: &Arc<Order>, id: u64) {
        let known = Known {
            order: Arc::clone(order),
            is_done: false,
            cancel: Tried::No,
            delete: Tried::No,
            is_verified: false,
            had_ended: false,
            is_gone: false,
            checked: 0,
        };
        assert!(!self.gone.contains(&id), "task {id} is there again");
        let before = self.tasks.insert(id, known);
        assert!(before.is_none(), "task {id} is {order:?}, and was {before:?}");
        self.newest = self.newest.max(id);
        self.orders.insert(order.number, (Arc::clone(order), OrderOutcome::Task(id)));
    }

    pub fn never_again(&mut self, order: &Arc<Order>) {
        assert_eq!(self.outcome(order.number), OrderOutcome::Open, "{order:?}");
        self.orders.insert(order.number, (Arc::clone(order), OrderOutcome::Never));
    }

    /// No answer came.
    pub fn lost(&mut self, order: &Arc<Order>, may_be_gone: bool) {
        self.tally.lost_answers += 1;
        if order.has_key {
            self.unsure.push(Unsure { order: Arc::clone(order), may_be_gone });
        }
    }

    /// An order of this client's to be sent again.
    pub fn take_unsure(&mut self, owner: usize) -> Option<Unsure> {
        let at = self.unsure.iter().position(|unsure| unsure.order.owner == owner)?;
        self.tally.sent_again += 1;
        Some(self.unsure.swap_remove(at))
    }

    pub fn known(&mut self, id: u64) -> Option<&mut Known> {
        self.tasks.get_mut(&id)
    }

    /// One of this client's tasks of which that is true.
    pub fn pick(&self, owner: usize, rng: &mut Rng, wanted: impl Fn(&Known) -> bool) -> Option<u64> {
        let fits = |known: &Known| known.order.owner == owner && !known.is_gone && wanted(known);
        let ids: Vec<u64> = self.tasks.iter().filter(|(_, known)| fits(known)).map(|(id, _)| *id).collect();
        (!ids.is_empty()).then(|| ids[rng.below(ids.len() as u64) as usize])
    }

    pub fn count(&self, owner: usize, wanted: impl Fn(&Known) -> bool) -> usize {
        let fits = |known: &&Known| known.order.owner == owner && !known.is_gone && wanted(known);
        self.tasks.values().filter(fits).count()
    }

    pub fn ids(&self) -> Vec<u64> {
        self.tasks.keys().copied().collect()
    }

    pub fn some_gone(&self, rng: &mut Rng) -> Option<u64> {
        let count = self.gone.len() as u64;
        (count > 0).then(|| *self.gone.iter().nth(rng.below(count) as usize).unwrap())
    }

    /// The Queen shows a task.
    pub fn shown(&mut self, view: &Value) {
        let id = view["id"].as_u64().unwrap();
        // One of which another client is just being told is not in the book yet.
        let Some(known) = self.tasks.get_mut(&id) else { return };
        known.order.check_view(view);
        match view["state"].as_str().unwrap() {
            "done" => {
                assert_ne!(known.cancel, Tried::Acknowledged, "{view} was cancelled");
                assert_eq!(view["done"], known.order.total, "{view}");
                known.is_done = true;
            }
            "cancelled" => {
                assert!(known.cancel != Tried::No && !known.is_done, "{view} is {known:?}");
                known.cancel = Tried::Acknowledged;
            }
            "pending" | "running" => {
                assert!(!known.is_done && known.cancel != Tried::Acknowledged, "{view} is {known:?}");
            }
            _ => panic!("{view}"),
        }
    }

    /// The Queen says that there is no such task any more.
    pub fn told_gone(&mut self, id: u64, plan: &Plan) {
        if let Some(known) = self.tasks.get_mut(&id) {
            assert!(known.may_be_gone(plan), "task {id} is gone: {known:?}");
            known.is_gone = true;
        }
    }

    /// Compares what a Queen with this plan left on disk, and takes note of it.
    pub fn reconcile(&mut self, disk: &Disk, plan: &Plan) {
        for (id, row) in &disk.tasks {
            let (order, outcome) = self.orders.get(&row.order).unwrap_or_else(|| panic!("nobody asked for task {id}"));
            match outcome {
                OrderOutcome::Task(known) => assert_eq!(known, id, "{order:?} became two tasks"),
                OrderOutcome::Never => panic!("task {id} was refused: {order:?}"),
                OrderOutcome::Open => {
                    // What is on disk is as good as acknowledged.
                    let order = Arc::clone(order);
                    self.tally.lost_but_created += 1;
                    self.enter(&order, *id);
                }
            }
        }
        let mut gone = Vec::new();
        for (id, known) in &mut self.tasks {
            let Some(row) = disk.tasks.get(id) else {
                assert!(known.is_gone || known.may_be_gone(plan), "task {id} is lost: {known:?}");
                gone.push(*id);
                continue;
            };
            assert!(!known.is_gone && known.delete != Tried::Acknowledged, "task {id} was removed: {known:?}");
            assert!(!known.is_done || row.state == DONE, "task {id} was done and is {}: {known:?}", row.state);
            assert!(
                known.cancel != Tried::Acknowledged || row.state == CANCELLED,
                "task {id} was cancelled: {known:?}"
            );
            assert!([LIVE, DONE].contains(&row.state) || known.cancel != Tried::No, "task {id} is {}", row.state);
            known.had_ended = row.state != LIVE;
            self.tally.taken_over += u64::from(row.state == LIVE);
            self.tally.taken_over_half_done += u64::from(row.state == LIVE && row.done > 0);
            assert!(row.done >= known.checked, "{} digests of task {id} are {} now", known.checked, row.done);
            if row.done != known.checked || row.state == LIVE {
                row.check(*id, &known.order);
                self.tally.digests_on_disk += row.done - known.checked;
                known.checked = row.done;
            }
        }
        self.tally.removed += gone.len() as u64;
        for id in gone {
            self.tasks.remove(&id);
            self.gone.insert(id);
        }
        assert!(disk.next_task > self.newest, "task {} would be there twice", disk.next_task);
    }
}

impl Known {
    fn may_be_gone(&self, plan: &Plan) -> bool {
        let had_ended = self.had_ended || self.cancel != Tried::No;
        // Without Drones nothing is done that was not done before.
        self.delete != Tried::No || plan.removes() && (had_ended || plan.has_drones)
    }
}
