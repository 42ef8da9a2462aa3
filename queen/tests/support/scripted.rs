//! A Drone that does exactly what a test says, byte for byte by the protocol.
#![allow(clippy::expect_used, reason = "a test says what it waited for")]

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wire::codec::{FrameReader, FrameWriter, read_preface};
use wire::frame::{MAX_TO_DRONE, MAX_TO_QUEEN, decode};
use wire::greeting::{Greeting, Incoming, Outgoing};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, SeatSecret, TaskId};
use wire::material::{KeptMaterial, MaterialId};
use wire::message::{Adoption, Offered, Output, Progress, ToDrone, ToQueen};
use wire::preface::{Preface, Role};
use wire::proof::{Keys, MAC_BYTES};
use wire::work::{Algorithm, Chunk, ChunkOutput, Class, Digests, Kind};

use super::protection::{self, Entry};
use super::searching::SearchedFor;

/// Slow, so that its leases are short, and a second of silence is long.
const RATE: u64 = 1_000_000;

/// Candidates of a part of a search.
const PART: u64 = 8192;

/// How often one that is left alone sends heartbeats.
const BEAT: Duration = Duration::from_millis(50);

/// How much material one keeps, in bytes.
const KEEPS: u64 = 32 << 20;

/// Material by its name, as far as it came.
pub type Kept = BTreeMap<MaterialId, Vec<u8>>;

/// A connection.
pub struct Scripted {
    reader: FrameReader<Incoming>,
    writer: FrameWriter<Outgoing>,
    pub id: DroneId,
    pub epoch: Epoch,
    pub seat: SeatSecret,
    pub material: Kept,
    waiting: VecDeque<Heard>,
}

/// A lease, and what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    pub id: LeaseId,
    pub epoch: Epoch,
    pub task: TaskId,
    pub instance: Instance,
    pub from: u64,
    pub to: u64,
    pub inputs: Vec<Vec<u8>>,
    pub pbkdf2: Option<(Vec<u8>, u32)>,
    pub material: Option<MaterialId>,
    /// What is to be searched, if it is a lease of a search.
    pub search: Option<Box<SearchedFor>>,
}

/// What the Queen said.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Work(Lease),
    Shrink {
        lease: LeaseId,
        end: u64,
    },
    Heartbeat,
    Goodbye(String),
    Stored(u64),
    Drain,
    /// A piece of material, and how much of that is there now.
    Material(MaterialId, usize),
    Forget(MaterialId),
}

/// What one that is left alone was asked to compute.
pub type Asked = Arc<Mutex<Vec<(u64, Range<u64>)>>>;

/// Whether the digest of an index is to be wrong.
type Lies = dyn FnMut(&Lease, u64) -> bool + Send;

/// What becomes of the marks of a part.
type Edit = dyn FnMut(&Lease, Range<u64>, &mut Vec<u64>) + Send;

/// What one that is left alone does with its leases.
enum Conduct {
    Hashing(Box<Lies>),
    Searching(Box<Edit>),
}

/// One that is left alone.
pub struct Alone {
    pub id: DroneId,
    pub asked: Asked,
    running: JoinHandle<()>,
}

impl Lease {
    /// The right digest.
    pub fn digest(&self, index: u64) -> [u8; 32] {
        let input = &self.inputs[(index - self.from) as usize];
        match &self.pbkdf2 {
            None => Sha256::digest(input).into(),
            Some((salt, iterations)) => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(input, salt, *iterations),
        }
    }

    pub fn range(&self) -> Range<u64> {
        self.from..self.to
    }

    /// As it is offered on the next connection.
    pub fn offered(&self) -> Offered {
        let Self { id, epoch, task, instance, from, to, .. } = *self;
        Offered { lease: id, epoch, task, instance, from, to }
    }

    /// As it is called after it was adopted.
    pub fn adopted(&self, by: &Scripted, adoption: Adoption) -> Self {
        let (start, end) = ((adoption.from - self.from) as usize, (adoption.to - self.from) as usize);
        let inputs = self.inputs[start..end].to_vec();
        Self { id: adoption.lease, epoch: by.epoch, from: adoption.from, to: adoption.to, inputs, ..self.clone() }
    }
}

impl Scripted {
    /// A new process.
    pub async fn start(queen: impl Into<Entry>, name: &str) -> Self {
        Self::connect(queen, name, SeatSecret::random().unwrap()).await
    }

