//! A Queen who does what a test tells her, over real sockets.

use std::num::NonZeroUsize;

use bytes::Bytes;
use drone::{Config, Shutdown};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wire::blob::BlobBuf;
use wire::codec::{FrameReader, FrameWriter, read_preface};
use wire::frame::{self, MAX_HANDSHAKE, MAX_TO_DRONE};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, SeatSecret, TaskId};
use wire::material::{MAX_PIECE, MaterialId};
use wire::message::{Adoption, Lease, Offered, Progress, ToDrone, ToQueen};
use wire::preface::{Preface, Role};
use wire::sieve::Marks;
use wire::work::{Algorithm, Chunk, ChunkOutput, Class, DigestChunk, Kind};

pub const EPOCH: Epoch = Epoch(3);

/// A Drone that runs in this process.
pub struct TestDrone {
    pub shutdown: Shutdown,
    pub seat: SeatSecret,
    pub running: JoinHandle<Result<(), drone::Error>>,
}

/// Listens, and starts a Drone that looks for her.
pub async fn start(threads: usize) -> (TcpListener, TestDrone) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shutdown = Shutdown::default();
    let seat = SeatSecret::random().unwrap();
    let config = Config {
        queen: listener.local_addr().unwrap().into(),
        threads: NonZeroUsize::new(threads).unwrap(),
        name: "Maja".to_owned(),
        seat,
        join: None,
        kernel: drone::kernel::Choice::Only(drone::kernel::Kernel::PORTABLE),
        nice: drone::NICE,
        show_words: true,
    };
    let running = tokio::spawn(drone::run(config, shutdown.clone()));
    (listener, TestDrone { shutdown, seat, running })
}

/// What a Drone said, without borrowing.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Output {
        lease: u64,
        from: u64,
        to: u64,
        digests: Vec<u8>,
    },
    /// Likewise of a search: the marks are indices of the task.
    Marks {
        lease: u64,
        from: u64,
        to: u64,
        marks: Vec<u64>,
    },
    Failed {
        lease: u64,
        reason: String,
    },
    HandBack(Vec<u64>),
    Heartbeat {
        progress: Vec<Progress>,
        compressions: u64,
    },
    Leaving,
    Offer(Vec<Offered>),
}

pub struct Hello {
    pub name: String,
    pub seat: SeatSecret,
    pub threads: u16,
    pub kinds: Vec<Kind>,
    pub rates: Vec<(Class, u64, u16, String)>,
}

/// One connection.
pub struct Queen {
    reader: FrameReader<OwnedReadHalf>,
    writer: FrameWriter<OwnedWriteHalf>,
    /// Outputs that shared a frame with the one returned last.
    waiting: std::collections::VecDeque<Heard>,
    /// Outputs heard.
    outputs: u64,
    /// Whether each is stored at once.
    pub stores: bool,
}

/// Takes a connection up to the prefaces.
pub async fn accept(listener: &TcpListener, version: u16) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let preface = Preface { version, role: Role::Queen };
    stream.write_all(&preface.encode()).await.unwrap();
    assert_eq!(read_preface(&mut stream).await.unwrap(), Preface::ours(Role::Drone));
    stream
}

impl Queen {
    /// Takes a connection, welcomes the Drone, and answers the offer of one that holds nothing.
    pub async fn welcome(listener: &TcpListener, heartbeat_ms: u32, silence_ms: u32) -> (Self, Hello) {
        let (mut queen, hello) = Self::greeted(listener, heartbeat_ms, silence_ms).await;
        assert_eq!(queen.offer().await, []);
        queen.adopt(&[]).await;
        (queen, hello)
    }

    /// Takes a connection and welcomes the Drone.
    pub async fn greeted(listener: &TcpListener, heartbeat_ms: u32, silence_ms: u32) -> (Self, Hello) {
        let (mut queen, hello) = Self::hello(listener).await;
        queen.greet(&FromQueen::Welcome { drone: DroneId(1), epoch: EPOCH, heartbeat_ms, silence_ms, mac: None }).await;
        (queen, hello)
    }

