//! Batches over such lives: what was said of each of their tasks has to hold, whatever becomes of
//! the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::crew::Crew;
use super::life::{Keep, Kill, Life, Plan};
use super::order::{Algorithm, Order, Rng, Shape};
use super::support::{Answer, Broken, number};
use super::{CLIENTS, ROUND, check_directory, drone_address, plan};

/// Batches of one client that may be there.
const OPEN: usize = 3;

/// What a client asks for in a life in which nobody kills the Queen meanwhile.
const STEPS: u64 = 60;

/// Inputs that are too many for a record.
const LARGE: u64 = 1_500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberState {
    /// It was computed, or will be.
    Computed,
    Cancelled,
    Gone,
}

use MemberState::{Cancelled, Computed, Gone};

/// A batch, or a task of one, as its client knows it.
#[derive(Debug)]
struct Known {
    /// More than one where an answer is outstanding, or lost.
    may_be: Vec<MemberState>,
    /// Shown as `done`, which means that it is on disk.
    is_done: bool,
    /// A task that is in its batch.
    is_inside: bool,
}

struct Batch {
    order: Order,
    /// `None` while the answer is outstanding, or lost.
    id: Option<u64>,
    entry: Known,
    tasks: Vec<Known>,
}

/// One client in one life, with what it knows.
struct Client {
    number: usize,
    life: Arc<Life>,
    rng: Rng,
    orders: u64,
    batches: Vec<Batch>,
}

impl Known {
    fn new() -> Self {
        Self { may_be: vec![Computed], is_done: false, is_inside: true }
    }

    fn is(&self, state: MemberState) -> bool {
        self.may_be == [state]
    }

    fn is_open(&self) -> bool {
        self.is(Computed) && !self.is_done
    }

    fn has_ended(&self) -> bool {
        self.is(Cancelled) || self.is(Computed) && self.is_done
    }

    fn may_become(&mut self, state: MemberState) {
        if !self.may_be.contains(&state) {
            self.may_be.push(state);
        }
    }

    fn became(&mut self, state: MemberState) {
        self.may_be = vec![state];
    }

    /// The Queen shows it, or says that it is gone.
    fn shown(&mut self, answer: &Answer) {
        let text = answer.text();
        let (state, is_done) = match answer.status {
            410 => (Gone, self.is_done),
            200 => match answer.json()["state"].as_str().unwrap() {
                "done" => (Computed, true),
                "pending" | "running" => (Computed, false),
                "cancelled" => (Cancelled, false),
                _ => panic!("{text}"),
            },
            _ => panic!("{text}"),
        };
        assert!(self.may_be.contains(&state) && is_done >= self.is_done, "{text} is {self:?}");
        self.became(state);
        self.is_done = is_done;
    }
}

impl Batch {
    fn new(order: Order) -> Self {
        let tasks = (0..order.total).map(|_| Known::new()).collect();
        Self { order, id: None, entry: Known::new(), tasks }
    }

    fn task_id(&self, index: usize) -> u64 {
        self.id.unwrap() + 1 + index as u64
    }

    /// Those of its tasks that are changed with it.
    fn inside(&mut self, state: MemberState) -> impl Iterator<Item = &mut Known> {
        self.tasks.iter_mut().filter(move |task| task.is_inside && task.may_be.contains(&state))
    }

    /// A view of one of its tasks, or that it is gone.
    fn shown(&mut self, index: usize, answer: &Answer) {
        let task = &mut self.tasks[index];
        task.shown(answer);
        if answer.status == 200 {
            let view = answer.json();
            task.is_inside = !view["batch"].is_null();
            assert!(!task.is_inside || view["batch"] == self.id.unwrap(), "{view}");
            let digest = const_hex::encode(self.order.digest(index as u64));
            assert!(!task.is_done || view["results"][0]["digest"] == digest, "{view}");
        }
    }

    /// Its results in their order: each is right, and who has none is not in it.
    fn check_rows(&self, text: &str) {
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (end, rows) = rows.split_last().unwrap();
        for (index, (row, task)) in rows.iter().zip(&self.tasks).enumerate() {
            assert_eq!(row["index"], index);
            match row["digest"].as_str() {
                Some(digest) => assert_eq!(digest, const_hex::encode(self.order.digest(index as u64)), "{row}"),
                None => {
                    assert!(row["state"] == "detached" && !(task.is_inside && task.is(Computed)), "{row}: {task:?}")
                }
            }
        }
        assert_eq!(end["next_offset"], rows.len());
        assert!(!self.entry.is_done || rows.len() == self.tasks.len(), "{end} is all of {:?}", self.order);
    }
}

