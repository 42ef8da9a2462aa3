//! Puts load on a Queen, and says how much she took: the figures of docs/PERFORMANCE.md.
//!
//! ```text
//! cargo run --release -p queen --example load -- singles --count 100000
//! cargo run --release -p queen --example load -- bulk --strings 100000000
//! cargo build --release --workspace --bins && cargo run --release -p queen --example load -- compare
//! ```
//!
//! `singles` and `bulk` go to a Queen that runs already. `compare` starts Queens and Drones of its own,
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
mod singles;
mod strings;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};

/// Puts load on a Queen
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    load: Load,
    /// Where the REST API of the Queen is that `singles` and `bulk` go to
    #[arg(long, global = true, default_value = "127.0.0.1:8081")]
    queen: SocketAddr,
}

#[derive(Subcommand)]
enum Load {
    /// One task a request, on several connections
    Singles(singles::Singles),
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
    if matches!(load, Load::Bare) {
        return tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bare::serve());
    }
    // One thread: what is measured needs the cores more.
    let figures = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        tokio::select! {
            figures = run(load, queen) => figures,
            // What was started is ended.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    println!("{figures}");
    Ok(())
}

async fn run(load: Load, queen: SocketAddr) -> anyhow::Result<serde_json::Value> {
    match load {
        Load::Singles(load) => load.run(queen).await,
        Load::Bulk(load) => load.run(queen).await,
        Load::Compare(compare) => compare.run().await,
        Load::Bare => bare::serve().await.map(Into::into),
    }
}