    /// A new connection of a process that holds nothing.
    pub async fn connect(queen: impl Into<Entry>, name: &str, seat: SeatSecret) -> Self {
        let (drone, adopted) = Self::offer(queen, name, seat, &[]).await;
        assert_eq!(adopted, []);
        drone
    }

    /// A new connection of a process that offers what it holds.
    pub async fn offer(
        queen: impl Into<Entry>,
        name: &str,
        seat: SeatSecret,
        held: &[Offered],
    ) -> (Self, Vec<Option<Adoption>>) {
        Self::offer_all(queen, &hello(name, seat), held, Kept::new()).await
    }

    /// A new connection of a process that says this of itself, and offers leases and material.
    pub async fn offer_all(
        queen: impl Into<Entry>,
        hello: &FromDrone<'_>,
        held: &[Offered],
        material: Kept,
    ) -> (Self, Vec<Option<Adoption>>) {
        let mut drone = Self::introduce(queen, hello).await.expect("it is welcome");
        let kept = material.iter().map(|(id, bytes)| KeptMaterial { id: *id, bytes: bytes.len() as u64 });
        let kept = kept.collect::<Vec<_>>().into();
        drone.material = material;
        drone.say(&ToQueen::Offer { leases: held.to_vec().into(), material: kept }).await;
        loop {
            let body = drone.reader.next(MAX_TO_DRONE).await.unwrap().expect("the Queen answers");
            match decode(&body).unwrap() {
                ToDrone::Adopted { leases } => return (drone, leases.0),
                // The disk takes its time, and she says that she lives.
                ToDrone::Heartbeat => {}
                other => panic!("an offer is answered first, not by {other:?}"),
            }
        }
    }

    /// A new connection of a process, which has said nothing yet.
    pub async fn welcome(queen: impl Into<Entry>, name: &str, seat: SeatSecret) -> Self {
        Self::try_welcome(queen, name, seat).await.expect("it is welcome")
    }

    /// The same, or why it is refused.
    pub async fn try_welcome(queen: impl Into<Entry>, name: &str, seat: SeatSecret) -> Result<Self, String> {
        Self::introduce(queen, &hello(name, seat)).await
    }

    /// The same of one that says this of itself.
    pub async fn introduce(queen: impl Into<Entry>, hello: &FromDrone<'_>) -> Result<Self, String> {
        let FromDrone::Hello { seat, .. } = *hello else { panic!("not a hello: {hello:?}") };
        let entry = queen.into();
        let (mut greeting, keys) = greet(&entry).await;
        greeting.say(hello).await.unwrap();
        loop {
            let body = greeting.hear().await.unwrap().expect("the Queen answers");
            match (decode(&body).unwrap(), &entry.file, &keys) {
                (FromQueen::Challenge { .. }, Some(file), Some(keys)) => {
                    let proof = FromDrone::Proof { secret: &file.name, mac: [0; MAC_BYTES] };
                    greeting.say_signed(&proof, Role::Drone, keys).await.unwrap();
                }
                (FromQueen::Welcome { drone: id, epoch, mac, .. }, _, keys) => {
                    let proves = |keys| mac.is_some_and(|mac| greeting.proves(&mac, Role::Queen, keys));
                    assert!(keys.as_ref().map_or(mac.is_none(), proves), "the Queen proves who she is");
                    let Greeting { reader, writer, .. } = greeting;
                    let (material, waiting) = (Kept::new(), VecDeque::new());
                    return Ok(Self { reader, writer, id, epoch, seat, material, waiting });
                }
                (FromQueen::Refused { reason }, ..) => return Err(reason.to_owned()),
                (FromQueen::Challenge { .. }, ..) => panic!("a challenge without TLS"),
            }
        }
    }

