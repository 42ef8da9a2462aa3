//! Real processes, whose consoles go into files.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Duration, sleep};

/// Where what the programs say is kept.
#[derive(Debug, Clone)]
pub struct Consoles(PathBuf);

impl Consoles {
    pub fn new(folder: PathBuf) -> Self {
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn open(&self, name: &str) -> File {
        OpenOptions::new().create(true).append(true).open(self.0.join(name)).unwrap()
    }

    /// What one program said.
    pub fn of(&self, name: &str) -> String {
        std::fs::read(self.0.join(name)).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// All that was said by programs whose names begin so.
    pub fn read(&self, prefix: &str) -> String {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let is_wanted = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(prefix);
        entries
            .filter(is_wanted)
            .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
            .collect()
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }
}

/// A running program.
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    pub fn start(name: &str, command: &mut Command, consoles: &Consoles) -> Self {
        let console = consoles.open(name);
        let complaints = console.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(console).stderr(complaints).spawn().unwrap();
        Self { name: name.to_owned(), child }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Nobody ends but who is told to.
    pub fn must_live(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended by itself: {ended:?}", self.name);
    }

    /// Waits until it has said that; before its first words it does not listen to signals.
    pub async fn until_said(&mut self, text: &str, consoles: &Consoles) {
        while !consoles.of(&self.name).contains(text) {
            self.must_live();
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn signal(&mut self, signal: &str) {
        self.must_live();
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn kill(mut self) {
        self.must_live();
        // The rest is what happens to whoever is dropped.
    }

    /// Asks it to leave, and waits until it has.
    pub async fn dismiss(mut self) -> ExitStatus {
        let mut endings = signal(SignalKind::child()).unwrap();
        self.signal("-TERM");
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            endings.recv().await;
        }
    }

    /// The most memory that it had resident so far, in bytes.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
