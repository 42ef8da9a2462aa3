//! The command line.

mod access;
mod values;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
use drone::cli::Documents;
use drone::console::LogFormat;
use drone::kernel::Choice;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

pub use self::access::{Expose, Init, SecretCommand, Secrets, TokenCommand, Tokens};
pub use self::values::{Address, Size, Span};
use crate::access::exposure::Exposure;
use crate::clock;
use crate::core::Timeouts;
use crate::hive::MAX_QUEUED;
use crate::store::Location;

/// Where Drones connect when nothing else is said.
pub const DRONE_ADDR: &str = "127.0.0.1:8080";

/// Where HTTP is served when nothing else is said.
pub const HTTP_ADDR: &str = "127.0.0.1:8081";

/// Where everything is kept when nothing else is said.
const DATA_DIR: &str = "hive-data";

/// How many connections may wait to be accepted, where the system allows it (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Where a system does not say how much memory it has: 1 GiB.
const MEMORY_UNKNOWN: u64 = 1 << 30;

/// The Hive's Queen: hands SHA-256 work to drones, and serves a REST API and an admin page
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  queen                                    serve on the usual ports
  queen demo --exit                        show what it does, then end
  queen backup --to hive.tar               copy everything, while she works or not
  queen check                              look whether everything on disk is sound
  queen init > admin.token                 set it up for other machines
  curl -d '{\"input\":\"honey\"}' localhost:8081/tasks
  drone --queen 127.0.0.1:8080             give her a worker

Ctrl-C (SIGINT) or SIGTERM stops her. SIGHUP does not: by it she reads the files of --tls-cert and
--tls-key again. HIVE_LOG filters what is logged (default: info).

Exit codes: 0 after a graceful stop (Ctrl-C or SIGTERM), 1 if it cannot serve, if a demo's
result is wrong, if a check or a backup finds something wrong, or at a second Ctrl-C, which
stops at once, 2 for a wrong command line."
)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
    /// What to keep, and where.
    #[command(flatten)]
    pub keep: Keep,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a Queen with drones in one process, and let them work for you to see
    Demo(Demo),
    /// Look through a data directory that no Queen has open, and tell what is wrong in it
    #[command(after_help = CHECK)]
    Check(DataDir),
    /// Copy a data directory into one file, while its Queen works or not
    #[command(after_help = BACKUP)]
    Backup(Backup),
    /// Set a Hive up for other machines: TLS, a join file for drones, an admin token
    #[command(after_help = access::INIT)]
    Init(Init),
    /// Make, list and revoke tokens, with which requests are sent
    #[command(after_help = access::TOKENS)]
    Token(Tokens),
    /// Make, list and revoke secrets, with which drones join
    #[command(after_help = access::SECRETS)]
    Secret(Secrets),
    /// What she says of herself.
    #[command(flatten)]
    Documents(Documents),
}

const CHECK: &str = "\
Reads everything in the directory: the records, all inputs and all results. A sample of the
results is computed again. Nothing is changed or repaired.

Examples:
  queen check
  queen check --data-dir /var/lib/hive

The last line on stdout is `OK: …` or `DAMAGED: …`, and what is wrong stands before it, a line
each. Lines that begin with `note:` tell of nothing wrong.

Exit codes: 0 if everything is sound, 1 if not or if it cannot be looked at (a running Queen has
it open: stop her, or check a backup), 2 for a wrong command line.";

const BACKUP: &str = "\
What was acknowledged before the backup began is in it. The file is a tar archive, readable by
its owner alone, and gets its name when it is complete. Until then it grows in a folder beside,
`FILE.….part`, which takes room for a second copy of the records as well; one that is left over
from a backup that was killed can be removed.

Examples:
  queen backup --to /backup/hive.tar
  queen backup --data-dir /var/lib/hive --to hive.tar --force

To restore it into a new directory, and to look whether it is sound:
  mkdir -m 700 new-data && tar -xf hive.tar -C new-data
  queen check --data-dir new-data
  queen --data-dir new-data

