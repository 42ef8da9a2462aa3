//! A Hive that is set up as its operator does it: by the real programs alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod commands;
mod https;
mod ports;
mod proxy;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use support::programs::{Program, address, output, queen};
use tempfile::TempDir;
use wire::join::JoinFile;

/// A data directory that is set up, and what its operator was given.
struct SetUp {
    folder: TempDir,
    admin: String,
}

impl SetUp {
    fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    fn within(folder: TempDir) -> Self {
        let join_file = folder.path().join("hive.join");
        let arguments = ["init", "--host", "hive.test", "--join-file", join_file.to_str().unwrap()];
        let (code, admin, said) = output(&mut Self::command(&folder, &arguments));
        assert_eq!(code, Some(0), "{said}");
        Self { admin: admin.trim().to_owned(), folder }
    }

    fn command(folder: &TempDir, arguments: &[&str]) -> Command {
        let mut command = queen();
        command.args(arguments).arg("--data-dir").arg(folder.path().join("data"));
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn join(&self) -> JoinFile {
        std::fs::read_to_string(self.path("hive.join")).unwrap().parse().unwrap()
    }

    /// A command about this directory.
    fn queen(&self, arguments: &[&str]) -> Command {
        Self::command(&self.folder, arguments)
    }

    /// One that does what it is to; what it prints.
    fn done(&self, arguments: &[&str]) -> String {
        let (code, said, error) = output(&mut self.queen(arguments));
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
        said.trim().to_owned()
    }

    /// One that is refused; the reason.
    fn refused(&self, arguments: &[&str]) -> String {
        let (code, said, error) = output(&mut self.queen(arguments));
        assert_eq!((code, said.as_str()), (Some(1), ""), "{arguments:?}: {error}");
        error
    }

    fn start(&self, more: &[&str]) -> Running {
        Running::start(self.queen(&["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]).args(more))
    }
}

/// A Queen who serves.
struct Running {
    program: Program,
    drones: SocketAddr,
    http: SocketAddr,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut program = Program::start(command);
        let drones = address(&program.line("listening for drones"));
        let http = address(&program.line("admin page"));
        Self { program, drones, http }
    }

    fn stop(self) {
        self.program.signal("-TERM");
        let (code, said) = self.program.end();
        assert_eq!(code, Some(0), "{said}");
    }

    fn kill(self) {
        self.program.signal("-KILL");
        self.program.end();
    }
}
