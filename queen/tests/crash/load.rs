//! What clients do while the Queen lives: ask, look, cancel, delete, ask again; and what they
//! compare when she has come back.

use std::sync::{Arc, Mutex, MutexGuard};

use super::book::{Book, Known, OrderOutcome, Tried, Unsure};
use super::crew::Crew;
use super::disk::{DONE, Disk, LIVE};
use super::life::{Keep, Life};
use super::order::{Order, Rng, Shape};
use super::support::{Answer, Broken, look_again};

/// Tasks of one client that may be unfinished; with more, it waits for one.
const OPEN: usize = 8;

/// What clients have to do with.
#[derive(Clone)]
pub struct Hive {
    pub life: Arc<Life>,
    pub book: Arc<Mutex<Book>>,
    pub crew: Arc<Crew>,
}

impl Hive {
    /// Whether somebody computes.
    pub fn has_drones(&self) -> bool {
        self.life.plan.has_drones && !self.crew.is_halted()
    }
}

/// One client in one life.
pub struct Client {
    pub number: usize,
    pub hive: Hive,
    pub rng: Rng,
}

fn is_open(known: &Known) -> bool {
    !known.is_done && known.cancel != Tried::Acknowledged
}

fn has_ended(known: &Known) -> bool {
    !is_open(known) && known.delete != Tried::Acknowledged
}

impl Client {
    /// Works until the Queen dies.
    pub async fn work(mut self) {
        while self.step().await.is_ok() {}
    }