    /// What the Queen says next; `None` if she has closed.
    pub async fn hear(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.waiting.pop_front() {
                return Some(heard);
            }
            let body = self.reader.next(MAX_TO_DRONE).await.ok().flatten()?;
            let one = |heard| VecDeque::from([heard]);
            self.waiting = match decode(&body).unwrap() {
                ToDrone::Work { leases } => {
                    leases.0.iter().map(|lease| Heard::Work(owned(lease, &self.material))).collect()
                }
                ToDrone::Shrink { lease, epoch: _, end } => one(Heard::Shrink { lease, end }),
                ToDrone::Heartbeat => one(Heard::Heartbeat),
                ToDrone::Goodbye { reason } => one(Heard::Goodbye(reason.into())),
                ToDrone::Stored { outputs } => one(Heard::Stored(outputs)),
                ToDrone::Drain => one(Heard::Drain),
                ToDrone::Material { id, total, offset, bytes } => {
                    let kept = self.material.entry(id).or_default();
                    assert_eq!(kept.len() as u64, offset, "pieces come in order, and once");
                    kept.extend(bytes);
                    assert!(kept.len() as u64 != total || MaterialId::of(kept) == id, "its name is its SHA-256");
                    one(Heard::Material(id, kept.len()))
                }
                ToDrone::Forget { id } => {
                    self.material.remove(&id).expect("it has what it is to forget");
                    one(Heard::Forget(id))
                }
                ToDrone::Adopted { .. } => panic!("an offer is answered once"),
            };
        }
    }

    /// The first thing that the Queen says from now on of which something can be made.
    pub async fn until<T>(&mut self, what: impl Fn(&Heard) -> Option<T>) -> T {
        loop {
            let heard = self.hear().await.expect("the Queen closed the connection");
            if let Some(found) = what(&heard) {
                return found;
            }
        }
    }

    /// The next lease.
    pub async fn work(&mut self) -> Lease {
        self.until(|heard| if let Heard::Work(lease) = heard { Some(lease.clone()) } else { None }).await
    }

    /// The new end of a lease.
    pub async fn shrink(&mut self, of: LeaseId) -> u64 {
        self.until(|heard| match heard {
            Heard::Shrink { lease, end } if *lease == of => Some(*end),
            _ => None,
        })
        .await
    }

    /// Waits for a receipt of so many outputs.
    pub async fn stored(&mut self, count: u64) {
        let so_many = |heard: &Heard| if let Heard::Stored(count) = heard { Some(*count) } else { None };
        loop {
            let outputs = self.until(so_many).await;
            assert!(outputs <= count, "{outputs} outputs are stored of {count}");
            if outputs == count {
                return;
            }
        }
    }

    /// Waits until the Queen has closed; her goodbye.
    pub async fn closed(&mut self) -> Option<String> {
        let mut last = None;
        while let Some(heard) = self.hear().await {
            if let Heard::Goodbye(reason) = heard {
                last = Some(reason);
            }
        }
        last
    }

    pub async fn say(&mut self, message: &ToQueen<'_>) {
        self.try_say(message).await.unwrap();
    }

    /// Where the Queen may have closed.
    pub async fn try_say(&mut self, message: &ToQueen<'_>) -> std::io::Result<()> {
        self.writer.push(message, MAX_TO_QUEEN).unwrap();
        self.writer.flush().await
    }

    /// Bytes that need not be a message.
    pub async fn say_bytes(&mut self, bytes: &[u8]) {
        self.writer.inner().write_all(bytes).await.unwrap();
        self.writer.inner().flush().await.unwrap();
    }

    /// The right results of a lease.
    pub async fn give(&mut self, lease: &Lease) {
        self.give_with(lease, lease.range(), |_| false).await;
    }

    /// Results of a part of a lease, some of them wrong.
    pub async fn give_with(&mut self, lease: &Lease, part: Range<u64>, lies: impl FnMut(u64) -> bool) {
        self.try_give(lease, part, lies).await.unwrap();
    }

    pub async fn try_give(
        &mut self,
        lease: &Lease,
        part: Range<u64>,
        mut lies: impl FnMut(u64) -> bool,
    ) -> std::io::Result<()> {
        let digests = part.clone().flat_map(|index| if lies(index) { [0xBE; 32] } else { lease.digest(index) });
        self.try_give_as(lease, part, &digests.collect::<Vec<u8>>()).await
    }

    /// Whatever results of whatever part of a lease.
    pub async fn give_as(&mut self, lease: &Lease, part: Range<u64>, digests: &[u8]) {
        self.try_give_as(lease, part, digests).await.unwrap();
    }

    async fn try_give_as(&mut self, lease: &Lease, part: Range<u64>, digests: &[u8]) -> std::io::Result<()> {
        let output = Output {
            lease: lease.id,
            epoch: lease.epoch,
            from: part.start,
            to: part.end,
            spent_ns: 1000,
            output: ChunkOutput::Digests(Digests::new(digests).unwrap()),
        };
        self.try_say(&ToQueen::Outputs { outputs: vec![output].into() }).await
    }

    /// Takes the next lease of a task, gives its results, and waits until they are stored; there
    /// were so many outputs before.
    pub async fn begin(&mut self, task: u64, outputs: u64) {
        let lease = loop {
            let lease = self.work().await;
            if lease.task == TaskId(task) {
                break lease;
            }
        };
        self.give(&lease).await;
        self.stored(outputs + 1).await;
    }

    /// Leaves for good; what it holds goes to others.
    pub async fn leave(mut self) {
        self.say(&ToQueen::Leaving).await;
    }

    /// It cannot compute a lease.
    pub async fn fail(&mut self, lease: &Lease, reason: &str) {
        self.say(&ToQueen::Failed { lease: lease.id, epoch: lease.epoch, reason }).await;
    }

    /// It has begun with these, and has computed so much since it started.
    pub async fn beat(&mut self, holds: &[&Lease], compressions: u64) {
        let _ = self.try_beat(holds, compressions).await;
    }

    async fn try_beat(&mut self, holds: &[&Lease], compressions: u64) -> std::io::Result<()> {
        let named = |lease: &&Lease| Progress { lease: lease.id, epoch: lease.epoch, reached: lease.from, begun: true };
        let progress = holds.iter().map(named).collect::<Vec<_>>().into();
        self.try_say(&ToQueen::Heartbeat { progress, compressions, busy_ns: 0 }).await
    }

    /// The same, and waits for the answer; whatever comes before that is heard later. False if
    /// the Queen says goodbye instead.
    pub async fn beats(&mut self, holds: &[&Lease], compressions: u64) -> bool {
        self.beat(holds, compressions).await;
        let mut before = VecDeque::new();
        let is_answered = loop {
            match self.hear().await.expect("the Queen says goodbye before she closes") {
                Heard::Heartbeat => break true,
                heard => before.push_back(heard),
            }
            if matches!(before.back(), Some(Heard::Goodbye(_))) {
                break false;
            }
        };
        before.append(&mut self.waiting);
        self.waiting = before;
        is_answered
    }

    /// Computes whatever comes from now on, some of it wrong.
    pub fn alone(self, lies: impl FnMut(&Lease, u64) -> bool + Send + 'static) -> Alone {
        self.left_with(Conduct::Hashing(Box::new(lies)))
    }

    /// Computes whatever comes from now on.
    pub fn honest(self) -> Alone {
        self.alone(|_, _| false)
    }

    /// Searches whatever comes from now on, part by part, and tells what `edit` leaves of the marks of each.
    pub fn searching(self, edit: impl FnMut(&Lease, Range<u64>, &mut Vec<u64>) + Send + 'static) -> Alone {
        self.left_with(Conduct::Searching(Box::new(edit)))
    }

    fn left_with(mut self, mut conduct: Conduct) -> Alone {
        let asked = Asked::default();
        let (id, asking) = (self.id, Arc::clone(&asked));
        let running = tokio::spawn(async move {
            let mut beats = tokio::time::interval(BEAT);
            loop {
                let went = tokio::select! {
                    heard = self.hear() => match heard {
                        Some(Heard::Work(lease)) => {
                            asking.lock().unwrap().push((lease.task.0, lease.range()));
                            match &mut conduct {
                                Conduct::Hashing(lies) => {
                                    self.try_give(&lease, lease.range(), |index| lies(&lease, index)).await
                                }
                                Conduct::Searching(edit) => self.try_search(&lease, edit).await,
                            }
                        }
                        Some(_) => Ok(()),
                        None => return,
                    },
                    _ = beats.tick() => self.try_beat(&[], 0).await,
                };
                if went.is_err() {
                    return;
                }
            }
        });
        Alone { id, asked, running }
    }

    /// The marks of a part of a lease.
    pub async fn give_marks(&mut self, lease: &Lease, part: Range<u64>) {
        let search = lease.search.as_ref().expect("it is asked to search");
        self.try_give_marks(lease, part.clone(), &search.marks(part), 1000).await.unwrap();
    }

    async fn try_give_marks(
        &mut self,
        lease: &Lease,
        part: Range<u64>,
        marks: &[u64],
        spent_ns: u64,
    ) -> std::io::Result<()> {
        let written = SearchedFor::written(marks, part.start);
        let output = Output {
            lease: lease.id,
            epoch: lease.epoch,
            from: part.start,
            to: part.end,
            spent_ns,
            output: ChunkOutput::Marks(&written),
        };
        self.try_say(&ToQueen::Outputs { outputs: vec![output].into() }).await
    }

    async fn try_search(&mut self, lease: &Lease, edit: &mut Edit) -> std::io::Result<()> {
        let search = lease.search.as_ref().expect("it is asked to search");
        let mut start = lease.from;
        while start < lease.to {
            let part = start..lease.to.min(start + PART);
            let mut marks = search.marks(part.clone());
            edit(lease, part.clone(), &mut marks);
            let spent_ns = 1000 * (part.end - part.start);
            self.try_give_marks(lease, part.clone(), &marks, spent_ns).await?;
            start = part.end;
        }
        Ok(())
    }
}

