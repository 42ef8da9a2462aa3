//! The processes: one Queen, and Drones, each behind a proxy of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::actions::SILENCE;
use super::process::{Consoles, Process};
use super::proxy::Proxy;
use super::support::order::Rng;
use super::support::{Answer, programs, try_send};
use super::tally::Tally;

/// Drones at any time.
pub const DRONES: usize = 4;

/// The Queen's `--memory-limit`, in MiB.
pub const MEMORY_LIMIT: u64 = 64;

/// How long to wait before asking a Queen again who did not answer.
const AGAIN: Duration = Duration::from_millis(20);

/// Everything that runs.
pub struct Hive {
    pub queen: Queen,
    pub slots: Vec<Slot>,
    pub consoles: Consoles,
    pub tally: Tally,
    /// All faults are to end.
    pub healing: CancellationToken,
}

/// The Queen, through all her lives.
pub struct Queen {
    pub http: SocketAddr,
    drones: SocketAddr,
    data: PathBuf,
    life: Mutex<Option<Process>>,
    peak: AtomicU64,
}

/// A place for a Drone.
pub struct Slot {
    pub number: usize,
    pub proxy: Proxy,
    /// Whoever holds it may do something to the process.
    drone: Arc<Mutex<Option<Process>>>,
    /// Whoever holds it may hinder the bytes.
    way: Arc<Mutex<()>>,
    hired: AtomicU64,
}

/// Who has a Drone to himself.
pub type Holder = OwnedMutexGuard<Option<Process>>;

impl Hive {
    pub async fn start(folder: &Path) -> Arc<Self> {
        let consoles = Consoles::new(folder.join("consoles"));
        let queen = Queen::new(folder.join("hive-data"));
        queen.begin(&consoles).await;
        let mut slots = Vec::new();
        for number in 1..=DRONES {
            slots.push(Slot::new(number, Proxy::start(queen.drones).await));
        }
        let hive = Self { queen, slots, consoles, tally: Tally::default(), healing: CancellationToken::new() };
        for slot in &hive.slots {
            let mut holder = Arc::clone(&slot.drone).lock_owned().await;
            *holder = Some(hive.hire(slot));
        }
        Arc::new(hive)
    }

    /// A new Drone for this place.
    pub fn hire(&self, slot: &Slot) -> Process {
        let name = format!("drone-{}.{}", slot.number, slot.hired.fetch_add(1, SeqCst) + 1);
        let mut command = programs::drone();
        command.args(["--queen", &slot.proxy.address.to_string(), "--threads", "1", "--name", &name]);
        Process::start(&name, &mut command, &self.consoles)
    }

    /// One of the Drones to which nobody else is doing something.
    pub fn some_drone(&self, rng: &mut Rng) -> Option<(&Slot, Holder)> {
        self.some(rng, |slot| Arc::clone(&slot.drone).try_lock_owned().ok())
    }

    /// One of the ways on which nobody else put an obstacle.
    pub fn some_way(&self, rng: &mut Rng) -> Option<(&Slot, OwnedMutexGuard<()>)> {
        self.some(rng, |slot| Arc::clone(&slot.way).try_lock_owned().ok())
    }

    fn some<T>(&self, rng: &mut Rng, hold: impl Fn(&Slot) -> Option<T>) -> Option<(&Slot, T)> {
        let first = rng.below(DRONES as u64) as usize;
        self.slots.iter().cycle().skip(first).take(DRONES).find_map(|slot| Some((slot, hold(slot)?)))
    }

    /// Kills the Queen, and starts her again after a pause.
    pub async fn kill_queen(&self, pause: Duration) {
        let mut life = self.queen.life.lock().await;
        if let Some(process) = life.take() {
            self.queen.see(&process);
            process.kill();
        }
        sleep(pause).await;
        *life = Some(self.queen.process(&self.consoles));
    }

    /// One request, sent again until it is answered; and how often that took.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (Answer, u64) {
        let mut tries = 1;
        loop {
            match try_send(self.queen.http, method, path, headers, body.to_owned().into()).await {
                Ok(answer) if answer.status != 503 => return (answer, tries),
                Ok(_) => self.tally.count("answers \"not now\""),
                Err(_) => self.tally.count("requests without an answer"),
            }
            tries += 1;
            sleep(AGAIN).await;
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let (answer, _) = self.ask("GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Asks until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            sleep(AGAIN).await;
        }
    }

    /// The names of the Drones that run.
    pub async fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for slot in &self.slots {
            names.push(slot.drone.lock().await.as_ref().unwrap().name().to_owned());
        }
        names
    }

    /// All Drones leave.
    pub async fn dismiss_drones(&self) {
        for slot in &self.slots {
            let drone = slot.drone.lock().await.take().unwrap();
            let name = drone.name().to_owned();
            let status = drone.dismiss().await;
            assert!(status.success(), "{name} was to leave: {status}");
        }
    }
}

impl Queen {
    /// On addresses of her own, so that nobody else is given her ports between two of her lives.
    fn new(data: PathBuf) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let listeners = [(); 2].map(|()| TcpListener::bind(SocketAddr::from(([127, 79, high, low], 0))).unwrap());
        let [drones, http] = listeners.map(|listener| listener.local_addr().unwrap());
        Self { http, drones, data, life: Mutex::new(None), peak: AtomicU64::new(0) }
    }

    async fn begin(&self, consoles: &Consoles) {
        *self.life.lock().await = Some(self.process(consoles));
    }

    fn process(&self, consoles: &Consoles) -> Process {
        let mut command = programs::queen();
        command.args(["--drone-addr", &self.drones.to_string(), "--http-addr", &self.http.to_string()]);
        command.args(["--memory-limit", &format!("{MEMORY_LIMIT}MiB"), "--data-dir"]).arg(&self.data);
        command.args(["--silence-timeout", &format!("{}s", SILENCE.as_secs())]);
        Process::start("queen", &mut command, consoles)
    }

    fn see(&self, process: &Process) {
        self.peak.fetch_max(process.peak(), SeqCst);
    }

    /// She stops, and leaves her directory in order; the most memory that she ever had resident.
    pub async fn dismiss(&self) -> u64 {
        let process = self.life.lock().await.take().unwrap();
        self.see(&process);
        let status = process.dismiss().await;
        assert!(status.success(), "the Queen was to stop: {status}");
        let checked = programs::output(programs::queen().arg("check").arg("--data-dir").arg(&self.data));
        assert_eq!(checked.0, Some(0), "{}{}", checked.1, checked.2);
        self.peak.load(SeqCst)
    }
}

impl Slot {
    fn new(number: usize, proxy: Proxy) -> Self {
        Self { number, proxy, drone: Arc::default(), way: Arc::default(), hired: AtomicU64::new(0) }
    }

    /// Drones that were started here.
    pub fn hired(&self) -> u64 {
        self.hired.load(SeqCst)
    }
}
