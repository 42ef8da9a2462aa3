//! The strings that are hashed, and what must come of them.

use std::iter;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use sha2::{Digest, Sha256};

/// Bytes of a string.
pub const SIZE: usize = 25;

/// Bytes of a line of a download: digest, two spaces, string, line feed.
const LINE: usize = 64 + 2 + SIZE + 1;

/// A string, exactly 25 bytes.
pub type Word = [u8; SIZE];

/// Where its digits are.
const DIGITS: std::ops::Range<usize> = 4..16;

/// The string of an index.
pub fn string(index: u64) -> Word {
    let mut word = *b"bee-000000000000@hive.net";
    let mut rest = index;
    for digit in word[DIGITS].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    word
}

/// The strings from an index on: cheaper than one by one.
pub fn strings(from: u64) -> impl Iterator<Item = Word> {
    iter::successors(Some(string(from)), |word| {
        let mut next = *word;
        for digit in next[DIGITS].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
        Some(next)
    })
}

/// The right digest.
pub fn digest(word: &Word) -> [u8; 32] {
    Sha256::digest(word).into()
}

/// The right digests of every so many-th string, computed before any clock starts.
pub struct Expected {
    pub strings: u64,
    pub every: u64,
    pub digests: Vec<[u8; 32]>,
}

impl Expected {
    /// Computes them on all cores.
    pub fn of(strings: u64, every: u64) -> Self {
        let mut digests = vec![[0; 32]; strings.div_ceil(every) as usize];
        let share = digests.len().div_ceil(super::machine::cores()).max(1);
        std::thread::scope(|scope| {
            for (part, digests) in digests.chunks_mut(share).enumerate() {
                scope.spawn(move || {
                    for (index, right) in (part * share..).zip(digests) {
                        *right = digest(&string(index as u64 * every));
                    }
                });
            }
        });
        Self { strings, every, digests }
    }
}

/// Compares a download as it comes.
pub struct Check<'a> {
    expected: &'a Expected,
    /// Lines that came.
    lines: u64,
    /// The beginning of a line.
    rest: Vec<u8>,
    /// What comparing took.
    spent: Duration,
}

impl<'a> Check<'a> {
    pub fn new(expected: &'a Expected) -> Self {
        Self { expected, lines: 0, rest: Vec::new(), spent: Duration::ZERO }
    }

    /// Compares what came, in pieces of any size.
    pub fn take(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        let begun = Instant::now();
        let taken = self.compare(piece);
        self.spent += begun.elapsed();
        taken
    }

    fn compare(&mut self, mut piece: &[u8]) -> anyhow::Result<()> {
        if !self.rest.is_empty() {
            let (first, after) = piece.split_at(piece.len().min(LINE - self.rest.len()));
            self.rest.extend_from_slice(first);
            if self.rest.len() < LINE {
                return Ok(());
            }
            let line = std::mem::take(&mut self.rest);
            self.lines(&line)?;
            piece = after;
        }
        let (lines, rest) = piece.split_at(piece.len() - piece.len() % LINE);
        self.rest.extend_from_slice(rest);
        self.lines(lines)
    }

    /// Compares whole lines.
    fn lines(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        let every = self.expected.every;
        let mut hex = const_hex::Buffer::<32>::new();
        for (line, string) in lines.as_chunks::<LINE>().0.iter().zip(strings(self.lines)) {
            if self.lines.is_multiple_of(every) {
                let Some(right) = self.expected.digests.get((self.lines / every) as usize) else {
                    bail!("more lines came than strings were sent");
                };
                let right = hex.format(right).as_bytes();
                let is_right = line[..64] == *right && line[64..66] == *b"  " && line[66..LINE - 1] == string;
                let said = || String::from_utf8_lossy(line).into_owned();
                ensure!(is_right && line[LINE - 1] == b'\n', "line {} is {:?}", self.lines, said());
            }
            self.lines += 1;
        }
        Ok(())
    }

    /// That nothing is missing; what comparing took.
    pub fn finish(self) -> anyhow::Result<Duration> {
        let (lines, strings) = (self.lines, self.expected.strings);
        ensure!(lines == strings && self.rest.is_empty(), "{lines} lines came for {strings} strings");
        Ok(self.spent)
    }
}