    /// Takes a connection up to the Drone's hello.
    pub async fn hello(listener: &TcpListener) -> (Self, Hello) {
        let stream = accept(listener, wire::preface::VERSION).await;
        let (reader, writer) = stream.into_split();
        let (reader, writer) = (FrameReader::new(reader), FrameWriter::new(writer));
        let mut queen = Self { reader, writer, waiting: Default::default(), outputs: 0, stores: true };
        let frame = queen.reader.next(MAX_HANDSHAKE).await.unwrap().unwrap();
        let FromDrone::Hello { name, seat, threads, kinds, rates, .. } = frame::decode(&frame).unwrap() else {
            panic!("a Drone begins with its hello")
        };
        let rate = |rate: &Rate<'_>| (rate.class, rate.compressions_per_second, rate.lanes, rate.kernel.to_owned());
        let rates = rates.0.iter().map(rate).collect();
        (queen, Hello { name: name.to_owned(), seat, threads, kinds: kinds.0, rates })
    }

    /// Asks the Drone for a proof; whether it closes without one.
    pub async fn challenge(mut self) -> bool {
        self.greet(&FromQueen::Challenge { nonce: [1; 32] }).await;
        self.reader.next(MAX_HANDSHAKE).await.unwrap().is_none()
    }

    /// Refuses the Drone.
    pub async fn refuse(mut self, reason: &str) {
        self.greet(&FromQueen::Refused { reason }).await;
    }

    /// Says something to a Drone that may have left already.
    pub async fn say(&mut self, message: &ToDrone<'_>) {
        self.writer.push(message, MAX_TO_DRONE).unwrap();
        let _ = self.writer.flush().await;
    }

    /// What the Drone offers, which it says first: lease, first index, end.
    pub async fn offer(&mut self) -> Vec<(u64, u64, u64)> {
        let Some(Heard::Offer(leases)) = self.hear().await else { panic!("the offer comes first") };
        let offered = |offered: &Offered| {
            assert_eq!((offered.epoch, offered.task, offered.instance), (EPOCH, TaskId(1), Instance([7; 16])));
            (offered.lease.0, offered.from, offered.to)
        };
        leases.iter().map(offered).collect()
    }

    /// Answers the offer: number, first index, end of each lease that goes on.
    pub async fn adopt(&mut self, answers: &[Option<(u64, u64, u64)>]) {
        let adoption = |(lease, from, to)| Adoption { lease: LeaseId(lease), from, to };
        let leases: Vec<_> = answers.iter().map(|answer| answer.map(adoption)).collect();
        self.say(&ToDrone::Adopted { leases: leases.into() }).await;
    }

    /// Sends material.
    pub async fn send_material(&mut self, material: &[u8]) -> MaterialId {
        let (id, total) = (MaterialId::of(material), material.len() as u64);
        for (at, bytes) in material.chunks(MAX_PIECE).enumerate() {
            self.say(&ToDrone::Material { id, total, offset: (at * MAX_PIECE) as u64, bytes }).await;
        }
        id
    }

