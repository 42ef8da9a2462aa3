//! What clients want computed, and what the right results are.

use std::ops::Range;
use std::time::Duration;

use pbkdf2::pbkdf2_hmac_array;
use queen::core::{Class, RangeSet, Segment, TaskWork};
use sha2::{Digest, Sha256};
use wire::blob::BlobBuf;
use wire::ids::Instance;
use wire::work::{Algorithm, Chunk, DigestChunk};

use crate::random::Random;

pub type Sum = [u8; 32];

const SALT: &[u8] = b"salt";

/// One task as it is submitted.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Distinguishes tasks, whatever ids they get.
    pub serial: u64,
    pub instance: Instance,
    pub method: Method,
    /// Items of each segment.
    pub segments: Vec<u64>,
    /// What an item is said to weigh on the wire, in bytes.
    pub weight: u64,
    pub priority: i8,
    /// In the world's time.
    pub deadline: Option<Duration>,
    /// The index that kills the Drone that computes it.
    pub poison: Option<u64>,
    /// Each item is to be computed twice.
    pub twice: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// SHA-256 of inputs of so many bytes.
    Hash(usize),
    Stretch {
        iterations: u32,
    },
    /// No Drone can compute it.
    Impossible,
}

impl Spec {
    pub fn total(&self) -> u64 {
        self.segments.iter().sum()
    }

    /// Compressions of one item.
    pub fn item_cost(&self) -> u64 {
        match self.method {
            Method::Hash(length) => (length as u64 + 9).div_ceil(64),
            Method::Stretch { iterations } => 2 * u64::from(iterations) + 3,
            Method::Impossible => 3,
        }
    }

    pub fn cost(&self) -> u64 {
        self.total() * self.item_cost() * if self.twice { 2 } else { 1 }
    }

    pub fn input(&self, index: u64) -> Vec<u8> {
        let mut input = format!("{}-{index}", self.serial).into_bytes();
        if let Method::Hash(length) = self.method {
            input.resize(length, b'.');
        }
        input
    }

    /// The right result, by other code than the Drones'.
    pub fn sum(&self, index: u64) -> Sum {
        match self.method {
            Method::Hash(_) => Sha256::digest(self.input(index)).into(),
            Method::Stretch { iterations } => pbkdf2_hmac_array::<Sha256, 32>(&self.input(index), SALT, iterations),
            Method::Impossible => [0; 32],
        }
    }

    pub fn inputs(&self, range: &Range<u64>) -> BlobBuf {
        range.clone().map(|index| self.input(index)).collect()
    }

    pub fn chunk<'a>(&self, inputs: &'a BlobBuf) -> Chunk<'a> {
        let algorithm = match self.method {
            Method::Hash(_) => Algorithm::Sha256,
            Method::Stretch { iterations } => Algorithm::Pbkdf2HmacSha256 { salt: SALT, iterations },
            Method::Impossible => Algorithm::Pbkdf2HmacSha256 { salt: SALT, iterations: 0 },
        };
        Chunk::Digest(DigestChunk { algorithm, inputs: inputs.as_blob() })
    }

    /// What the core has to know of it.
    pub fn work(&self, done: RangeSet, paused: bool, priority: i8, deadline: Option<Duration>) -> TaskWork {
        let class = if let Method::Hash(_) = self.method { Class::SHORT } else { Class::PBKDF2 };
        let segment =
            |items: &u64| Segment { items: *items, cost: items * self.item_cost(), bytes: items * self.weight };
        TaskWork {
            class,
            priority,
            segments: self.segments.iter().map(segment).collect(),
            done,
            paused,
            target: Duration::from_millis(200),
            has_ledger: false,
            chunk_bytes: 0,
            material: 0,
            deadline,
            avoid: None,
            batch: false,
            twice: self.twice,
        }
    }

    /// A task that takes all Drones together about as long as `seconds` says, but one item at least.
    pub fn random(serial: u64, random: &mut Random, capacity: u64) -> Self {
        let seconds = random.pick(&[0.0, 0.02, 0.3, 1.0, 3.0, 6.0]);
        let method = match random.within(0..=9) {
            0..=5 => Method::Hash(random.pick(&[16, 40, 200])),
            6..=8 => Method::Stretch { iterations: random.pick(&[5, 30, 150]) },
            _ => Method::Stretch { iterations: (capacity / 4).clamp(100, 1500) as u32 },
        };
        let mut spec = Self {
            serial,
            instance: Instance(random.bytes()),
            method,
            segments: Vec::new(),
            weight: if random.chance(100) { 1 << 20 } else { 40 },
            priority: random.pick(&[0, 0, 0, 0, 1, 2, -1]),
            deadline: None,
            poison: None,
            twice: false,
        };
        let items = ((capacity as f64 * seconds) as u64 / spec.item_cost()).clamp(1, 6000);
        let mut left = items;
        while left > 0 {
            let most = if spec.weight > 1000 { left.min(7) } else { left };
            let part = if random.chance(500) { most } else { random.within(1..=most) };
            spec.segments.push(part);
            left -= part;
        }
        spec
    }
}
