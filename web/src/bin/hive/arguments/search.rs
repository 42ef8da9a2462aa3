//! Options of `hive search` and `hive coverage`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, ValueEnum};
use web::kinds::search::MAX_FINDINGS;
use wire::space::MAX_CANDIDATE;

use super::output::{Format, Progress};
use super::standing::Standing;
use super::values::{TaskRef, is_whole, whole};

/// The longest candidate, in bytes.
const MAX_LENGTH: u64 = MAX_CANDIDATE as u64;

/// Bits of a digest.
const DIGEST_BITS: u64 = 256;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("candidates").args(["mask", "masks", "counter"]).required(true))]
#[command(group = ArgGroup::new("sought").required(true).multiple(true).args([
    "target", "targets", "leading_zero_bits", "digest_prefix", "digest_prefix_bits", "digest_at_most", "digest_at_least",
]))]
#[command(after_help = "\
Examples:
  hive search --mask ?l?l?l?l?l?l --targets digests.txt --wait
  hive search --mask ?1?1?1?1?d --charset1 ?l?u --min-length 2 --target DIGEST --dry-run
  hive search --masks common.hcmask --targets digests.txt --name audit
  hive search --counter 0..100000000 --prefix hunter --leading-zero-bits 24 --wait

Masks are hashcat's (?l ?u ?d ?h ?H ?s ?a ?b, ?1 to ?8, ??), and so is their order
(--markov-disable). A shell takes a question mark for any character: put masks into quotes where
files may be called so.

With --wait findings are printed as they come, as lines of a potfile, digest:plain. The exit code
is 5 if there are none. What was searched, `hive coverage` shows.

Search only for digests that you may lawfully search.")]
pub struct Search {
    /// Candidates of one length, such as ?u?l?l?d
    #[arg(long)]
    pub mask: Option<String>,
    /// A file of masks, one a line, with their charsets before them (.hcmask); - is standard input
    #[arg(long, value_name = "FILE")]
    pub masks: Option<PathBuf>,
    /// What ?1 stands for, such as ?l?d or abc
    #[arg(long, value_name = "SET")]
    pub charset1: Option<String>,
    /// What ?2 stands for
    #[arg(long, value_name = "SET")]
    pub charset2: Option<String>,
    /// What ?3 stands for
    #[arg(long, value_name = "SET")]
    pub charset3: Option<String>,
    /// What ?4 stands for
    #[arg(long, value_name = "SET")]
    pub charset4: Option<String>,
    /// What ?5 stands for
    #[arg(long, value_name = "SET", hide = true)]
    pub charset5: Option<String>,
    /// What ?6 stands for
    #[arg(long, value_name = "SET", hide = true)]
    pub charset6: Option<String>,
    /// What ?7 stands for
    #[arg(long, value_name = "SET", hide = true)]
    pub charset7: Option<String>,
    /// What ?8 stands for
    #[arg(long, value_name = "SET", hide = true)]
    pub charset8: Option<String>,
    /// The mask's beginnings too, from so many characters on
    #[arg(long, value_name = "N", requires = "mask", value_parser = whole::<{ MAX_LENGTH }>)]
    pub min_length: Option<u64>,
    /// Numbers, the last one not among them
    #[arg(long, value_name = "FROM..TO")]
    pub counter: Option<Counter>,
    /// How numbers are written [default: decimal]
    #[arg(long, value_name = "NAME", requires = "counter", value_parser = ["decimal", "hex", "u32le", "u32be", "u64le", "u64be"])]
    pub counter_format: Option<String>,

    /// Before each candidate
    #[arg(long, value_name = "TEXT", group = "before")]
    pub prefix: Option<String>,
    /// The same in hexadecimal
    #[arg(long, value_name = "HEX", group = "before")]
    pub prefix_hex: Option<String>,
    /// The same in base64
    #[arg(long, value_name = "BASE64", group = "before")]
    pub prefix_base64: Option<String>,
    /// Behind each candidate
    #[arg(long, value_name = "TEXT", group = "behind")]
    pub suffix: Option<String>,
    /// The same in hexadecimal
    #[arg(long, value_name = "HEX", group = "behind")]
    pub suffix_hex: Option<String>,
    /// The same in base64
    #[arg(long, value_name = "BASE64", group = "behind")]
    pub suffix_base64: Option<String>,
    /// What to compute of each candidate [default: sha256]
    #[arg(long, short, value_name = "NAME", value_parser = ["sha256", "sha256d"])]
    pub algorithm: Option<String>,

