//! A Hive of processes, as its users start it.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use super::api::Api;
use super::client::Client;
use super::machine::cpu;

/// Where the programs of this build are, and where data goes.
pub struct Build {
    queen: PathBuf,
    drone: PathBuf,
    /// Where data directories are made.
    pub directory: PathBuf,
    is_ephemeral: bool,
}

/// A Queen and Drones of one thread, on a data directory of their own; all end with this.
pub struct Hive {
    pub queen: Process,
    drones: Vec<Process>,
    pub api: Api,
    pub drone_addr: SocketAddr,
    /// Where the data directory is.
    folder: TempDir,
}

/// What processes took of the CPU, in seconds.
#[derive(Clone, Copy)]
pub struct Cpu {
    pub queen: f64,
    pub drones: f64,
    pub client: f64,
}

impl Cpu {
    /// What was taken since then.
    pub fn since(self, before: Self) -> Self {
        let Self { queen, drones, client } = before;
        Self { queen: self.queen - queen, drones: self.drones - drones, client: self.client - client }
    }

    /// All together.
    pub fn sum(self) -> f64 {
        self.queen + self.drones + self.client
    }
}

/// A process that ends with this.
pub struct Process(Child);

impl Build {
    /// The build that this program is of; it lies in `examples` beside the others.
    pub fn find(directory: Option<PathBuf>, is_ephemeral: bool) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let build = this.parent().and_then(Path::parent).context("this program lies in no build directory")?;
        let program = |name| {
            let path = build.join(name);
            ensure!(path.exists(), "{} is missing: cargo build --release --workspace --bins", path.display());
            Ok(path)
        };
        Ok(Self {
            queen: program("queen")?,
            drone: program("drone")?,
            directory: directory.unwrap_or_else(|| build.to_owned()),
            is_ephemeral,
        })
    }

    /// Starts a Hive, and waits until all its Drones are connected. `tls`: it is set up before, so that everything
    /// speaks TLS.
    pub async fn start(&self, drones: u64, tls: bool) -> anyhow::Result<Hive> {
        let folder = tempfile::tempdir_in(&self.directory)?;
        let (data, join_file) = (folder.path().join("data"), folder.path().join("hive.join"));
        let token = if tls { Some(self.set_up(&data, &join_file)?) } else { None };
        let mut queen = Command::new(&self.queen);
        queen.args(["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--data-dir"]).arg(&data);
        queen.args(self.is_ephemeral.then_some("--ephemeral"));
        let (queen, [drone_addr, http]) = Process::start(&mut queen)?;
        let drone = |number| {
            let mut drone = Command::new(&self.drone);
            drone.args(["--threads", "1", "--queen", &drone_addr.to_string(), "--name", &format!("load-{number}")]);
            if tls {
                drone.arg("--join").arg(&join_file);
            }
            Process::spawn(drone.stdout(Stdio::null()))
        };
        let processes = (1..=drones).map(drone).collect::<anyhow::Result<_>>()?;
        let api = match token {
            Some(token) => Api::closed(http, &data.join("authority.pem"), &token)?,
            None => Api::open(http),
        };
        let hive = Hive { queen, drones: processes, api, drone_addr, folder };
        hive.until_drones(drones).await?;
        Ok(hive)
    }

    /// Makes certificates, the Drones' secret and a token; the token.
    fn set_up(&self, data: &Path, join_file: &Path) -> anyhow::Result<String> {
        let mut init = Command::new(&self.queen);
        init.arg("init").arg("--data-dir").arg(data).arg("--join-file").arg(join_file);
        let output = without_settings(&mut init).output().context("cannot start queen init")?;
        ensure!(output.status.success(), "queen init: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Hive {
    /// Where her data is.
    pub fn directory(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until so many Drones are connected.
    pub async fn until_drones(&self, count: u64) -> anyhow::Result<()> {
        let mut client = Client::connect(&self.api).await?;
        for _ in 0..3000 {
            if client.json("GET", "/stats", "").await?["drones"] == count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("there are not {count} Drones after 30 seconds")
    }

    /// What all of it, and this program, took so far.
    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        let drones = self.drones.iter().map(Process::cpu).sum::<anyhow::Result<f64>>()?;
        Ok(Cpu { queen: self.queen.cpu()?, drones, client: cpu(None)? })
    }
}

impl Process {
    /// Starts a program, and waits until it has said on which addresses it listens, in this order.
    pub fn start<const N: usize>(command: &mut Command) -> anyhow::Result<(Self, [SocketAddr; N])> {
        let mut process = Self::spawn(command.stdout(Stdio::piped()))?;
        let mut console = BufReader::new(process.0.stdout.take().context("there is no console")?);
        let mut addresses = Vec::new();
        while addresses.len() < N {
            let mut line = String::new();
            ensure!(console.read_line(&mut line)? > 0, "{:?} has ended", command.get_program());
            addresses.extend(address(&line));
        }
        // A console that nobody reads would hold it up.
        std::thread::spawn(move || io::copy(&mut console, &mut io::sink()));
        Ok((process, addresses.try_into().map_err(|_| anyhow::anyhow!("too many addresses"))?))
    }

    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child = without_settings(command).stdin(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {:?}", command.get_program()))?))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The CPU time that it has taken so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        cpu(Some(self.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is set for the Hive of whoever measures is not for what is measured.
fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HIVE_")) {
        command.env_remove(name);
    }
    command
}

/// The address in a line of a console.
fn address(line: &str) -> Option<SocketAddr> {
    line.split(|char: char| !char.is_ascii_digit() && !".:".contains(char)).find_map(|word| word.parse().ok())
}
