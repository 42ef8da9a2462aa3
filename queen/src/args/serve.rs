//! How a Queen serves, and what she keeps.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use drone::console::LogFormat;
use rustix::process::{Resource, getrlimit};

use super::access::Expose;
use super::data_dir::{DATA_DIR, DataDir};
use super::listen::{DRONES, HTTP, bind};
use super::values::{self, Address, Size, Span};
use crate::access::exposure::Exposure;
use crate::clock;
use crate::config::{Config, Listeners};
use crate::core::Timeouts;
use crate::hive::MAX_QUEUED;
use crate::store::Location;

/// How much memory a machine is taken to have whose system does not say it, in bytes.
const UNKNOWN_MEMORY_BYTES: u64 = 1 << 30;

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
    pub fn config(&self, keep: Option<&Keep>) -> Config {
        let on_disk = keep.filter(|keep| !keep.ephemeral);
        let exposure = self.expose.exposure();
        // A demo speaks with itself, and without TLS.
        let files = exposure.files.clone().filter(|_| keep.is_some());
        Config {
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
    pub async fn listen(&self, fall_back: bool) -> anyhow::Result<Listeners> {
        let drones = bind(&DRONES, self.drone_addr.as_ref(), fall_back, None).await?;
        let http = bind(&HTTP, self.http_addr.as_ref(), fall_back, Some(drones.local_addr()?)).await?;
        Ok(Listeners { drones, http })
    }
}

/// The machine's memory in bytes.
fn memory() -> u64 {
    let kib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kib.map_or(UNKNOWN_MEMORY_BYTES, |kib| kib * 1024)
}
