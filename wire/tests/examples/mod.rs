//! One message of each sort, by name: those that `docs/PROTOCOL.md` shows in hex.

use std::collections::BTreeSet;

use bincode::error::{AllowedEnumVariants, DecodeError};
use bincode::{BorrowDecode, Encode};
use sha2::{Digest, Sha256};
use wire::List;
use wire::blob::Blob;
use wire::frame::{self, FrameError, HEADER, MAX_TO_DRONE};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, SeatSecret, TaskId};
use wire::material::{KeptMaterial, MaterialId};
use wire::message::{Adoption, Lease, Offered, Output, Progress, ToDrone, ToQueen};
use wire::preface::{Preface, Role};
use wire::proof::{Keys, MAC_BYTES, Transcript};
use wire::sieve::{DigestOrder, START, Sieve, Values, Word, low_bits, write_marks};
use wire::space::{Candidates, CounterFormat};
use wire::work::{Algorithm, Chunk, ChunkOutput, Class, DigestChunk, Digests, Kind, SearchChunk};

/// The digest of `super_secret_password_123`.
pub const DIGEST: [u8; 32] = [
    0x29, 0x2e, 0x66, 0x40, 0xd6, 0xf9, 0x84, 0x14, 0x1f, 0x5e, 0x36, 0x85, 0x04, 0x7f, 0xa5, 0xa7, 0x11, 0x6b, 0xe7,
    0xaa, 0xe0, 0x35, 0xd0, 0xf2, 0x99, 0xf9, 0x5e, 0xe5, 0xaf, 0x61, 0xea, 0x3d,
];