impl Alone {
    /// Disappears without a word.
    pub async fn vanish(self) {
        self.running.abort();
        let _ = self.running.await;
    }

    /// Of how many items of a task it was asked.
    pub fn asked_of(&self, task: u64) -> u64 {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(of, _)| *of == task).map(|(_, range)| range.end - range.start).sum()
    }
}

/// What a Drone with one thread says of itself.
pub fn hello(name: &str, seat: SeatSecret) -> FromDrone<'_> {
    hello_of(name, seat, KEEPS)
}

/// The same of one that keeps so many bytes of material.
pub fn hello_of(name: &str, seat: SeatSecret, keeps: u64) -> FromDrone<'_> {
    let kinds = vec![Kind::DIGEST, Kind::SEARCH].into();
    let rate = |class| Rate { class, compressions_per_second: RATE, lanes: 1, kernel: "none" };
    let rates = Class::ALL.map(rate).to_vec().into();
    let (software, nonce) = ("a test", [0; 32]);
    FromDrone::Hello { name, software, seat, threads: 1, kinds, rates, material: keeps, nonce }
}

/// A connection up to the prefaces.
pub async fn knock(queen: impl Into<Entry>) -> (FrameReader<Incoming>, FrameWriter<Outgoing>) {
    let Greeting { reader, writer, .. } = greet(&queen.into()).await.0;
    (reader, writer)
}

