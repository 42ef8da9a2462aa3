//! The Hive's worker as a program: arguments, signals, exit codes.
#![deny(unsafe_code)]

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::BoolishValueParser;
use clap::{Parser, Subcommand};
use drone::NICE;
use drone::cli::Documents;
use drone::console::{self, LogFormat};
use drone::kernel::Choice;
use drone::signals::StopSignals;
use drone::{Config, Join, QueenAddr, Shutdown};
use mimalloc::MiMalloc;
use wire::handshake::MAX_NAME;
use wire::ids::SeatSecret;

/// Frames and results by the megabyte come and go, which the system would zero each time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Computes SHA-256 work for a Queen of the Hive.
///
/// A Drone connects to the Queen, computes what she hands out on its own threads, and sends
/// back the results. It waits for a Queen that is not there yet and returns to one that was
/// away, for ever.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  drone                                   work for the Queen on this machine
  drone --queen hive.example.org:8080 --join hive.join
                                          work for another one, let in by her join file
  drone --threads 2 --name attic          leave some of the CPU to others
  drone bench                             measure this machine, without a Queen

Ctrl-C (SIGINT), SIGTERM or SIGHUP (unless nohup has it ignored): finish what is running, however
long that takes, hand back the rest, leave. At a second signal: hand everything back at once. Without a connection to the
Queen there is nobody to give anything to, and the Drone leaves at once. HIVE_LOG filters
what is logged (default: info).

Exit codes: 0 after a graceful stop, 2 for a wrong argument, 1 for everything else."
)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Where the Queen listens for Drones
    #[arg(long, env = "HIVE_QUEEN", value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    queen: QueenAddr,

    /// The join file of the Hive, for a Queen who takes only Drones that have one
    ///
    /// `queen init` makes it, and `queen secret create` others. It holds a secret, so that only its owner may read it,
    /// and the certificate by which this Drone knows the Queen. All is encrypted then.
    #[arg(long, env = "HIVE_JOIN_FILE", value_name = "FILE")]
    join: Option<PathBuf>,

    /// Show words and digests on the console although the Queen is on another machine
    #[arg(long, env = "HIVE_SHOW_WORDS", value_parser = BoolishValueParser::new())]
    show_words: bool,

    /// Compute threads [default: one for each available CPU]
    #[arg(long, env = "HIVE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    threads: Option<u16>,

    /// What people see this Drone called [default: the host's name and the process id]
    #[arg(long, env = "HIVE_NAME", value_parser = name)]
    name: Option<String>,

    /// What computes: auto, avx512, sha-ni, avx2 or portable
    ///
    /// auto measures at the start what this CPU has, and takes for each class of work (short and
    /// long strings, SHA-256d, HMAC, PBKDF2) what is fastest. avx512 and avx2 compute 16 and 8
    /// strings in the lanes of wide registers, sha-ni interleaves 4 in the SHA instructions of
    /// x86-64; portable takes one string after the other and runs on any CPU.
    #[arg(long, env = "HIVE_KERNEL", value_name = "NAME", default_value = "auto")]
    kernel: Choice,

    /// How far computing stands back for all else on this machine: 0 not at all, 19 most
    ///
    /// The nice value of the compute threads (Linux). They use what others leave, which is all of
    /// an idle machine; connections, and a Queen on the same machine, answer at once.
    #[arg(long, env = "HIVE_NICE", value_name = "N", default_value_t = NICE,
        value_parser = clap::value_parser!(u8).range(..20))]
    nice: u8,

    /// How to log to standard output
    #[arg(long, env = "HIVE_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure what one thread of this machine does with each kernel
    ///
    /// Takes some three seconds. Every kernel that this CPU has is tested first, then all take
    /// short turns, and the best turn counts, since others may want the CPU too. In brackets: how
    /// many times as fast as the portable kernel. A star marks what a Drone with a thread for each
    /// CPU takes for that work.
    Bench {
        /// Print JSON: for each case its name, its unit, the rate with each kernel, and the kernel that auto takes
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Documents(Documents),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match start(drone::cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(&format!("drone: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn start(args: Args) -> anyhow::Result<()> {
    drone::limits::survive_file_size_limit().context("cannot listen for signals")?;
    drone::limits::leave_no_core();
    match args.command {
        Some(Command::Bench { json }) => bench(json),
        Some(Command::Documents(documents)) => documents.write::<Args>().context("cannot print"),
        None => run(args).await,
    }
}

fn bench(json: bool) -> anyhow::Result<()> {
    let report = drone::bench::run(available_threads()?)?;
    let text = if json { format!("{:#}\n", report.json()) } else { report.to_string() };
    std::io::stdout().write_all(text.as_bytes()).context("cannot print")
}

async fn run(args: Args) -> anyhow::Result<()> {
    let _unwritten = console::init(args.log_format).context("cannot log")?;
    let threads = match args.threads.and_then(|threads| NonZeroUsize::new(threads.into())) {
        Some(threads) => threads,
        None => available_threads()?,
    };
    let seat = SeatSecret::random().context("the operating system has no randomness")?;
    let name = args.name.unwrap_or_else(default_name);
    let join = args.join.as_deref().map(Join::open).transpose()?;
    let show_words = args.show_words || args.queen.is_loopback();
    let config =
        Config { queen: args.queen, threads, name, seat, join, kernel: args.kernel, nice: args.nice, show_words };
    let shutdown = Shutdown::default();
    listen_for_signals(shutdown.clone()).context("cannot listen for signals")?;
    Ok(drone::run(config, shutdown).await?)
}

fn available_threads() -> anyhow::Result<NonZeroUsize> {
    std::thread::available_parallelism().context("cannot count the CPUs; use --threads")
}

/// The first signal drains, the second one ends everything.
fn listen_for_signals(shutdown: Shutdown) -> std::io::Result<()> {
    let mut signals = StopSignals::listen(true)?;
    tokio::spawn(async move {
        for token in [shutdown.drain, shutdown.now] {
            signals.next().await;
            token.cancel();
        }
    });
    Ok(())
}

fn name(text: &str) -> Result<String, drone::NameError> {
    drone::check_name(text).map(|()| text.to_owned())
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.as_deref().map(str::trim).filter(|host| drone::check_name(host).is_ok()).unwrap_or("drone");
    let process = format!("-{}", std::process::id());
    format!("{}{process}", &host[..host.floor_char_boundary(MAX_NAME - process.len())])
}
