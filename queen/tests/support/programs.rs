//! The real programs: started as users start them, their consoles read.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

pub fn queen() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_queen")))
}

pub fn drone() -> Command {
    beside("drone")
}

/// The client.
pub fn hive() -> Command {
    beside("hive")
}

/// Built by `cargo build --workspace --all-features --bins`; it lies beside the Queen.
fn beside(name: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_queen")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --all-features --bins` first", path.display());
    clean(Command::new(path))
}

/// The program that `docs/PROTOCOL.md` begins with, as it stands there; it is written into this directory.
pub fn smallest_drone(directory: &Path) -> Command {
    let page = include_str!("../../../docs/PROTOCOL.md");
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let path = directory.join("smallest.py");
    std::fs::write(&path, program).unwrap();
    let python = Command::new("python3").arg("--version").output();
    assert!(python.is_ok(), "the page's program is in Python: install python3");
    let mut command = Command::new("python3");
    command.arg(path);
    command
}

/// The same command, whose files become no longer than so many blocks of 512 bytes.
pub fn with_file_size_limit(command: &Command, blocks: u64) -> Command {
    let mut limited = clean(Command::new("sh"));
    limited.arg("-c").arg(format!("ulimit -f {blocks} && exec \"$0\" \"$@\""));
    limited.arg(command.get_program()).args(command.get_args());
    limited
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HIVE_")) {
        command.env_remove(name);
    }
    command.env("HIVE_KERNEL", "portable");
    command
}

/// A running program and its console.
pub struct Program {
    child: Child,
    console: BufReader<ChildStdout>,
    seen: Vec<String>,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let console = BufReader::new(child.stdout.take().unwrap());
        Self { child, console, seen: Vec::new() }
    }

    /// Reads the console up to a line that contains `text`.
    pub fn line(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.console.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "no line with {text:?} in:\n{}", self.seen.concat());
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Fills the console. Nobody is to read it any more.
    pub fn fill_console(&self) {
        // A pipe that is opened anew may be written to without blocking, whoever else writes to it.
        let path = format!("/proc/{}/fd/1", self.child.id());
        let mut console = OpenOptions::new().write(true).open(path).unwrap();
        rustix::io::ioctl_fionbio(&console, true).unwrap();
        for length in [4096, 1] {
            while console.write(&vec![b'.'; length]).is_ok() {}
        }
    }

    /// Waits for the end without reading the console; the exit code.
    pub fn end_unread(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; the exit code and all that the console said.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.console.read_to_string(&mut rest).unwrap();
        self.seen.push(rest);
        let status = self.child.wait().unwrap();
        (status.code(), self.seen.concat())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line of a console.
pub fn address(line: &str) -> SocketAddr {
    let at = line.find("127.0.0.").unwrap();
    let rest = &line[at..];
    rest[..rest.find(|char: char| !char.is_ascii_digit() && char != '.' && char != ':').unwrap_or(rest.len())]
        .parse()
        .unwrap()
}

/// A Drone with one thread.
pub fn start_drone(drones: SocketAddr, name: &str) -> Program {
    Program::start(drone().args(["--queen", &drones.to_string(), "--name", name, "--threads", "1"]))
}

/// What a program that ends by itself leaves behind: its exit code, and what it said and complained of.
pub fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}