/// The same, and with what proofs are made on it.
pub async fn greet(entry: &Entry) -> (Greeting, Option<Keys>) {
    let (mut incoming, mut outgoing, keys): (Incoming, Outgoing, _) = match &entry.file {
        None => {
            let (read, write) = TcpStream::connect(entry.queen).await.unwrap().into_split();
            (Box::new(read), Box::new(write), None)
        }
        Some(file) => {
            let (stream, keys) = protection::connect(entry.queen, file).await.unwrap();
            let (read, write) = tokio::io::split(stream);
            (Box::new(read), Box::new(write), Some(keys))
        }
    };
    let ours = Preface::ours(Role::Drone);
    outgoing.write_all(&ours.encode()).await.unwrap();
    outgoing.flush().await.unwrap();
    let preface = read_preface(&mut incoming).await.unwrap();
    (Greeting::new(incoming, outgoing, ours, preface), keys)
}

fn owned(lease: &wire::message::Lease<'_>, kept: &Kept) -> Lease {
    let wire::message::Lease { id, epoch, task, instance, from, to, material, .. } = *lease;
    let material_bytes = material.map(|id| &**kept.get(&id).expect("material comes before a lease that names it"));
    let chunk = match &lease.chunk {
        Chunk::Digest(chunk) => chunk,
        Chunk::Search(chunk) => {
            let (inputs, pbkdf2, search) =
                (Vec::new(), None, Some(SearchedFor::owned(chunk, material_bytes, from).into()));
            return Lease { id, epoch, task, instance, from, to, inputs, pbkdf2, material, search };
        }
    };
    let pbkdf2 = match chunk.algorithm {
        Algorithm::Sha256 => None,
        Algorithm::Pbkdf2HmacSha256 { salt, iterations } => Some((material_bytes.unwrap_or(salt).to_vec(), iterations)),
        _ => panic!("these tests use two algorithms"),
    };
    let inputs = chunk.inputs.iter().map(<[u8]>::to_vec).collect();
    Lease { id, epoch, task, instance, from, to, inputs, pbkdf2, material, search: None }
}