/// All that has bytes of its own on the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Preface(Preface),
    FromDrone(FromDrone<'static>),
    FromQueen(FromQueen<'static>),
    ToDrone(ToDrone<'static>),
    ToQueen(ToQueen<'static>),
    /// A part of a message; it has no frame.
    Algorithm(Algorithm<'static>),
    /// Likewise.
    Candidates(Candidates<'static>),
    /// Likewise.
    Sieve(Sieve<'static>),
}

impl Said {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Preface(preface) => preface.encode().to_vec(),
            Self::FromDrone(message) => encode(message),
            Self::FromQueen(message) => encode(message),
            Self::ToDrone(message) => encode(message),
            Self::ToQueen(message) => encode(message),
            Self::Algorithm(part) => encode(part).split_off(HEADER),
            Self::Candidates(part) => encode(part).split_off(HEADER),
            Self::Sieve(part) => encode(part).split_off(HEADER),
        }
    }

    /// Decodes `bytes` as the same sort of thing as this one.
    pub fn decode_alike(&self, bytes: &[u8]) -> Self {
        let bytes: &'static [u8] = bytes.to_vec().leak();
        match self {
            Self::Preface(_) => Self::Preface(Preface::decode(bytes.try_into().unwrap()).unwrap()),
            Self::FromDrone(_) => Self::FromDrone(decode(bytes)),
            Self::FromQueen(_) => Self::FromQueen(decode(bytes)),
            Self::ToDrone(_) => Self::ToDrone(decode(bytes)),
            Self::ToQueen(_) => Self::ToQueen(decode(bytes)),
            Self::Algorithm(_) => Self::Algorithm(frame::decode(bytes).unwrap()),
            Self::Candidates(_) => Self::Candidates(frame::decode(bytes).unwrap()),
            Self::Sieve(_) => Self::Sieve(frame::decode(bytes).unwrap()),
        }
    }

    /// Its enum, and its number in that.
    fn variant(&self) -> (&'static str, u32) {
        let (name, at) = match self {
            Self::Preface(_) => ("Preface", Preface::SIZE - 2),
            Self::FromDrone(_) => ("FromDrone", HEADER),
            Self::FromQueen(_) => ("FromQueen", HEADER),
            Self::ToDrone(_) => ("ToDrone", HEADER),
            Self::ToQueen(_) => ("ToQueen", HEADER),
            Self::Algorithm(_) => ("Algorithm", 0),
            Self::Candidates(_) => ("Candidates", 0),
            Self::Sieve(_) => ("Sieve", 0),
        };
        (name, self.encode()[at].into())
    }
}

pub fn encode(message: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(message, MAX_TO_DRONE, &mut bytes).unwrap();
    bytes
}

fn decode<M: BorrowDecode<'static, ()>>(bytes: &'static [u8]) -> M {
    let size = frame::body_len(bytes, MAX_TO_DRONE).unwrap().unwrap();
    assert_eq!(bytes.len(), HEADER + size, "the length of the frame");
    frame::decode(&bytes[HEADER..]).unwrap()
}

/// Checks that each variant of each enum is among the examples, by asking the decoder which
/// numbers it knows.
pub fn assert_complete(examples: &[(&str, Said)]) {
    let seen: BTreeSet<(&str, u32)> = examples.iter().map(|(_, said)| said.variant()).collect();
    let known = [
        ("Algorithm", last::<Algorithm<'_>>()),
        ("Candidates", last::<Candidates<'_>>()),
        ("FromDrone", last::<FromDrone<'_>>()),
        ("FromQueen", last::<FromQueen<'_>>()),
        ("Preface", 1),
        ("Sieve", last::<Sieve<'_>>()),
        ("ToDrone", last::<ToDrone<'_>>()),
        ("ToQueen", last::<ToQueen<'_>>()),
    ];
    let known = known.into_iter().flat_map(|(name, last)| (0..=last).map(move |number| (name, number)));
    assert_eq!(seen, known.collect());
}

/// The number of the last variant of an enum.
fn last<M: BorrowDecode<'static, ()> + std::fmt::Debug>() -> u32 {
    match frame::decode::<M>(&[250]) {
        Err(FrameError::Invalid(DecodeError::UnexpectedVariant {
            allowed: AllowedEnumVariants::Range { max, .. },
            ..
        })) => *max,
        other => panic!("not an unknown variant: {other:?}"),
    }
}

const EPOCH: Epoch = Epoch(1);

/// A key that could stand in the lease as well; material in earnest is longer.
const MATERIAL: &[u8] = b"a long key";

/// The examples in the order of the document.
pub fn examples() -> Vec<(&'static str, Said)> {
    let mut all = conversation();
    all.extend(proofs());
    all.extend(others());
    all.extend(searches());
    all.extend(material());
    all.extend(algorithms());
    all.extend(candidates());
    all.extend(sieves());
    all
}

/// A Drone comes, computes one digest, and leaves.
fn conversation() -> Vec<(&'static str, Said)> {
    let inputs = Blob::parse(b"\x01\0\0\0\x19\0\0\0super_secret_password_123").unwrap();
    let lease = Lease {
        id: LeaseId(7),
        epoch: EPOCH,
        task: TaskId(1),
        instance: Instance(*b"task's instance!"),
        priority: 0,
        rank: 0,
        from: 0,
        to: 1,
        material: None,
        chunk: Chunk::Digest(DigestChunk { algorithm: Algorithm::Sha256, inputs }),
    };
    let output = Output {
        lease: LeaseId(7),
        epoch: EPOCH,
        from: 0,
        to: 1,
        spent_ns: 1800,
        output: ChunkOutput::Digests(Digests::new(&DIGEST).unwrap()),
    };
    vec![
        ("Preface of the Drone", Said::Preface(Preface::ours(Role::Drone))),
        ("Preface of the Queen", Said::Preface(Preface::ours(Role::Queen))),
        ("Hello", hello()),
        ("Welcome", Said::FromQueen(welcome(None))),
        ("Offer of nothing", Said::ToQueen(ToQueen::Offer { leases: List(vec![]), material: List(vec![]) })),
        ("Adopted of nothing", Said::ToDrone(ToDrone::Adopted { leases: List(vec![]) })),
        ("Work", Said::ToDrone(ToDrone::Work { leases: vec![lease].into() })),
        ("Outputs", Said::ToQueen(ToQueen::Outputs { outputs: vec![output].into() })),
        ("Stored", Said::ToDrone(ToDrone::Stored { outputs: 1 })),
        (
            "Heartbeat of the Drone",
            Said::ToQueen(ToQueen::Heartbeat { progress: List(vec![]), compressions: 1, busy_ns: 200 }),
        ),
        ("Heartbeat of the Queen", Said::ToDrone(ToDrone::Heartbeat)),
        ("Leaving", Said::ToQueen(ToQueen::Leaving)),
    ]
}

fn hello() -> Said {
    let rate = |class, compressions_per_second, lanes, kernel| Rate { class, compressions_per_second, lanes, kernel };
    let rates = vec![rate(Class::SHORT, 20_000_000, 4, "sha-ni"), rate(Class::PBKDF2, 30_000_000, 16, "avx512")];
    Said::FromDrone(FromDrone::Hello {
        name: "bee-1",
        software: "drone 0.1.0",
        seat: SeatSecret(*b"drone's seat: any 32 random b's!"),
        threads: 4,
        kinds: vec![Kind::DIGEST].into(),
        rates: rates.into(),
        material: 32 << 20,
        nonce: *b"drone's nonce: any 32 random b's",
    })
}

fn welcome(mac: Option<[u8; MAC_BYTES]>) -> FromQueen<'static> {
    FromQueen::Welcome { drone: DroneId(1), epoch: EPOCH, heartbeat_ms: 1000, silence_ms: 10_000, mac }
}

/// What comes between the same hello and the rest where the Queen has secrets. What is shared is a text and not a
/// secret, and so is the certificate.
fn proofs() -> Vec<(&'static str, Said)> {
    let keys = Keys { secret: *b"the secret: any 32 random bytes.", leaf: Sha256::digest("the certificate").into() };
    let mut transcript = Transcript::new(Preface::ours(Role::Drone), Preface::ours(Role::Queen));
    let challenge = Said::FromQueen(FromQueen::Challenge { nonce: *b"queen's nonce: any 32 random b's" });
    for said in [hello(), challenge.clone()] {
        transcript.add(&said.encode()[HEADER..]);
    }
    let mut sign = |unsigned: Said, by| {
        let mut frame = unsigned.encode();
        transcript.sign(&mut frame[HEADER..], by, &keys);
        unsigned.decode_alike(&frame)
    };
    let proof = sign(Said::FromDrone(FromDrone::Proof { secret: "first", mac: [0; MAC_BYTES] }), Role::Drone);
    let welcome = sign(Said::FromQueen(welcome(Some([0; MAC_BYTES]))), Role::Queen);
    vec![("Challenge", challenge), ("Proof", proof), ("Welcome with a mac", welcome)]
}

fn others() -> Vec<(&'static str, Said)> {
    let offered = |lease, from, to| Offered {
        lease: LeaseId(lease),
        epoch: EPOCH,
        task: TaskId(1),
        instance: Instance(*b"task's instance!"),
        from,
        to,
    };
    let adoption = Adoption { lease: LeaseId(9), from: 64, to: 128 };
    let progress = Progress { lease: LeaseId(300), epoch: EPOCH, reached: 70_000, begun: true };
    vec![
        ("Refused", Said::FromQueen(FromQueen::Refused { reason: "this Queen speaks version 5" })),
        ("Shrink", Said::ToDrone(ToDrone::Shrink { lease: LeaseId(300), epoch: EPOCH, end: 1 << 32 })),
        ("Goodbye", Said::ToDrone(ToDrone::Goodbye { reason: "the Queen stops" })),
        (
            "Heartbeat with progress",
            Said::ToQueen(ToQueen::Heartbeat {
                progress: vec![progress].into(),
                compressions: 1 << 32,
                busy_ns: 1 << 32,
            }),
        ),
        ("Failed", Said::ToQueen(ToQueen::Failed { lease: LeaseId(300), epoch: EPOCH, reason: "0 iterations" })),
        (
            "HandBack",
            Said::ToQueen(ToQueen::HandBack { leases: vec![(LeaseId(300), EPOCH), (LeaseId(301), EPOCH)].into() }),
        ),
        ("Drain", Said::ToDrone(ToDrone::Drain)),
        (
            "Offer",
            Said::ToQueen(ToQueen::Offer {
                leases: vec![offered(300, 64, 256), offered(301, 0, 1)].into(),
                material: vec![KeptMaterial { id: MaterialId::of(MATERIAL), bytes: MATERIAL.len() as u64 }].into(),
            }),
        ),
        ("Adopted", Said::ToDrone(ToDrone::Adopted { leases: vec![Some(adoption), None].into() })),
    ]
}

/// The digest of `c1` is sought among `a0` to `c1`, by four bits of what 57 rounds of it lead to.
fn search() -> SearchChunk<'static> {
    let value = Word::Inner.value(&Sha256::digest("c1").into(), &START) & low_bits(4);
    let values = Values::new(vec![value.to_le_bytes()].leak()).unwrap();
    SearchChunk {
        algorithm: Algorithm::Sha256,
        candidates: mask(),
        first: 0,
        items: 6,
        prefix: b"",
        suffix: b"",
        sieve: Sieve::Targets { word: Word::Inner, bits: 4, values },
    }
}

/// Three letters at the first position, two digits at the second.
fn mask() -> Candidates<'static> {
    Candidates::Mask(Blob::parse(b"\x02\0\0\0\x03\0\0\0\x02\0\0\0abc01").unwrap())
}

/// The lease of that search, and what comes of it.
fn searches() -> Vec<(&'static str, Said)> {
    let search = search();
    let is_mark = |index: &u64| {
        let mut candidate = Vec::new();
        search.candidates.write(*index, &mut candidate);
        search.sieve.passes(&Sha256::digest(&candidate).into(), &START)
    };
    let mut marks = Vec::new();
    write_marks((0..search.items).filter(is_mark), &mut marks);
    let lease = Lease {
        id: LeaseId(8),
        epoch: EPOCH,
        task: TaskId(2),
        instance: Instance(*b"task's instance!"),
        priority: 0,
        rank: 1,
        from: 0,
        to: search.items,
        material: None,
        chunk: Chunk::Search(search),
    };
    let output = Output {
        lease: LeaseId(8),
        epoch: EPOCH,
        from: 0,
        to: search.items,
        spent_ns: 700,
        output: ChunkOutput::Marks(marks.leak()),
    };
    vec![
        ("Work of a search", Said::ToDrone(ToDrone::Work { leases: vec![lease].into() })),
        ("Outputs of a search", Said::ToQueen(ToQueen::Outputs { outputs: vec![output].into() })),
    ]
}

/// A key that is sent once, a lease under it, and its end.
fn material() -> Vec<(&'static str, Said)> {
    let id = MaterialId::of(MATERIAL);
    let (total, half) = (MATERIAL.len() as u64, MATERIAL.len() / 2);
    let piece = |offset, bytes| Said::ToDrone(ToDrone::Material { id, total, offset, bytes });
    let lease = Lease {
        id: LeaseId(9),
        epoch: EPOCH,
        task: TaskId(3),
        instance: Instance(*b"task's instance!"),
        priority: 0,
        rank: 2,
        from: 0,
        to: 1,
        material: Some(id),
        chunk: Chunk::Digest(DigestChunk {
            algorithm: Algorithm::HmacSha256 { key: b"" },
            inputs: Blob::parse(b"\x01\0\0\0\x03\0\0\0bee").unwrap(),
        }),
    };
    vec![
        ("Material", piece(0, &MATERIAL[..half])),
        ("Material to its end", piece(half as u64, &MATERIAL[half..])),
        ("Work with material", Said::ToDrone(ToDrone::Work { leases: vec![lease].into() })),
        ("Forget", Said::ToDrone(ToDrone::Forget { id })),
    ]
}

fn algorithms() -> Vec<(&'static str, Said)> {
    vec![
        ("Sha256", Said::Algorithm(Algorithm::Sha256)),
        ("Sha256d", Said::Algorithm(Algorithm::Sha256d)),
        ("HmacSha256", Said::Algorithm(Algorithm::HmacSha256 { key: b"key" })),
        ("Pbkdf2HmacSha256", Said::Algorithm(Algorithm::Pbkdf2HmacSha256 { salt: b"salt", iterations: 600_000 })),
    ]
}

fn candidates() -> Vec<(&'static str, Said)> {
    let counter = Candidates::Counter { from: 1_000, format: CounterFormat::Decimal };
    vec![("Mask", Said::Candidates(mask())), ("Counter", Said::Candidates(counter))]
}

fn sieves() -> Vec<(&'static str, Said)> {
    let values = Values::new(vec![3u64.to_le_bytes(), 0x0123_4567_89ab_u64.to_le_bytes()].leak()).unwrap();
    // Digests with 32 leading zero bits, of which one in 2^12 marks is one.
    let hits = std::array::from_fn(|byte| if byte < 4 { 0 } else { 0xff });
    let marks = (0, (1 << 44) - 1);
    vec![
        ("Targets", Said::Sieve(Sieve::Targets { word: Word::Outer, bits: 48, values })),
        ("Interval", Said::Sieve(Sieve::Interval { order: DigestOrder::Big, marks, hits: ([0; 32], hits) })),
    ]
}
