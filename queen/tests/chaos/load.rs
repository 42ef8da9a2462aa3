//! What a client does meanwhile. A new step is a variant, a row in [`STEPS`], and what it does
//! in [`Client::step`].

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::hive::Hive;
use super::support::order::{Algorithm, Order, Rng, Shape};

/// Tasks of one client that may be open; with more, it waits for one. From what cost on, in
/// compressions, it asks for words alone.
const OPEN: usize = 10;
const OPEN_COST: u64 = 5_000_000;

pub struct Client {
    pub number: usize,
    pub hive: Arc<Hive>,
    pub book: Arc<Mutex<Book>>,
    pub rng: Rng,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Submit,
    Look,
    Wait,
    Read,
    List,
    Cancel,
    Pause,
}

/// Every step, and how often it is taken of all.
const STEPS: &[(Step, u64)] = &[
    (Step::Submit, 60),
    (Step::Look, 10),
    (Step::Wait, 10),
    (Step::Read, 6),
    (Step::List, 4),
    (Step::Cancel, 3),
    (Step::Pause, 4),
];

/// One order, of what people ask for; `is_word`: of the smallest kind.
fn order(number: u64, owner: usize, is_word: bool, rng: &mut Rng) -> Order {
    let (shape, total, algorithm, iterations) = match rng.below(if is_word { 45 } else { 100 }) {
        0..45 => (Shape::Single, 1, Algorithm::Sha256, 0),
        45..55 => (Shape::Batch, 2 + rng.below(60), Algorithm::Hmac, 0),
        55..70 => (Shape::Lines, 1_000 + rng.below(6_000), Algorithm::Sha256, 0),
        70..78 => (Shape::Lines, 1_000 + rng.below(6_000), Algorithm::Hmac, 0),
        78..90 => (Shape::Batch, 1 + rng.below(8), Algorithm::Pbkdf2, 5_000 + rng.below(80_000)),
        90..98 => (Shape::Lines, 1_500 + rng.below(1_000), Algorithm::Pbkdf2, 100 + rng.below(300)),
        _ => (Shape::Lines, 100_000 + rng.below(200_000), Algorithm::Sha256, 0),
    };
    Order {
        number,
        owner,
        shape,
        total,
        algorithm,
        iterations,
        is_hex: shape == Shape::Batch && rng.one_in(4),
        is_named: shape != Shape::Single || rng.one_in(2),
        priority: if rng.one_in(3) { rng.below(201) as i64 - 100 } else { 0 },
        // So that each order becomes one task, whatever becomes of its answer.
        has_key: true,
        digests: OnceLock::new(),
    }
}

fn cost(order: &Order) -> u64 {
    order.total * (2 * order.iterations).max(2)
}

impl Client {
    /// Works until it is enough.
    pub async fn work(mut self, is_enough: CancellationToken) {
        while !is_enough.is_cancelled() {
            self.step().await;
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// How many of its tasks are open, and what they cost.
    fn open(&self) -> (usize, u64) {
        let book = self.book();
        book.open(self.number).fold((0, 0), |(count, sum), known| (count + 1, sum + cost(&known.order)))
    }

    async fn step(&mut self) {
        let all = STEPS.iter().map(|(_, weight)| weight).sum();
        let mut left = self.rng.below(all);
        let is_next = |(_, weight): &&(Step, u64)| {
            let rest = left.checked_sub(*weight);
            left = rest.unwrap_or(0);
            rest.is_none()
        };
        let step = STEPS.iter().find(is_next).unwrap().0;
        let (count, cost) = self.open();
        let open = self.book.lock().unwrap().pick(self.number, &mut self.rng);
        match (step, open) {
            (Step::List, _) => self.list().await,
            (Step::Submit, _) | (_, None) if count < OPEN => self.submit(cost >= OPEN_COST).await,
            (Step::Look, Some(id)) => self.look(id, &[]).await,
            (Step::Read, Some(id)) => self.read(id).await,
            (Step::Cancel, Some(id)) => self.cancel(id).await,
            (Step::Pause, Some(id)) => self.pause(id).await,
            (Step::Submit | Step::Wait, Some(id)) => self.look(id, &[("prefer", "wait=1")]).await,
            (_, None) => unreachable!("who has nothing open is not busy"),
        }
    }

    async fn submit(&mut self, is_word: bool) {
        let number = self.book().number();
        let order = Arc::new(order(number, self.number, is_word, &mut self.rng));
        let (path, mut headers, body) = order.request(false);
        let key = format!("\"order-{number}\"");
        headers.push(("idempotency-key", &key));
        headers.extend((order.total == 1 && self.rng.one_in(2)).then_some(("prefer", "wait=2")));
        let (answer, tries) = self.hive.ask("POST", &path, &headers, &body).await;
        assert!(matches!(answer.status, 200 | 201), "{}: {order:?}", answer.text());
        let view = answer.json();
        order.check_view(&view);
        if view["results"].is_array() {
            assert_eq!(view["results"], order.inline_results());
        }
        self.book().acknowledged(&order, view["id"].as_u64().unwrap());
        self.hive.tally.add("submissions sent again", tries - 1);
    }

    async fn look(&self, id: u64, headers: &[(&str, &str)]) {
        let (answer, _) = self.hive.ask("GET", &format!("/tasks/{id}"), headers, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.book().shown(&answer.json());
    }

    /// What is finished of a task that runs.
    async fn read(&self, id: u64) {
        let path = format!("/tasks/{id}/results?format=text&partial=1&limit=2000");
        let (answer, _) = self.hive.ask("GET", &path, &[], "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let order = self.book().order(id);
        if let Err(difference) = compare(&order, &text, text.lines().count() as u64) {
            panic!("task {id}: {difference}");
        }
        self.hive.tally.add("digests compared while their task ran", text.lines().count() as u64);
    }

    async fn list(&self) {
        // Anything but `done` may have changed since.
        let list = self.hive.get("/tasks?limit=100&state=done").await;
        let mut book = self.book();
        list["tasks"].as_array().unwrap().iter().for_each(|view| book.shown(view));
    }

    async fn pause(&self, id: u64) {
        for verb in ["pause", "resume"] {
            let (answer, _) = self.hive.ask("POST", &format!("/tasks/{id}/{verb}"), &[], "").await;
            match answer.status {
                200 => self.book().shown(&answer.json()),
                409 => {}
                _ => panic!("task {id}: {}", answer.text()),
            }
        }
    }

    async fn cancel(&self, id: u64) {
        let (answer, _) = self.hive.ask("POST", &format!("/tasks/{id}/cancel"), &[], "").await;
        match answer.status {
            200 => self.book().cancelled(&answer.json()),
            // It is computed already, but that need not be on disk.
            409 => {}
            _ => panic!("task {id}: {}", answer.text()),
        }
    }
}

/// Compares results with what has to come of the first inputs; how they differ.
pub fn compare(order: &Order, text: &str, count: u64) -> Result<(), String> {
    let mut lines = text.lines();
    for index in 0..count {
        let expected = format!("{}  {}", const_hex::encode(order.digest(index)), order.input(index));
        let found = lines.next();
        if found != Some(&expected) {
            return Err(format!("row {index} is {found:?} instead of {expected:?} in {order:?}"));
        }
    }
    match lines.count() {
        0 => Ok(()),
        more => Err(format!("{more} rows too many in {order:?}")),
    }
}
