//! What a load asks for, made from numbers alone, and what has to come of it.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A sequence of numbers that depends on its seed alone (splitmix64).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xa076_1d64_78bd_642f));
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// How inputs are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One in JSON.
    Single,
    /// Some in JSON: their records hold them.
    Batch,
    /// Lines of text: they go into a bulk file.
    Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Sha256,
    Hmac,
    Pbkdf2,
}

const SECRET: &str = "honey";

/// One task that is asked for. It is known by its number, which is in its name and its inputs.
#[derive(Debug)]
pub struct Order {
    pub number: u64,
    /// Which client asks.
    pub owner: usize,
    pub shape: Shape,
    pub total: u64,
    pub algorithm: Algorithm,
    pub iterations: u64,
    pub is_hex: bool,
    pub is_named: bool,
    pub priority: i64,
    pub has_key: bool,
    /// Computed when they are asked for.
    pub digests: OnceLock<Vec<[u8; 32]>>,
}

impl Order {
    pub fn new(number: u64, owner: usize, rng: &mut Rng) -> Self {
        let shape = [Shape::Single, Shape::Single, Shape::Batch, Shape::Batch, Shape::Lines][rng.below(5) as usize];
        let total = match shape {
            Shape::Single => 1,
            Shape::Batch => 2 + rng.below(60),
            // Some MiB, in several segments, or just more than a record takes.
            Shape::Lines if rng.one_in(10) => 40_000 + rng.below(10_000),
            Shape::Lines => 1_500 + rng.below(3_000),
        };
        // Singles without a name are all alike, as in the usual load.
        let is_plain = shape == Shape::Single && rng.one_in(2);
        let algorithm = match rng.below(4) {
            2 if !is_plain => Algorithm::Hmac,
            3 if !is_plain && shape == Shape::Batch => Algorithm::Pbkdf2,
            _ => Algorithm::Sha256,
        };
        Self {
            number,
            owner,
            shape,
            total,
            algorithm,
            iterations: 1 + rng.below(40),
            is_hex: !is_plain && shape == Shape::Batch && rng.one_in(2),
            is_named: !is_plain,
            priority: if is_plain { 0 } else { rng.below(5) as i64 - 2 },
            has_key: rng.one_in(3),
            digests: OnceLock::new(),
        }
    }

    /// One that takes many leases, so that it can be half done when the Queen dies.
    pub fn long(number: u64, owner: usize, rng: &mut Rng) -> Self {
        let (shape, algorithm, is_hex, is_named) = (Shape::Lines, Algorithm::Pbkdf2, false, true);
        let order = Self::new(number, owner, rng);
        Self { shape, algorithm, is_hex, is_named, total: 2_000, iterations: 500, priority: 0, ..order }
    }

    pub fn name(&self) -> Option<String> {
        self.is_named.then(|| format!("order-{}", self.number))
    }

    /// The number in a name, or in inputs.
    pub fn number_in(text: &str) -> Option<u64> {
        let (_, rest) = text.split_once("order-")?;
        rest.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
    }

    fn text(&self, index: u64) -> String {
        let filler = (self.number.wrapping_mul(31).wrapping_add(index.wrapping_mul(17)) % 61) as usize;
        format!("order-{}-{index}-{}", self.number, "x".repeat(filler))
    }

    /// An input as it is given.
    pub fn input(&self, index: u64) -> String {
        match self.is_hex {
            true => const_hex::encode(self.text(index)),
            false => self.text(index),
        }
    }

    pub fn digest(&self, index: u64) -> [u8; 32] {
        self.digests.get_or_init(|| (0..self.total).map(|index| self.compute(index)).collect())[index as usize]
    }

    /// The independent computation.
    fn compute(&self, index: u64) -> [u8; 32] {
        let text = self.text(index);
        match self.algorithm {
            Algorithm::Sha256 => Sha256::digest(text).into(),
            Algorithm::Hmac => {
                let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
                mac.update(text.as_bytes());
                mac.finalize().into_bytes().into()
            }
            Algorithm::Pbkdf2 => {
                pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(text.as_bytes(), SECRET.as_bytes(), self.iterations as u32)
            }
        }
    }

    /// What `?format=text` gives.
    pub fn results(&self) -> String {
        (0..self.total)
            .map(|index| format!("{}  {}\n", const_hex::encode(self.digest(index)), self.input(index)))
            .collect()
    }

    /// What a finished task of few inputs shows.
    pub fn inline_results(&self) -> Value {
        let row = |index| json!({ "index": index, "input": self.input(index), "digest": const_hex::encode(self.digest(index)) });
        (0..self.total).map(row).collect()
    }

    fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Hmac => "hmac-sha256",
            Algorithm::Pbkdf2 => "pbkdf2-hmac-sha256",
        }
    }

    fn options(&self) -> Vec<(&'static str, Value)> {
        let mut options = vec![("algorithm", json!(self.algorithm_name())), ("priority", json!(self.priority))];
        match self.algorithm {
            Algorithm::Sha256 => {}
            Algorithm::Hmac => options.push(("key", json!(SECRET))),
            Algorithm::Pbkdf2 => options.extend([("salt", json!(SECRET)), ("iterations", json!(self.iterations))]),
        }
        options.extend(self.is_hex.then(|| ("encoding", json!("hex"))));
        options.extend(self.name().map(|name| ("name", json!(name))));
        options
    }

    /// Path, headers and body of the request; `is_other`: with one input too many.
    pub fn request(&self, is_other: bool) -> (String, Vec<(&'static str, &'static str)>, String) {
        let inputs: Vec<String> = (0..self.total + u64::from(is_other)).map(|index| self.input(index)).collect();
        if self.shape == Shape::Lines {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
            let mut options = self.options();
            options.retain(|(name, _)| !matches!(*name, "key" | "salt"));
            let query: Vec<String> = options.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
            let secret = match self.algorithm {
                Algorithm::Sha256 => None,
                Algorithm::Hmac => Some(("hive-key", SECRET)),
                Algorithm::Pbkdf2 => Some(("hive-salt", SECRET)),
            };
            let headers = [("content-type", "text/plain")].into_iter().chain(secret).collect();
            return (format!("/tasks?{}", query.join("&")), headers, inputs.join("\n"));
        }
        let mut body: serde_json::Map<String, Value> =
            self.options().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match &inputs[..] {
            [input] => body.insert("input".into(), json!(input)),
            _ => body.insert("inputs".into(), json!(inputs)),
        };
        ("/tasks".into(), vec![("content-type", "application/json")], Value::Object(body).to_string())
    }

    /// A view of the task shows what was asked for.
    pub fn check_view(&self, view: &Value) {
        let iterations = (self.algorithm == Algorithm::Pbkdf2).then_some(self.iterations);
        let expected = json!({
            "name": self.name(), "priority": self.priority, "algorithm": self.algorithm_name(), "total": self.total,
            "encoding": if self.is_hex { "hex" } else { "utf8" }, "iterations": iterations,
        });
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(view[member], *value, "{member} of {view}, which is {self:?}");
        }
    }
}