Exit codes: 0 if the file is complete, 1 if there is none, 2 for a wrong command line.";

/// Where everything is.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Where everything is kept
    #[arg(long, env = "HIVE_DATA_DIR", value_name = "DIR", default_value = DATA_DIR)]
    pub data_dir: PathBuf,
}

/// Where a backup goes.
#[derive(Debug, Clone, Args)]
pub struct Backup {
    /// What to copy.
    #[command(flatten)]
    pub from: DataDir,
    /// The file to write, outside the data directory
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Replace the file if there is one already
    #[arg(long)]
    pub force: bool,
}

/// What a demo does.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// End when the work is done, instead of serving on; exit code 0 only if every result was right
    #[arg(long)]
    pub exit: bool,
    /// How many drones
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub drones: u16,
    /// How many strings the large task has
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=20_000_000))]
    pub strings: u64,
    /// What the drones compute with, as `drone --kernel`: auto, avx512, sha-ni, avx2 or portable
    #[arg(long, env = "HIVE_KERNEL", value_name = "NAME", default_value = "auto")]
    pub kernel: Choice,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

/// What a Queen keeps, and where.
#[derive(Debug, Clone, Args)]
pub struct Keep {
    /// Made for its owner alone if there is none.
    #[command(flatten)]
    pub directory: DataDir,
    /// Keep everything in memory: nothing outlives the Queen
    #[arg(long, env = "HIVE_EPHEMERAL", value_parser = BoolishValueParser::new())]
    pub ephemeral: bool,
    /// How long finished tasks are kept, such as 12h or 30d, up to 36500d
    #[arg(long, env = "HIVE_KEEP_FINISHED", value_name = "TIME", default_value = "7d", value_parser = values::keeping)]
    pub keep_finished: Span,
    /// From what size on disk on finished tasks go earlier, the oldest first [default: nine tenths of what is
    /// free at the start and what the directory takes; none go then, but new tasks are refused]
    #[arg(long, env = "HIVE_MAX_DATA", value_name = "SIZE")]
    pub max_data: Option<Size>,
}

impl Keep {
    /// Whether something is said of what is kept, and nothing is.
    pub fn is_in_vain(&self) -> bool {
        self.ephemeral && (self.directory.data_dir != Path::new(DATA_DIR) || self.max_data.is_some())
    }
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Where drones connect; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "HIVE_DRONE_ADDR", value_name = "HOST:PORT")]
    pub drone_addr: Option<Address>,
    /// Where the REST API and the admin page are; port 0 picks a free one [default: 127.0.0.1:8081]
    #[arg(long, env = "HIVE_HTTP_ADDR", value_name = "HOST:PORT")]
    pub http_addr: Option<Address>,
    /// The longest request body, such as 64MiB
    #[arg(long, env = "HIVE_MAX_BODY", value_name = "SIZE", default_value = "64GiB")]
    pub max_body: Size,
    /// What may be held in memory: queued small tasks, inputs that drones are about to need, results on
    /// their way to the disk; with --ephemeral, everything [default: a quarter of the machine's]
    #[arg(long, env = "HIVE_MEMORY_LIMIT", value_name = "SIZE")]
    pub memory_limit: Option<Size>,
    /// After how long a silence a drone is given up, from 2s to 1d
    #[arg(long, env = "HIVE_SILENCE_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = values::silence)]
    pub silence_timeout: Span,
    /// How long at most what a drone computes is kept for it when its connection broke, up to 30d
    #[arg(long, env = "HIVE_LEASE_GRACE", value_name = "TIME", default_value = "15s", value_parser = values::grace)]
    pub lease_grace: Span,
    /// How many tasks of one token may be unfinished at a time; a batch is one
    #[arg(long, env = "HIVE_MAX_QUEUED_TASKS", value_name = "N", default_value_t = MAX_QUEUED)]
    pub max_queued_tasks: usize,
    /// Who may reach her.
    #[command(flatten)]
    pub expose: Expose,
    /// How the console speaks
    #[arg(long, env = "HIVE_LOG_FORMAT", value_name = "FORMAT", default_value = "story")]
    pub log_format: LogFormat,
}

