//! All scenarios in turn, in rounds, so that each figure stands beside one of the same minute.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::hive::Build;
use super::machine;
use super::report::Report;
use super::scenarios::Comparison;
use super::strings::Expected;

#[derive(Args)]
pub struct Compare {
    /// Which ones, in which order [default: all]
    scenarios: Vec<Scenario>,
    /// How often each is run, in turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Drones of one thread each
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub drones: u64,
    /// Strings of the bulk task
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    strings: u64,
    /// Compare every so many-th of its digests
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Tasks of one word, a request each
    #[arg(long, default_value_t = 30_000)]
    pub singles: u64,
    /// Connections on which they are sent
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    pub connections: u64,
    /// Words one after the other on an idle Hive
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u64).range(1..))]
    pub words: u64,
    /// Words one after the other under load
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub loaded_words: u64,
    /// Strings of the load
    #[arg(long, default_value_t = 20_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub load_strings: u64,
    /// Strings of the load of PBKDF2, of a thousand iterations
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub load_passwords: u64,
    /// Drones that only wait
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub idle_drones: u64,
    /// Tasks that have ended, while pages are read
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub page_tasks: u64,
    /// Drones that only wait meanwhile
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    pub page_drones: u64,
    /// Pages that are open at once
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub open_pages: u64,
    /// Run `bulk` and `singles` in Hives that `queen init` has set up as well, with TLS, secret and token
    #[arg(long, conflicts_with = "ephemeral")]
    pub tls: bool,
    /// Where the data directories are made [default: the build directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Let the Queens keep everything in memory, to see what of a figure is the disk's
    #[arg(long)]
    ephemeral: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Many strings in one task, beside bare loopback and plain hashing
    Bulk,
    /// One task a request, beside bare axum
    Singles,
    /// One word after the other, beside bare axum and fdatasync
    Latency,
    /// The same while the Drones are busy
    Loaded,
    /// Drones that only wait
    Idle,
    /// Pages of a browser, with many tasks and Drones
    Pages,
}

impl Compare {
    pub async fn run(self) -> anyhow::Result<Value> {
        let build = Build::find(self.directory.clone(), self.ephemeral)?;
        let machine = machine::describe(&build.directory)?;
        println!("{machine}");
        let scenarios = match self.scenarios.as_slice() {
            [] => Scenario::value_variants(),
            some => some,
        };
        let is_bulk = scenarios.contains(&Scenario::Bulk);
        let expected = Expected::of(if is_bulk { self.strings } else { 0 }, self.every);
        let mut comparison = Comparison { size: &self, build, expected, report: Report::default() };
        for round in 1..=self.rounds {
            for scenario in scenarios {
                let begun = Instant::now();
                comparison.run(*scenario).await?;
                let seconds = begun.elapsed().as_secs_f64();
                println!("round {round} of {}: {}, {seconds:.0} s", self.rounds, comparison.report.scenario());
            }
        }
        comparison.report.print();
        Ok(json!({ "machine": machine, "drones": self.drones, "ephemeral": self.ephemeral,
            "tls": self.tls, "rounds": self.rounds,
            "figures": comparison.report.json() }))
    }
}