    /// Digests that are sought, in hexadecimal
    #[arg(long, short, value_name = "DIGEST", num_args = 1..)]
    pub target: Vec<String>,
    /// A file of them, one a line, or of lines of sha256sum or a potfile; - is standard input
    #[arg(long, value_name = "FILE")]
    pub targets: Option<PathBuf>,
    /// Seek digests that begin with so many zero bits
    #[arg(long, value_name = "N", value_parser = whole::<{ DIGEST_BITS }>)]
    pub leading_zero_bits: Option<u64>,
    /// Seek digests that begin with these hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub digest_prefix: Option<String>,
    /// The same in bits, such as 0101
    #[arg(long, value_name = "BITS")]
    pub digest_prefix_bits: Option<String>,
    /// Seek digests that are, as numbers, at most this one
    #[arg(long, value_name = "HEX")]
    pub digest_at_most: Option<String>,
    /// Seek digests that are at least this one
    #[arg(long, value_name = "HEX")]
    pub digest_at_least: Option<String>,
    /// Which byte of a digest is the first one of the number [default: big]
    #[arg(long, value_name = "ORDER", value_parser = ["big", "little"])]
    pub digest_order: Option<String>,
    /// When it is over: at the first finding, at the lowest one, when all targets are found, or never before all is
    /// searched [default: all for targets, else first]
    #[arg(long, value_name = "WHEN", value_parser = ["first", "lowest", "all", "never"])]
    pub stop: Option<String>,
    /// It is over when there are so many findings [default: 1000000]
    #[arg(long, value_name = "N", value_parser = whole::<{ MAX_FINDINGS }>)]
    pub max_findings: Option<u64>,

    #[command(flatten)]
    pub standing: Standing,

    /// Only tell how many candidates there are, and how long they would take
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// Wait until the search is over, and print findings as they come
    #[arg(long, short)]
    pub wait: bool,
    /// In which form to print findings [default: text]
    #[arg(long, requires = "wait")]
    pub format: Option<Format>,
    /// How to show progress on standard error: auto, which is a bar on a terminal and else a line now and then, bar,
    /// lines or none
    #[arg(long, value_name = "HOW", default_value = "auto", hide_possible_values = true)]
    pub progress: Progress,
}

impl Search {
    /// Its options as the fields of a form, but for the lists.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let named = [
            ("kind", Some("search".to_owned())),
            ("algorithm", self.algorithm.clone()),
            ("mask", self.mask.clone()),
            ("charset1", self.charset1.clone()),
            ("charset2", self.charset2.clone()),
            ("charset3", self.charset3.clone()),
            ("charset4", self.charset4.clone()),
            ("charset5", self.charset5.clone()),
            ("charset6", self.charset6.clone()),
            ("charset7", self.charset7.clone()),
            ("charset8", self.charset8.clone()),
            ("min_length", number(self.min_length)),
            ("counter_from", number(self.counter.map(|counter| counter.from))),
            ("counter_to", number(self.counter.map(|counter| counter.to))),
            ("counter_format", self.counter_format.clone()),
            ("prefix", self.prefix.clone()),
            ("prefix_hex", self.prefix_hex.clone()),
            ("prefix_base64", self.prefix_base64.clone()),
            ("suffix", self.suffix.clone()),
            ("suffix_hex", self.suffix_hex.clone()),
            ("suffix_base64", self.suffix_base64.clone()),
            ("leading_zero_bits", number(self.leading_zero_bits)),
            ("digest_prefix", self.digest_prefix.clone()),
            ("digest_prefix_bits", self.digest_prefix_bits.clone()),
            ("digest_at_most", self.digest_at_most.clone()),
            ("digest_at_least", self.digest_at_least.clone()),
            ("digest_order", self.digest_order.clone()),
            ("stop", self.stop.clone()),
            ("max_findings", number(self.max_findings)),
            ("dry_run", self.dry_run.then(|| "1".to_owned())),
        ];
        let all = named.into_iter().chain(self.standing.named());
        all.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Numbers from one to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    pub from: u64,
    pub to: u64,
}

impl FromStr for Counter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok();
        let too_large = |text: &str| format!("{text} is too large: numbers are at most {}", u64::MAX);
        let (first, to) = text.split_once("..").unwrap_or_default();
        let from = if first.is_empty() { Some(0) } else { number(first) };
        match (from, number(to)) {
            (Some(from), Some(to)) => Ok(Self { from, to }),
            (None, _) if is_whole(first) => Err(too_large(first)),
            (_, None) if is_whole(to) => Err(too_large(to)),
            _ => Err("numbers are written as FROM..TO, such as 0..1000000".to_owned()),
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hive coverage last                        who computed what, in a table
  hive coverage 7 --format csv > proof.csv  all of it, to be kept
  hive coverage 7 --from 1000000 --limit 20")]
pub struct Coverage {
    /// Which task
    pub id: TaskRef,
    /// Begin with this index, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<{ u64::MAX }>)]
    pub from: u64,
    /// Show at most so many spans
    #[arg(long, value_name = "N", conflicts_with = "format", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Print all of it in this form
    #[arg(long)]
    pub format: Option<CoverageFormat>,
}

/// How all of a task's coverage is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CoverageFormat {
    /// RFC 4180, with a line of names first.
    Csv,
    /// An object a line, and one behind them that says that it is whole.
    Ndjson,
}

impl CoverageFormat {
    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_two_ends() {
        let counter = |text: &str| text.parse::<Counter>().ok().map(|counter| (counter.from, counter.to));
        assert_eq!(counter("5..18446744073709551615"), Some((5, u64::MAX)));
        assert_eq!(counter("..9"), Some((0, 9)));
        for text in ["", "5", "5..", "5..x", "-1..5", "5...9"] {
            assert_eq!(counter(text), None, "{text}");
        }
        for text in ["0..18446744073709551616", "18446744073709551616..1", "18446744073709551616..18446744073709551617"]
        {
            let fault = text.parse::<Counter>().unwrap_err();
            assert!(fault.contains("too large: numbers are at most 18446744073709551615"), "{fault}");
        }
    }
}