impl Serve {
    /// What the library has to know; nothing is kept without `keep`.
    pub fn config(&self, keep: Option<&Keep>) -> crate::Config {
        let on_disk = keep.filter(|keep| !keep.ephemeral);
        let exposure = self.expose.exposure();
        // A demo speaks with itself, and without TLS.
        let files = exposure.files.clone().filter(|_| keep.is_some());
        crate::Config {
            max_body: self.max_body.0,
            memory_limit: self.memory_limit.map_or_else(|| memory() / 4, |size| size.0),
            data: on_disk.map(|keep| Location::new(keep.directory.data_dir.clone())),
            keep_finished: keep.map_or(Duration::MAX, |keep| keep.keep_finished.0),
            max_data: keep.and_then(|keep| keep.max_data).map(|size| size.0),
            timeouts: Timeouts { silence: self.silence_timeout.0, grace: self.lease_grace.0, ..Timeouts::default() },
            max_queued: self.max_queued_tasks,
            clock: Arc::new(clock::System::start()),
            // None is no limit.
            open_files: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            exposure: Exposure { files, ..exposure },
            protection: None,
        }
    }

    /// Listens where it is to. `fall_back`: on a free port if the usual one is taken.
    ///
    /// # Errors
    /// If an address cannot be had.
    pub async fn listen(&self, fall_back: bool) -> anyhow::Result<crate::Listeners> {
        let drones = self.bind(&DRONES, self.drone_addr.as_ref(), fall_back, None).await?;
        let http = self.bind(&HTTP, self.http_addr.as_ref(), fall_back, Some(drones.local_addr()?)).await?;
        Ok(crate::Listeners { drones, http })
    }

    /// `other`: where this Queen listens already.
    async fn bind(
        &self,
        port: &Port,
        asked: Option<&Address>,
        fall_back: bool,
        other: Option<SocketAddr>,
    ) -> anyhow::Result<TcpListener> {
        let Port { flag, variable, usual } = port;
        let address = asked.map_or(*usual, |address| &address.0);
        let found: Vec<SocketAddr> = lookup_host(address)
            .await
            .with_context(|| format!("{flag} ({variable}) {address}: there is no such host"))?
            .collect();
        match listen_at(&found) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && asked.is_none() && fall_back => {
                let ip = found.first().map_or([127, 0, 0, 1].into(), SocketAddr::ip);
                listen_on((ip, 0).into()).with_context(|| format!("cannot listen on {ip}"))
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match other {
                Some(other) if found.iter().any(|found| found.port() == other.port()) => bail!(
                    "cannot listen on {address}: {} and {} are the same port; give one of them another",
                    DRONES.flag,
                    HTTP.flag
                ),
                _ => bail!(
                    "cannot listen on {address}: it is in use, perhaps by another Queen; choose another with {flag} \
                     ({variable})"
                ),
            },
            bound => bound.with_context(|| format!("cannot listen on {address}, which {flag} ({variable}) says")),
        }
    }
}

/// Listens at the first of these addresses that can be had.
fn listen_at(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut listened = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        listened = listen_on(*address);
        if listened.is_ok() {
            break;
        }
    }
    listened
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A Queen who starts again need not wait until the connections of the one before are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// One of the two ports.
struct Port {
    flag: &'static str,
    variable: &'static str,
    /// Where it is when nothing else is said.
    usual: &'static str,
}

const DRONES: Port = Port { flag: "--drone-addr", variable: "HIVE_DRONE_ADDR", usual: DRONE_ADDR };
const HTTP: Port = Port { flag: "--http-addr", variable: "HIVE_HTTP_ADDR", usual: HTTP_ADDR };

/// The machine's memory in bytes.
fn memory() -> u64 {
    let kib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kib.map_or(MEMORY_UNKNOWN, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