impl Client {
    /// Works until the Queen dies, or for so many steps; says what it knows then.
    async fn work(mut self, steps: u64) -> Vec<Batch> {
        for _ in 0..steps {
            if self.step().await.is_err() {
                break;
            }
        }
        self.batches
    }

    async fn step(&mut self) -> Result<(), Broken> {
        match self.rng.below(100) {
            0..20 if self.batches.iter().filter(|batch| !batch.entry.is(Gone)).count() < OPEN => self.create().await,
            20..36 => self.cancel().await,
            36..42 => self.retry().await,
            42..46 => self.delete().await,
            46..54 => self.amend().await,
            54..60 => self.cancel_batch().await,
            60..66 => self.retry_batch().await,
            66..70 => self.delete_batch().await,
            _ => self.look().await,
        }
    }

    async fn ask(&self, method: &str, id: u64, action: &str) -> Result<Answer, Broken> {
        self.life.send(method, &format!("/tasks/{id}{action}"), &[], String::new()).await
    }

    fn pick_batch(&mut self, wanted: impl Fn(&Known) -> bool) -> Option<usize> {
        let fits = |at: &usize| wanted(&self.batches[*at].entry);
        let found: Vec<usize> = (0..self.batches.len()).filter(fits).collect();
        (!found.is_empty()).then(|| found[self.rng.below(found.len() as u64) as usize])
    }

    /// One of the tasks of which that is true, often of the newest batch: where it is, and its id.
    fn pick(&mut self, wanted: impl Fn(&Known) -> bool) -> Option<(usize, usize, u64)> {
        let fits = |at: &usize| self.batches[*at].tasks.iter().any(&wanted);
        let batches: Vec<usize> = (0..self.batches.len()).filter(fits).collect();
        let newest = *batches.last()?;
        let at = if self.rng.one_in(2) { newest } else { batches[self.rng.below(batches.len() as u64) as usize] };
        let batch = &self.batches[at];
        let tasks: Vec<usize> = (0..batch.tasks.len()).filter(|index| wanted(&batch.tasks[*index])).collect();
        let index = tasks[self.rng.below(tasks.len() as u64) as usize];
        Some((at, index, batch.task_id(index)))
    }

    async fn create(&mut self) -> Result<(), Broken> {
        let has_large = self.batches.iter().any(|batch| batch.tasks.len() as u64 == LARGE && !batch.entry.is(Gone));
        let number = self.orders * CLIENTS as u64 + self.number as u64;
        let order = Order::new(number, self.number, &mut self.rng);
        // Slow enough that there is something to cancel.
        let order = Order { has_key: true, is_named: true, algorithm: Algorithm::Pbkdf2, is_hex: false, ..order };
        let order = match order.shape {
            Shape::Lines if self.number > 0 || has_large => return Ok(()),
            Shape::Lines => Order { total: LARGE, iterations: order.iterations * 10, ..order },
            Shape::Single | Shape::Batch => Order { iterations: order.iterations * 100, ..order },
        };
        self.orders += 1;
        self.batches.push(Batch::new(order));
        self.submit(self.batches.len() - 1).await
    }

    /// Asks for a batch, perhaps once more.
    async fn submit(&mut self, at: usize) -> Result<(), Broken> {
        let batch = &mut self.batches[at];
        let (path, mut headers, body) = batch.order.request(false);
        let path = format!("{path}{}each=task", if path.contains('?') { '&' } else { '?' });
        let key = format!("\"key-{}\"", batch.order.number);
        headers.push(("idempotency-key", &key));
        let answer = self.life.send("POST", &path, &headers, body).await?;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let view = answer.json();
        batch.order.check_view(&view);
        let id = view["id"].as_u64().unwrap();
        assert_eq!(view["first_task"], id + 1);
        batch.id = Some(id);
        Ok(())
    }

    async fn look(&mut self) -> Result<(), Broken> {
        let Some((at, index, id)) = self.pick(|_| true) else { return Ok(()) };
        let answer = self.ask("GET", id, "").await?;
        self.batches[at].shown(index, &answer);
        Ok(())
    }

    async fn cancel(&mut self) -> Result<(), Broken> {
        let Some((at, index, id)) = self.pick(Known::is_open) else { return Ok(()) };
        self.batches[at].tasks[index].may_become(Cancelled);
        let answer = self.ask("POST", id, "/cancel").await?;
        let task = &mut self.batches[at].tasks[index];
        match answer.status {
            200 => (task.is_inside, task.may_be) = (false, vec![Cancelled]),
            // It is computed already, but that need not be on disk.
            409 => task.became(Computed),
            _ => panic!("{}", answer.text()),
        }
        Ok(())
    }

