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

mod bare;
mod bulk;
mod client;
mod compare;
mod hive;
mod idle;
mod latency;
mod machine;
mod report;
mod scenarios;
mod singles;
mod strings;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Puts load on a Queen
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    load: Load,
    /// Where the REST API of the Queen is that `singles`, `many` and `bulk` go to
    #[arg(long, global = true, default_value = "127.0.0.1:8081")]
    queen: SocketAddr,
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

fn start(Cli { load, queen }: Cli) -> anyhow::Result<()> {
    let mut runtime = match load {
        Load::Bare => Builder::new_multi_thread(),
        // What is measured needs the cores more.
        _ => Builder::new_current_thread(),
    };
    let figures = runtime.enable_all().build()?.block_on(async {
        tokio::select! {
            figures = run(load, queen) => figures,
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

async fn run(load: Load, queen: SocketAddr) -> anyhow::Result<Value> {
    match load {
        Load::Singles(load) => load.run(queen).await,
        Load::Many(load) => load.run(queen).await,
        Load::Bulk(load) => load.run(queen).await,
        Load::Compare(compare) => compare.run().await,
        Load::Bare => bare::serve().await.map(|()| Value::Null),
    }
}
