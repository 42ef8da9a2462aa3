//! The command line.

mod access;
mod data_dir;
mod listen;
mod serve;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use drone::cli::Documents;
use drone::kernel::Choice;

pub use self::access::{Expose, Init, SecretCommand, Secrets, TokenCommand, Tokens};
pub use self::data_dir::DataDir;
pub use self::listen::{DRONE_ADDR, HTTP_ADDR};
pub use self::serve::{Keep, Serve};
pub use self::values::{Address, Size, Span};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
