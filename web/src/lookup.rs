//! Looking for an input or a digest among the results that there are of a task.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wire::blob::Blob;

use crate::error::Problem;
use crate::hive::{Finding, HiveError, ResultBatch, ResultsFound};

/// The most matches of one look-up.
pub(crate) const MATCHES_MAX: usize = 100;

/// And the most bytes of their inputs, but for the last one.
const BYTES_MAX: usize = 4 << 20;

/// How long is looked at most; who asked may go on where it ended.
const TIME_MAX: Duration = Duration::from_secs(5);

/// What a digest is written with.
const DIGEST_CHARS: usize = 64;

/// What is looked for: results that have one of these inputs, or this digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    inputs: Vec<Vec<u8>>,
    digest: Option<[u8; 32]>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    /// In the order of the results.
    pub(crate) rows: Vec<Match>,
    /// Where those results end that were looked at; of a search, which counts its findings.
    pub(crate) next: u64,
}

/// A result that is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) index: u64,
    /// As it was given; of a search, the candidate.
    pub(crate) input: Vec<u8>,
    pub(crate) digest: [u8; 32],
}

impl Wanted {
    /// An input as it was given, or a candidate, which may be written as a potfile does: `$HEX[…]`.
    pub(crate) fn input(text: &str) -> Self {
        let hex = text.strip_prefix("$HEX[").and_then(|rest| rest.strip_suffix(']'));
        let bytes = hex.and_then(|hex| const_hex::decode(hex).ok());
        Self { inputs: bytes.into_iter().chain([text.as_bytes().to_vec()]).collect(), digest: None }
    }

    /// A digest in hexadecimal.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn digest(text: &str) -> Result<Self, Problem> {
        let digest = digest_of(text).ok_or_else(|| {
            let detail = format!("`digest` is {DIGEST_CHARS} hexadecimal digits");
            Problem::invalid(detail).with("path", "digest")
        })?;
        Ok(Self { inputs: Vec::new(), digest: Some(digest) })
    }

    /// A text that may be either: an input as it was given, or a digest with space around it.
    pub(crate) fn either(text: &str) -> Self {
        Self { digest: digest_of(text.trim()), ..Self::input(text) }
    }

    fn is(&self, input: &[u8], digest: &[u8; 32]) -> bool {
        self.digest.as_ref() == Some(digest) || self.inputs.iter().any(|wanted| wanted == input)
    }

    /// Adds what is found in a batch, from its row `from` on, as far as there is room for it; how many of its rows
    /// were looked at.
    fn find(&self, batch: &ResultBatch, rows: &mut Vec<Match>) -> u64 {
        match batch {
            ResultBatch::Digest { first, inputs, digests } => {
                self.find_digests(*first, inputs.as_blob(), digests.as_chunks().0, rows)
            }
            ResultBatch::Findings { findings, .. } => {
                for (at, Finding { index, plain, digest }) in findings.iter().enumerate() {
                    if self.is(plain, digest) {
                        rows.push(Match { index: *index, input: plain.clone(), digest: *digest });
                        if !has_room(rows) {
                            return at as u64 + 1;
                        }
                    }
                }
                findings.len() as u64
            }
            // Of these there is neither an input nor a digest.
            ResultBatch::NotFound { digests, .. } => digests.len() as u64,
            ResultBatch::Detached { failed, .. } => failed.len() as u64,
        }
    }

    fn find_digests(&self, first: u64, inputs: Blob<'_>, digests: &[[u8; 32]], rows: &mut Vec<Match>) -> u64 {
        for (at, (input, digest)) in inputs.iter().zip(digests).enumerate() {
            if self.is(input, digest) {
                rows.push(Match { index: first + at as u64, input: input.to_vec(), digest: *digest });
                if !has_room(rows) {
                    return at as u64 + 1;
                }
            }
        }
        digests.len() as u64
    }
}

/// Whether there may be more matches.
fn has_room(rows: &[Match]) -> bool {
    rows.len() < MATCHES_MAX && rows.iter().map(|row| row.input.len()).sum::<usize>() < BYTES_MAX
}

fn digest_of(text: &str) -> Option<[u8; 32]> {
    let is_one = text.len() == DIGEST_CHARS;
    const_hex::decode_to_array(text).ok().filter(|_| is_one)
}

/// Looks through results, a batch at a time, until there are enough matches or the time is over. What is read ends when
/// nobody waits for it any more.
///
/// # Errors
/// If they cannot be read.
pub(crate) async fn look_up(found: &mut ResultsFound, wanted: &Wanted) -> Result<Matches, HiveError> {
    let deadline = Instant::now() + TIME_MAX;
    let mut matches = Matches { rows: Vec::new(), next: found.range.start };
    while matches.next < found.range.end && has_room(&matches.rows) && Instant::now() < deadline {
        let Ok(batch) = timeout_at(deadline, found.results.next()).await else { break };
        let Some(batch) = batch? else { break };
        matches.next += wanted.find(&batch, &mut matches.rows);
    }
    Ok(matches)
}

#[cfg(test)]
mod tests {
    use wire::blob::BlobBuf;

    use super::*;

    fn batch(first: u64, inputs: &[&str]) -> ResultBatch {
        let digests: Vec<u8> = inputs.iter().flat_map(|input| [input.len() as u8; 32]).collect();
        ResultBatch::Digest { first, inputs: inputs.iter().collect::<BlobBuf>().freeze(), digests: digests.into() }
    }

    #[test]
    fn inputs_and_digests_are_found() {
        let batch = batch(7, &["a", "bb", "a", "ccc"]);
        let found = |wanted: &Wanted| {
            let mut rows = Vec::new();
            assert_eq!(wanted.find(&batch, &mut rows), 4);
            rows.into_iter().map(|row| row.index).collect::<Vec<_>>()
        };
        assert_eq!(found(&Wanted::input("a")), [7, 9]);
        assert_eq!(found(&Wanted::input("$HEX[6262]")), [8]);
        assert_eq!(found(&Wanted::input("A")), [0; 0]);
        assert_eq!(found(&Wanted::digest(&"03".repeat(32)).unwrap()), [10]);
        assert_eq!(found(&Wanted::either(&"02".repeat(32))), [8]);
        assert_eq!(found(&Wanted::either(&format!(" {}\n", "02".repeat(32)))), [8]);
        assert_eq!(found(&Wanted::either("ccc")), [10]);
        assert_eq!(found(&Wanted::either("ccc ")), [0; 0]);
        for wrong in ["", "03", &"0x".repeat(32), &format!("0x{}", "03".repeat(31)), &"é".repeat(32)] {
            assert_eq!(Wanted::digest(wrong).unwrap_err().members["path"], "digest", "{wrong}");
        }
    }

    #[test]
    fn it_ends_when_there_is_enough() {
        let many = vec!["a"; MATCHES_MAX + 5];
        let mut rows = Vec::new();
        assert_eq!(Wanted::input("a").find(&batch(0, &many), &mut rows), MATCHES_MAX as u64);
        assert_eq!((rows.len(), rows[MATCHES_MAX - 1].index), (MATCHES_MAX, MATCHES_MAX as u64 - 1));
        let long = "x".repeat(BYTES_MAX);
        let mut rows = Vec::new();
        assert_eq!(Wanted::input(&long).find(&batch(0, &[&long, &long]), &mut rows), 1);
    }
}
