//! The programs in `docs/examples`, as their users start them: against a Hive of real processes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod drone;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::programs::{Program, address, output, queen};
use tempfile::TempDir;

/// How long something may take on a slow machine.
const STEP_TIMEOUT: Duration = Duration::from_secs(300);

/// Looks until it is so, with pauses in which the others come forward.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + STEP_TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to that");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A program of the folder.
fn example(name: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/examples").join(name);
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HIVE_")) {
        command.env_remove(name);
    }
    command
}

/// A Queen on disk.
struct Hive {
    folder: TempDir,
    scheme: &'static str,
    /// On an address of each test's own, so that nobody else is given its ports while she is away.
    drones: SocketAddr,
    http: SocketAddr,
    queen: Option<Program>,
}

impl Hive {
    /// She is set up: both ports speak TLS, Drones need a join file, and requests a token.
    fn start(ip: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let join_file = folder.path().join("hive.join");
        let mut init = queen();
        init.args(["init", "--host", ip, "--data-dir"])
            .arg(folder.path().join("data"))
            .arg("--join-file")
            .arg(join_file);
        let (code, token, said) = output(&mut init);
        assert_eq!(code, Some(0), "{said}");
        Self::of(folder, "https", ip, &token)
    }

    /// She has no secrets, and speaks no TLS.
    fn start_open(ip: &str) -> Self {
        Self::of(tempfile::tempdir().unwrap(), "http", ip, "")
    }

    fn of(folder: TempDir, scheme: &'static str, ip: &str, token: &str) -> Self {
        let any_port = SocketAddr::new(ip.parse().unwrap(), 0);
        let mut hive = Self { folder, scheme, drones: any_port, http: any_port, queen: None };
        hive.write("admin.token", token);
        hive.write("header", &if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}") });
        hive.start_queen();
        hive
    }

    /// Starts her on the ports that she had, if she had any.
    fn start_queen(&mut self) {
        let mut command = queen();
        // On a busy machine a Drone may come back late, and what it holds is still its own then.
        command.args(["--lease-grace", "1h", "--drone-addr", &self.drones.to_string()]);
        command.args(["--http-addr", &self.http.to_string(), "--data-dir"]);
        let mut queen = Program::start(command.arg(self.path("data")));
        self.drones = address(&queen.line("listening for drones"));
        self.http = address(&queen.line("admin page"));
        self.queen = Some(queen);
    }

    fn kill_queen(&mut self) {
        let queen = self.queen.take().unwrap();
        queen.signal("-KILL");
        queen.end();
    }

    fn queen(&mut self) -> &mut Program {
        self.queen.as_mut().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that nobody else can read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::io::Write;
        let path = self.path(name);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    /// A client of the folder, which is told where the Queen is and by what it is let in.
    fn client(&self, name: &str) -> Command {
        let mut client = example(name);
        client.env("HIVE_URL", format!("https://{}", self.http));
        client.env("HIVE_CA", self.path("data/authority.pem")).env("HIVE_TOKEN_FILE", self.path("admin.token"));
        client.stdin(Stdio::null());
        client
    }

    /// One request, by curl.
    fn curl(&self, arguments: &[&str], path: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--cacert"]).arg(self.path("data/authority.pem"));
        curl.arg("--header").arg(format!("@{}", self.path("header").display())).args(arguments);
        let (code, answer, error) = output(curl.arg(format!("{}://{}{path}", self.scheme, self.http)));
        assert_eq!(code, Some(0), "{path}: {answer} {error}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.curl(&[], path)).unwrap()
    }

    /// Submits lines of text; the task's id.
    fn submit(&self, query: &str, lines: &[String]) -> u64 {
        let file = self.path("lines");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let body = format!("@{}", file.display());
        let headers = ["--header", "content-type: text/plain", "--header", "hive-salt: s"];
        let headers = if query.contains("pbkdf2") { &headers[..] } else { &headers[..2] };
        let answer = self.curl(&[headers, &["--data-binary", &body]].concat(), &format!("/tasks{query}"));
        serde_json::from_str::<Value>(&answer).unwrap()["id"].as_u64().unwrap()
    }

    fn until_done(&self, task: u64) {
        loop {
            let answer = self.curl(&["--header", "prefer: wait=60"], &format!("/tasks/{task}"));
            let view: Value = serde_json::from_str(&answer).unwrap();
            match view["state"].as_str() {
                Some("done") => return,
                Some("pending" | "running") => {}
                _ => panic!("{view}"),
            }
        }
    }

    fn results(&self, task: u64) -> String {
        self.curl(&[], &format!("/tasks/{task}/results?format=text"))
    }
}

/// What `format=text` shows of these lines.
fn sums(lines: &[String], hash: impl Fn(&[u8]) -> [u8; 32]) -> String {
    lines.iter().map(|line| format!("{}  {line}\n", const_hex::encode(hash(line.as_bytes())))).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("word {number}")).collect()
}
