//! Puts load on a Queen, and says how much she took: the figures of docs/PERFORMANCE.md.
//!
//! ```text
//! cargo run --release -p queen --example load -- singles --count 100000
//! cargo run --release -p queen --example load -- many --tasks 1000000
//! cargo run --release -p queen --example load -- bulk --strings 100000000
//! cargo build --release --workspace --bins --example load && target/release/examples/load compare
//! ```
//!
//! `singles`, `many` and `bulk` go to a Queen that runs already. `compare` starts Queens and Drones of its own,
//! and measures them in turn with programs that do the same without a Hive.
//!
//! Every result that comes back is compared, or every so many-th of a long download. The last
//! line is JSON.

mod api;
mod bare;
mod bulk;
mod client;
mod compare;
mod fleet;
mod hive;
mod idle;
mod latency;
mod machine;
mod pages;
mod report;
mod scenarios;
mod singles;
mod strings;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use self::api::Api;

/// Puts load on a Queen
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    load: Load,
    /// Where the REST API of the Queen is that `singles`, `many` and `bulk` go to
    #[arg(long, global = true, default_value = "127.0.0.1:8081")]
    queen: SocketAddr,
    /// If her Hive is set up: the certificate of its authority, which is `authority.pem` in her data directory
    #[arg(long, global = true, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// If it is: the file with a token that may read and submit
    #[arg(long, global = true, value_name = "FILE")]
    token: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Load {
    /// One task a request, on several connections
    Singles(singles::Singles),
    /// Many tasks in one request, each of one string: upload, wait, download
    Many(bulk::Many),
    /// One task of many strings: upload, wait, download
    Bulk(bulk::Bulk),
    /// Starts Hives, and measures them beside programs that do the same without one
    Compare(compare::Compare),
    /// Connects Drones that compute nothing, for who looks at pages
    Fleet(fleet::Fleet),
    /// Answers like a Queen of one task, doing nothing else
    #[command(hide = true)]
    Bare,
}

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    /// Where the Queen is who runs already.
    fn api(&self) -> anyhow::Result<Api> {
        match (&self.authority, &self.token) {
            (None, None) => Ok(Api::open(self.queen)),
            (Some(authority), Some(token)) => {
                let token = fs::read_to_string(token).with_context(|| format!("cannot read {}", token.display()))?;
                Api::closed(self.queen, authority, &token)
            }
            _ => bail!("--authority and --token go together"),
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<()> {
    let api = cli.api()?;
    let Cli { load, .. } = cli;
    let mut runtime = match load {
        Load::Bare => Builder::new_multi_thread(),
        // What is measured needs the cores more.
        _ => Builder::new_current_thread(),
    };
    let figures = runtime.enable_all().build()?.block_on(async {
        tokio::select! {
            figures = run(load, &api) => figures,
            // What was started is ended.
            signal = interrupted() => signal.and_then(|()| bail!("interrupted")),
        }
    })?;
    println!("{figures}");
    Ok(())
}

async fn interrupted() -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    Ok(())
}

async fn run(load: Load, api: &Api) -> anyhow::Result<Value> {
    match load {
        Load::Singles(load) => load.run(api).await,
        Load::Many(load) => load.run(api).await,
        Load::Bulk(load) => load.run(api).await,
        Load::Compare(compare) => compare.run().await,
        Load::Fleet(fleet) => fleet.run().await,
        Load::Bare => bare::serve().await.map(|()| Value::Null),
    }
}