    async fn retry(&mut self) -> Result<(), Broken> {
        let Some((at, index, id)) = self.pick(|task| task.is(Cancelled)) else { return Ok(()) };
        self.batches[at].tasks[index].may_become(Computed);
        let answer = self.ask("POST", id, "/retry").await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let task = &mut self.batches[at].tasks[index];
        (task.is_inside, task.may_be) = (false, vec![Computed]);
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), Broken> {
        let Some((at, index, id)) = self.pick(Known::has_ended) else { return Ok(()) };
        self.batches[at].tasks[index].may_become(Gone);
        let answer = self.ask("DELETE", id, "").await?;
        assert_eq!(answer.status, 204, "{}", answer.text());
        self.batches[at].tasks[index].became(Gone);
        Ok(())
    }

    /// It leaves its batch, and stays what it is.
    async fn amend(&mut self) -> Result<(), Broken> {
        let Some((at, index, id)) = self.pick(Known::is_open) else { return Ok(()) };
        let headers = [("content-type", "application/json")];
        let answer = self.life.send("PATCH", &format!("/tasks/{id}"), &headers, r#"{"priority":3}"#.into()).await?;
        assert!([200, 409].contains(&answer.status), "{}", answer.text());
        self.batches[at].tasks[index].is_inside &= answer.status == 409;
        Ok(())
    }

    async fn cancel_batch(&mut self) -> Result<(), Broken> {
        let Some(at) = self.pick_batch(Known::is_open) else { return Ok(()) };
        let batch = &mut self.batches[at];
        batch.entry.may_become(Cancelled);
        batch.inside(Computed).filter(|task| !task.is_done).for_each(|task| task.may_become(Cancelled));
        let id = batch.id.unwrap();
        let answer = self.ask("POST", id, "/cancel").await?;
        let batch = &mut self.batches[at];
        match answer.status {
            200 => batch.entry.became(Cancelled),
            409 => {
                batch.entry.became(Computed);
                batch.inside(Computed).for_each(|task| task.became(Computed));
                return Ok(());
            }
            _ => panic!("{}", answer.text()),
        }
        for index in 0..batch.tasks.len() {
            let batch = &self.batches[at];
            if batch.tasks[index].may_be.len() > 1 {
                let answer = self.ask("GET", batch.task_id(index), "").await?;
                self.batches[at].shown(index, &answer);
                assert!(!self.batches[at].tasks[index].is_open(), "{}", answer.text());
            }
        }
        Ok(())
    }

    async fn retry_batch(&mut self) -> Result<(), Broken> {
        let Some(at) = self.pick_batch(|entry| entry.is(Cancelled)) else { return Ok(()) };
        let batch = &mut self.batches[at];
        batch.entry.may_become(Computed);
        batch.inside(Cancelled).for_each(|task| task.may_become(Computed));
        let id = batch.id.unwrap();
        let answer = self.ask("POST", id, "/retry").await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let batch = &mut self.batches[at];
        batch.entry.became(Computed);
        batch.inside(Cancelled).for_each(|task| task.became(Computed));
        Ok(())
    }

    async fn delete_batch(&mut self) -> Result<(), Broken> {
        let Some(at) = self.pick_batch(Known::has_ended) else { return Ok(()) };
        let batch = &mut self.batches[at];
        batch.entry.may_become(Gone);
        batch.tasks.iter_mut().filter(|task| task.is_inside).for_each(|task| task.may_become(Gone));
        let id = batch.id.unwrap();
        let answer = self.ask("DELETE", id, "").await?;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let batch = &mut self.batches[at];
        batch.entry.became(Gone);
        batch.inside(Gone).for_each(|task| task.became(Gone));
        Ok(())
    }

    /// Compares all that is known with what the Queen shows; what was asked for in vain is asked
    /// for again. `wait`: everything ends first.
    async fn survey(&mut self, wait: bool) -> Result<(), Broken> {
        let headers: &[_] = if wait { &[("prefer", "wait=60")] } else { &[] };
        for at in 0..self.batches.len() {
            if self.batches[at].id.is_none() {
                self.submit(at).await?;
            }
            for index in 0..self.batches[at].tasks.len() {
                let path = format!("/tasks/{}", self.batches[at].task_id(index));
                while !self.batches[at].tasks[index].is(Gone) {
                    let answer = self.life.send("GET", &path, headers, String::new()).await?;
                    self.batches[at].shown(index, &answer);
                    if !(wait && self.batches[at].tasks[index].is_open()) {
                        break;
                    }
                }
            }
            let path = format!("/tasks/{}", self.batches[at].id.unwrap());
            let answer = self.life.send("GET", &path, headers, String::new()).await?;
            self.batches[at].entry.shown(&answer);
            if answer.status == 200 {
                let rows = self.life.get(&format!("{path}/results")).await?;
                self.batches[at].check_rows(&rows.text());
            }
        }
        Ok(())
    }

    /// The Queen counts what she shows; while nothing is computed.
    async fn count(&self) -> Result<(), Broken> {
        let stats = self.life.get("/stats").await?.json();
        let counted = |state: &str| stats["tasks"][state].as_u64().unwrap();
        let tasks = || self.batches.iter().flat_map(|batch| &batch.tasks);
        let count = |wanted: fn(&Known) -> bool| tasks().filter(|task| wanted(task)).count() as u64;
        let open = counted("pending") + counted("running") + counted("paused");
        let seen = [count(Known::is_open), count(|task| task.is(Computed) && task.is_done), 0];
        assert_eq!([open, counted("done"), counted("failed")], seen, "{stats}");
        assert_eq!(counted("cancelled"), count(|task| task.is(Cancelled)), "{stats}");
        Ok(())
    }
}

#[test]
fn each_task_of_a_batch_outlives_every_kill() {
    let seed = number("HIVE_CRASH_SEED", 1);
    let kills = number("HIVE_CRASH_KILLS", ROUND);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let address = drone_address();
    let mut rng = Rng::new(seed, 1 << 32);
    let crew = Crew::new(address);
    let mut batches = Vec::new();
    let mut tally = BTreeMap::new();

    for life_number in 0..=kills {
        let usual = Plan { keep: Keep::Long, ..plan(life_number, &mut rng) };
        let plan = match usual.kill {
            _ if life_number == kills => Plan { kill: Kill::Never, has_drones: true, settles: true, ..usual },
            Kill::Sent { .. } => Plan { has_drones: usual.settles, ..usual },
            _ => usual,
        };
        crew.hire(plan.has_drones);
        let life = Life::start(plan, &data, address, 0).unwrap_or_else(|error| panic!("life {life_number}: {error}"));
        batches = runtime.block_on(live(&life, batches, seed ^ (life_number << 32)));
        let (status, complaints) = life.end();
        assert!(!complaints.contains("panicked"), "life {life_number}: {complaints}");
        assert_eq!(status.success(), plan.kill == Kill::Never, "life {life_number}: {status}: {complaints}");
        eprintln!("life {life_number}: {:?}, {} batches", plan.kill, batches.len());
        check_directory(&data);
    }
    for task in batches.iter().flat_map(|batch: &Batch| &batch.tasks) {
        *tally.entry((format!("{:?}", task.may_be), task.is_inside)).or_insert(0) += 1;
    }
    println!("seed {seed}: {} batches, their tasks by what they are and whether they stayed: {tally:?}", batches.len());
}

/// From the start of a Queen until she is dead; what is known then.
async fn live(life: &Arc<Life>, batches: Vec<Batch>, seed: u64) -> Vec<Batch> {
    let orders = batches.len() as u64;
    let client = |number: usize, batches| Client {
        number,
        life: Arc::clone(life),
        rng: Rng::new(seed, number as u64),
        orders,
        batches,
    };
    let mut all = client(0, batches);
    let has_survived = survey(&mut all).await.is_ok();
    if has_survived {
        if !life.plan.settles {
            life.arm();
        }
        let steps = if life.plan.settles { STEPS } else { u64::MAX };
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            let own = all.batches.extract_if(.., |batch| batch.order.owner == number).collect();
            clients.spawn(client(number, own).work(steps));
        }
        all.batches = clients.join_all().await.into_iter().flatten().collect();
    }
    if life.plan.settles {
        all.survey(true).await.expect("nobody kills her yet");
        all.count().await.expect("nobody kills her yet");
        match life.plan.kill {
            Kill::Never => life.stop(),
            _ => life.kill(),
        }
    }
    all.batches
}

/// The Queen has come back.
async fn survey(all: &mut Client) -> Result<(), Broken> {
    assert_eq!(all.life.get("/readyz").await?.status, 200);
    all.survey(false).await?;
    match all.life.plan.has_drones {
        true => Ok(()),
        false => all.count().await,
    }
}