    async fn step(&mut self) -> Result<(), Broken> {
        let unsure = self.book().take_unsure(self.number);
        if let Some(Unsure { order, may_be_gone }) = unsure {
            return self.submit(&order, may_be_gone).await;
        }
        let open = self.pick(is_open);
        let count = self.book().ids().len();
        match self.rng.below(100) {
            0..50 if self.open_count() < OPEN => {
                let order = self.hive.book.lock().unwrap().ask(|number| Order::new(number, self.number, &mut self.rng));
                self.submit(&order, false).await
            }
            0..70 => match open {
                Some(id) if self.hive.has_drones() => self.look(id, Some("wait=5")).await,
                Some(id) => self.look(id, None).await,
                None => self.stats().await,
            },
            70..75 => self.list("/tasks?limit=100").await,
            75..80 => match self.pick(|known| known.is_done && !known.is_verified && known.delete == Tried::No) {
                Some(id) => self.results(id).await,
                None => self.stats().await,
            },
            80..85 => match open {
                Some(id) => self.cancel(id).await,
                None => self.stats().await,
            },
            // What was compared goes, so that there are never very many.
            85..92 if count > 20 => {
                match self.pick(|known| has_ended(known) && (known.is_verified || !known.is_done)) {
                    Some(id) => self.delete(id).await,
                    None => self.stats().await,
                }
            }
            92..97 => match self.pick(|known| known.order.has_key && known.delete == Tried::No) {
                Some(id) => self.repeat(id).await,
                None => self.stats().await,
            },
            97 if self.hive.has_drones() && self.number == 0 => {
                self.hive.crew.replace_one();
                self.book().tally.drones_killed += 1;
                Ok(())
            }
            _ => self.stats().await,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.hive.book.lock().unwrap()
    }

    fn pick(&mut self, wanted: impl Fn(&Known) -> bool) -> Option<u64> {
        let book = self.hive.book.lock().unwrap();
        book.pick(self.number, &mut self.rng, wanted)
    }

    fn open_count(&self) -> usize {
        let book = self.book();
        book.count(self.number, is_open)
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.book().known(id) {
            change(known);
        }
    }

    async fn post(&self, order: &Order, is_other: bool, wait: bool) -> Result<Answer, Broken> {
        let (path, mut headers, body) = order.request(is_other);
        let key = format!("\"key-{}\"", order.number);
        headers.extend(order.has_key.then_some(("idempotency-key", key.as_str())));
        headers.extend(wait.then_some(("prefer", "wait=5")));
        self.hive.life.send("POST", &path, &headers, body).await
    }

    async fn submit(&mut self, order: &Arc<Order>, may_be_gone: bool) -> Result<(), Broken> {
        let newest = self.book().newest();
        // In such a life it may be created, done and removed before anybody sees it.
        let may_be_gone = may_be_gone || self.hive.life.plan.removes() && self.hive.has_drones();
        if self.book().outcome(order.number) == OrderOutcome::Open {
            self.hive.life.add_items(order.total);
        }
        let wait = self.hive.has_drones() && order.shape != Shape::Lines && self.rng.one_in(3);
        let Ok(answer) = self.post(order, false, wait).await else {
            self.book().lost(order, may_be_gone);
            return Err(Broken);
        };
        let mut book = self.book();
        match (answer.status, book.outcome(order.number)) {
            (200 | 201, _) => {
                let view = answer.json();
                let id = view["id"].as_u64().unwrap();
                order.check_view(&view);
                assert_eq!(answer.header("location"), format!("/tasks/{id}"));
                if view["results"].is_array() {
                    assert_eq!(view["results"], order.inline_results());
                }
                book.acknowledged(order, id, newest);
            }
            (503, OrderOutcome::Open) if self.hive.life.plan.keep == Keep::Little => book.never_again(order),
            (410, OrderOutcome::Task(id)) => book.told_gone(id, &self.hive.life.plan),
            (410, OrderOutcome::Open) if may_be_gone => book.never_again(order),
            _ => panic!("{}: {order:?}", answer.text()),
        }
        Ok(())
    }

    /// A key that was acknowledged means that task, and no other.
    async fn repeat(&mut self, id: u64) -> Result<(), Broken> {
        let Some(order) = self.book().known(id).map(|known| Arc::clone(&known.order)) else { return Ok(()) };
        let other = self.post(&order, true, false).await?;
        assert_eq!(other.status, 422, "{}: {order:?}", other.text());
        let same = self.post(&order, false, false).await?;
        match same.status {
            201 => assert_eq!(same.json()["id"], id),
            410 => self.book().told_gone(id, &self.hive.life.plan),
            _ => panic!("{}: {order:?}", same.text()),
        }
        Ok(())
    }

    async fn look(&self, id: u64, prefer: Option<&str>) -> Result<(), Broken> {
        let headers: Vec<_> = prefer.map(|prefer| ("prefer", prefer)).into_iter().collect();
        let answer = self.hive.life.send("GET", &format!("/tasks/{id}"), &headers, String::new()).await?;
        self.take_view(id, &answer);
        Ok(())
    }

    fn take_view(&self, id: u64, answer: &Answer) {
        let mut book = self.book();
        match answer.status {
            200 => {
                let view = answer.json();
                book.shown(&view);
                if view["results"].is_array()
                    && let Some(known) = book.known(id)
                {
                    assert_eq!(view["results"], known.order.inline_results());
                }
            }
            410 => book.told_gone(id, &self.hive.life.plan),
            _ => panic!("task {id}: {}", answer.text()),
        }
    }

    /// Returns the next page.
    async fn page(&self, path: &str) -> Result<(Vec<serde_json::Value>, Option<String>), Broken> {
        let answer = self.hive.life.get(path).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list = answer.json();
        let next = list["next_cursor"].as_str().map(|cursor| format!("/tasks?limit=1000&cursor={cursor}"));
        Ok((list["tasks"].as_array().unwrap().clone(), next))
    }

    async fn list(&self, path: &str) -> Result<(), Broken> {
        // A cancel that is under way may be in it or not, so only the others are looked at.
        let (tasks, _) = self.page(path).await?;
        let mut book = self.book();
        tasks.iter().filter(|task| task["state"] == "done").for_each(|task| book.shown(task));
        Ok(())
    }

    /// All results of a task that is done.
    async fn results(&self, id: u64) -> Result<(), Broken> {
        let Some(order) = self.book().known(id).map(|known| Arc::clone(&known.order)) else { return Ok(()) };
        let answer = self.hive.life.get(&format!("/tasks/{id}/results?format=text")).await?;
        if answer.status == 410 {
            self.book().told_gone(id, &self.hive.life.plan);
            return Ok(());
        }
        assert!(answer.status == 200 && answer.text() == order.results(), "results of task {id}: {}", answer.status);
        self.change(id, |known| known.is_verified = true);
        self.book().tally.verified += 1;
        Ok(())
    }

    async fn cancel(&self, id: u64) -> Result<(), Broken> {
        self.change(id, |known| known.cancel = Tried::Sent);
        let answer = self.hive.life.send("POST", &format!("/tasks/{id}/cancel"), &[], String::new()).await?;
        match answer.status {
            200 => {
                assert_eq!(answer.json()["state"], "cancelled");
                self.change(id, |known| known.cancel = Tried::Acknowledged);
                self.book().tally.cancelled += 1;
            }
            // It is computed already, but that need not be on disk.
            409 => self.change(id, |known| known.cancel = Tried::No),
            410 => self.book().told_gone(id, &self.hive.life.plan),
            _ => panic!("task {id}: {}", answer.text()),
        }
        Ok(())
    }

    async fn delete(&self, id: u64) -> Result<(), Broken> {
        self.change(id, |known| known.delete = Tried::Sent);
        let answer = self.hive.life.send("DELETE", &format!("/tasks/{id}"), &[], String::new()).await?;
        match answer.status {
            204 => self.change(id, |known| known.delete = Tried::Acknowledged),
            410 => self.book().told_gone(id, &self.hive.life.plan),
            _ => panic!("task {id}: {}", answer.text()),
        }
        Ok(())
    }

    /// Nothing is computed twice: not what was on disk when she took over either.
    async fn stats(&self) -> Result<(), Broken> {
        let stats = self.hive.life.get("/stats").await?.json();
        let computed = stats["items_done"].as_u64().unwrap();
        assert!(computed <= self.hive.life.items(), "{computed} items were computed of {}", self.hive.life.items());
        Ok(())
    }

    /// The Queen has come back: she shows what was on disk.
    pub async fn survey(&mut self, disk: &Disk) -> Result<(), Broken> {
        let ready = self.hive.life.get("/readyz").await?;
        // What has not ended may take more than finished tasks can make room for.
        let is_full = self.hive.life.plan.keep == Keep::Little && ready.text().contains("--max-data");
        assert!(ready.status == 200 || is_full, "{}", ready.text());
        for (id, row) in disk.tasks.iter().filter(|(_, row)| row.state == LIVE) {
            let answer = self.hive.life.get(&format!("/tasks/{id}")).await?;
            self.take_view(*id, &answer);
            let done = (answer.status == 200).then(|| answer.json()["done"].as_u64().unwrap());
            assert!(done.is_none_or(|done| done >= row.done), "{} were done: {}", row.done, answer.text());
        }
        let mut next = Some("/tasks?limit=1000".to_owned());
        let mut missing: Vec<u64> = disk.tasks.keys().copied().collect();
        while let Some(path) = next {
            let tasks;
            (tasks, next) = self.page(&path).await?;
            for task in tasks {
                self.book().shown(&task);
                missing.retain(|id| task["id"] != *id);
                let was_done = disk.tasks.get(&task["id"].as_u64().unwrap()).is_some_and(|row| row.state == DONE);
                assert!(!was_done || task["state"] == "done", "{task}");
            }
        }
        for id in missing {
            self.book().told_gone(id, &self.hive.life.plan);
        }
        let gone = self.hive.book.lock().unwrap().some_gone(&mut self.rng);
        if let Some(id) = gone {
            assert_eq!(self.hive.life.get(&format!("/tasks/{id}")).await?.status, 410, "task {id}");
        }
        let next = disk.next_task + 1_000_000;
        assert_eq!(self.hive.life.get(&format!("/tasks/{next}")).await?.status, 404);
        self.stats().await
    }

    /// Leaves a task half done: nobody computes in this life any more.
    pub async fn begin_long(&mut self) -> Result<(), Broken> {
        let order = self.hive.book.lock().unwrap().ask(|number| Order::long(number, self.number, &mut self.rng));
        self.submit(&order, false).await?;
        let OrderOutcome::Task(id) = self.book().outcome(order.number) else { panic!("{order:?} is no task") };
        while self.hive.life.get(&format!("/tasks/{id}")).await?.json()["done"] == 0 {
            look_again().await;
        }
        self.hive.crew.halt();
        Ok(())
    }

    /// Everything is finished, and compared; it took no more than had to be computed.
    pub async fn settle(&self) -> Result<(), Broken> {
        let ids = self.book().ids();
        for id in &ids {
            while self.book().known(*id).is_some_and(|known| is_open(known)) {
                self.look(*id, Some("wait=60")).await?;
            }
        }
        let stats = self.hive.life.get("/stats").await?.json();
        assert_eq!(stats["items_done"], self.hive.life.items(), "computed again, or not at all: {stats}");
        for id in ids {
            if self.book().known(id).is_some_and(|known| known.is_done && !known.is_verified) {
                self.results(id).await?;
            }
        }
        Ok(())
    }
}
