//! What clients want computed, and what the right results are.

use std::ops::Range;
use std::rc::Rc;

use pbkdf2::pbkdf2_hmac_array;
use sha2::{Digest as _, Sha256};
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Digest, Encoding};
use web::model::Verify;
use wire::blob::BlobBuf;
use wire::ids::Instance;

use super::quest::Quest;
use super::random::Random;
use crate::work::{Room, Terms};

pub type Sum = [u8; 32];

/// Bytes of inputs of one segment, about.
const SEGMENT: u64 = 128 << 10;

const SALT: &[u8] = b"salt";

/// One task as it is submitted.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Distinguishes tasks, whatever ids they get.
    pub serial: u64,
    pub method: Method,
    /// Items of each segment.
    pub segments: Vec<u64>,
    pub priority: i8,
    /// In whole seconds from when it is created.
    pub deadline: Option<u32>,
    /// The index that kills the Drone that computes it.
    pub poison: Option<u64>,
    /// Each item is to be computed twice.
    pub twice: bool,
    /// Its items are tasks of their own.
    pub batch: bool,
}

#[derive(Debug, Clone)]
pub enum Method {
    /// SHA-256 of inputs of so many bytes.
    Hash(usize),
    Stretch {
        iterations: u32,
    },
    /// No Drone can compute it.
    Impossible,
    Search(Rc<Quest>),
}

impl Spec {
    pub fn total(&self) -> u64 {
        self.segments.iter().sum()
    }

    pub fn quest(&self) -> Option<&Quest> {
        if let Method::Search(quest) = &self.method { Some(quest) } else { None }
    }

    /// Compressions of one item.
    pub fn item_cost(&self) -> u64 {
        match self.method {
            Method::Hash(length) => (length as u64 + 9).div_ceil(64),
            Method::Stretch { iterations } => 2 * u64::from(iterations) + 3,
            Method::Impossible => 3,
            Method::Search(_) => 1,
        }
    }

    pub fn cost(&self) -> u64 {
        self.total() * self.item_cost() * if self.twice { 2 } else { 1 }
    }

    fn input(&self, index: u64) -> Vec<u8> {
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
            Method::Impossible | Method::Search(_) => [0; 32],
        }
    }

    pub fn inputs(&self, range: Range<u64>) -> BlobBuf {
        range.map(|index| self.input(index)).collect()
    }

    /// As it is submitted, under a name by which it is known again.
    pub fn terms(&self) -> Terms {
        let digest = |algorithm| Specification::Digest(Digest { algorithm, encoding: Encoding::Utf8 });
        let stretch = |iterations| Algorithm::Pbkdf2HmacSha256 { salt: SALT.to_vec(), iterations };
        let specification = match &self.method {
            Method::Hash(_) => digest(Algorithm::Sha256),
            Method::Stretch { iterations } => digest(stretch(*iterations)),
            Method::Impossible => digest(stretch(0)),
            Method::Search(quest) => Specification::Search(quest.search.clone()),
        };
        Terms {
            specification,
            secret: None,
            name: Some(self.serial.to_string().into()),
            priority: self.priority,
            deadline: self.deadline,
            batch: self.batch,
            verify: if self.twice { Verify::All } else { Verify::default() },
            owner: None,
            address: None,
            base: Instance([0; 16]),
            room: Room::default(),
        }
    }

    /// A task that takes all Drones together about as long as `seconds` says, but one item at least.
    pub fn random(serial: u64, random: &mut Random, capacity: u64) -> Self {
        let seconds = random.pick(&[0.0, 0.02, 0.3, 1.0, 3.0, 6.0]);
        let method = match random.within(0..=9) {
            0..=5 => Method::Hash(random.pick(&[16, 40, 200, 1000])),
            6..=8 => Method::Stretch { iterations: random.pick(&[5, 30, 150]) },
            _ => Method::Stretch { iterations: (capacity / 4).clamp(100, 1500) as u32 },
        };
        let mut spec = Self {
            serial,
            method,
            segments: Vec::new(),
            priority: random.pick(&[0, 0, 0, 0, 1, 2, -1]),
            deadline: None,
            poison: None,
            twice: false,
            batch: false,
        };
        let items = ((capacity as f64 * seconds) as u64 / spec.item_cost()).clamp(1, 6000);
        let most = SEGMENT / if let Method::Hash(length) = spec.method { length as u64 } else { 16 };
        let mut left = items;
        while left > 0 {
            let whole = left.min(most);
            let part = if random.chance(500) { whole } else { random.within(1..=whole) };
            spec.segments.push(part);
            left -= part;
        }
        spec
    }

    /// Any search that is over within seconds.
    pub fn random_search(serial: u64, random: &mut Random, capacity: u64) -> Self {
        let quest = Quest::random(random, capacity);
        let (segments, priority) = (quest.segments(), random.pick(&[0, 0, 0, 1, -1]));
        let method = Method::Search(Rc::new(quest));
        Self { serial, method, segments, priority, deadline: None, poison: None, twice: false, batch: false }
    }
}