    /// Leases chunks of task 1.
    pub async fn lease(&mut self, chunks: &[TestChunk<'_>]) {
        let blobs: Vec<BlobBuf> = chunks.iter().map(|chunk| chunk.inputs.iter().collect()).collect();
        let leases = chunks.iter().zip(&blobs).map(|(chunk, inputs)| Lease {
            id: LeaseId(chunk.id),
            epoch: EPOCH,
            task: TaskId(1),
            instance: Instance([7; 16]),
            priority: chunk.priority,
            rank: chunk.rank,
            from: chunk.from,
            to: chunk.from + chunk.inputs.len() as u64,
            material: chunk.material,
            chunk: Chunk::Digest(DigestChunk { algorithm: chunk.algorithm, inputs: inputs.as_blob() }),
        });
        self.say(&ToDrone::Work { leases: leases.collect::<Vec<_>>().into() }).await;
    }

    /// What the Drone says next, `None` when it has closed. Heartbeats are answered.
    pub async fn hear(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.waiting.pop_front() {
                return Some(heard);
            }
            let frame = self.reader.next(MAX_TO_DRONE).await.unwrap()?;
            self.waiting.extend(heard(&frame));
            if let Some(Heard::Output { .. } | Heard::Marks { .. }) = self.waiting.back() {
                self.outputs += self.waiting.len() as u64;
                if self.stores {
                    self.say(&ToDrone::Stored { outputs: self.outputs }).await;
                }
            }
            if let Some(Heard::Heartbeat { .. }) = self.waiting.back() {
                self.say(&ToDrone::Heartbeat).await;
            }
        }
    }

    /// The same, but no heartbeat.
    pub async fn hear_work(&mut self) -> Option<Heard> {
        loop {
            match self.hear().await {
                Some(Heard::Heartbeat { .. }) => {}
                heard => return heard,
            }
        }
    }

    /// All digests of one lease, which must come in order and whole.
    pub async fn digests(&mut self, id: u64, range: std::ops::Range<u64>) -> Vec<u8> {
        let mut all = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let Some(Heard::Output { lease, from, to, digests }) = self.hear_work().await else {
                panic!("lease {id} has no further output")
            };
            assert_eq!((lease, from), (id, next));
            next = to;
            all.extend(digests);
        }
        assert_eq!(next, range.end);
        all
    }

    async fn greet(&mut self, message: &FromQueen<'_>) {
        self.writer.push(message, MAX_HANDSHAKE).unwrap();
        self.writer.flush().await.unwrap();
    }
}

/// A lease to be.
#[derive(Clone)]
pub struct TestChunk<'a> {
    pub id: u64,
    pub from: u64,
    pub priority: i8,
    pub rank: u64,
    pub algorithm: Algorithm<'a>,
    pub material: Option<MaterialId>,
    pub inputs: Vec<Vec<u8>>,
}

impl<'a> TestChunk<'a> {
    pub fn new(id: u64, algorithm: Algorithm<'a>, inputs: Vec<Vec<u8>>) -> Self {
        Self { id, from: 0, priority: 0, rank: id, algorithm, material: None, inputs }
    }
}

fn heard(frame: &Bytes) -> Vec<Heard> {
    match frame::decode(frame).unwrap() {
        ToQueen::Outputs { outputs } => {
            let output = |output: wire::message::Output<'_>| {
                assert_eq!(output.epoch, EPOCH);
                assert!(output.spent_ns > 0);
                let (lease, from, to) = (output.lease.0, output.from, output.to);
                match output.output {
                    ChunkOutput::Digests(digests) => {
                        assert_eq!(digests.len() as u64, to - from);
                        Heard::Output { lease, from, to, digests: digests.bytes().to_vec() }
                    }
                    ChunkOutput::Marks(bytes) => {
                        let marks = Marks::parse(bytes, to - from).unwrap().iter();
                        Heard::Marks { lease, from, to, marks: marks.map(|mark| from + mark).collect() }
                    }
                }
            };
            outputs.0.into_iter().map(output).collect()
        }
        ToQueen::Failed { lease, reason, .. } => vec![Heard::Failed { lease: lease.0, reason: reason.to_owned() }],
        ToQueen::HandBack { leases } => vec![Heard::HandBack(leases.0.iter().map(|(lease, _)| lease.0).collect())],
        ToQueen::Heartbeat { progress, compressions, busy_ns: _ } => {
            vec![Heard::Heartbeat { progress: progress.0, compressions }]
        }
        ToQueen::Leaving => vec![Heard::Leaving],
        ToQueen::Offer { leases, material: _ } => vec![Heard::Offer(leases.0)],
    }
}
