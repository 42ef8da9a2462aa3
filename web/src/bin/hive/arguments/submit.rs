//! Options of `hive submit`: all of `POST /tasks`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::output::{Format, Progress};
use super::standing::Standing;
use clap::{ArgGroup, Args, ValueEnum};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("inputs").args(["file", "input"]).required(true))]
#[command(after_help = "\
Examples:
  hive submit lines.txt                        hash every line; prints the task's id
  hive submit lines.txt --wait > sums          and wait for it: what sha256sum would print of each line
  cat words | hive submit - --wait
  hive submit --input honey wax --wait
  hive submit mail.ndjson --ndjson --algorithm hmac-sha256 --key-file key
  hive submit passwords --algorithm pbkdf2-hmac-sha256 --salt pepper --iterations 600000

A submission has a name of its own (Idempotency-Key): when the Queen is away for a moment it is
sent again, and makes one task all the same. For that, what comes from a pipe is first written to
a temporary file that nobody else can open ($TMPDIR, or /tmp) and that goes with this process;
--no-retry does without.

Keys and salts on the command line can be seen by others on this machine: take --key-file and
--salt-file, or HIVE_KEY, HIVE_KEY_HEX, HIVE_SALT and HIVE_SALT_HEX, or be asked for them on a
terminal.")]
pub struct Submit {
    /// The file of inputs, a line each; - is standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The inputs themselves, instead of a file
    #[arg(long, short, value_name = "WORD", num_args = 1..)]
    pub input: Vec<OsString>,
    /// The file is NDJSON: each line a string of JSON, or {"input":"…"}
    #[arg(long, conflicts_with = "input")]
    pub ndjson: bool,

    #[command(flatten)]
    pub options: Options,

    /// Wait until the task has ended, and print its results
    #[arg(long, short)]
    pub wait: bool,
    /// In which form to print results [default: text]
    #[arg(long, requires = "wait")]
    pub format: Option<Format>,
    /// How to show progress on standard error: auto, which is a bar on a terminal and else a line now and then, bar,
    /// lines or none
    #[arg(long, value_name = "HOW", default_value = "auto", hide_possible_values = true)]
    pub progress: Progress,
}

/// What a task is to compute.
#[derive(Debug, Default, Args)]
pub struct Options {
    /// What kind of work it is [default: digest]
    #[arg(long, value_parser = ["digest"], hide_possible_values = true)]
    pub kind: Option<String>,
    /// What to compute of each input [default: sha256]
    #[arg(long, short, value_name = "NAME", value_parser = ["sha256", "sha256d", "hmac-sha256", "pbkdf2-hmac-sha256"])]
    pub algorithm: Option<String>,
    /// The key of HMAC, as text; others on this machine can see it here
    #[arg(long, value_name = "TEXT", group = "keys")]
    pub key: Option<String>,
    /// The same in hexadecimal
    #[arg(long, value_name = "HEX", group = "keys")]
    pub key_hex: Option<String>,
    /// A file with the key in it, as text; a line feed at its end does not belong to it
    #[arg(long, value_name = "FILE", group = "keys")]
    pub key_file: Option<PathBuf>,
    /// A file with the key in it, in hexadecimal
    #[arg(long, value_name = "FILE", group = "keys")]
    pub key_hex_file: Option<PathBuf>,
    /// The salt of PBKDF2, as text; others on this machine can see it here
    #[arg(long, value_name = "TEXT", group = "salts")]
    pub salt: Option<String>,
    /// The same in hexadecimal
    #[arg(long, value_name = "HEX", group = "salts")]
    pub salt_hex: Option<String>,
    /// A file with the salt in it, as text; a line feed at its end does not belong to it
    #[arg(long, value_name = "FILE", group = "salts")]
    pub salt_file: Option<PathBuf>,
    /// A file with the salt in it, in hexadecimal
    #[arg(long, value_name = "FILE", group = "salts")]
    pub salt_hex_file: Option<PathBuf>,
    /// Iterations of PBKDF2
    #[arg(long, value_name = "N")]
    pub iterations: Option<u32>,
    /// How inputs are written; what is hashed are the bytes they stand for [default: utf8]
    #[arg(long, value_name = "NAME", value_parser = ["utf8", "hex", "base64"])]
    pub encoding: Option<String>,
    #[command(flatten)]
    pub standing: Standing,
    /// `task`: every input is a task of its own, in one batch
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    pub each: Option<Each>,
    /// How many results are computed a second time, to compare: a sample, or all before they count [default: sample]
    #[arg(long, value_name = "HOW")]
    pub verify: Option<VerifyOption>,
    /// Only say what it would take: nothing is created
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
}

/// What is made of each input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Each {
    /// A task of its own.
    Task,
}

/// How many results are computed a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyOption {
    /// A sample.
    Sample,
    /// Every one.
    All,
}

impl VerifyOption {
    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::All => "all",
        }
    }
}
