//! One life of the Queen: how she is started, and how she dies.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use super::support::{Answer, Broken, programs, try_send};

/// What a life is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub kill: Kill,
    pub keep: Keep,
    pub has_drones: bool,
    /// Before new load comes, everything is finished and compared.
    pub settles: bool,
}

/// What ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// She comes to this place for so many times.
    Point(&'static str, u64),
    /// So many requests are sent; she dies some turns of the scheduler later.
    Sent { requests: u64, turns: u64 },
    /// So many answers are read.
    Read(u64),
    /// Nothing: she is asked to stop.
    Never,
}

/// How long finished tasks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Long,
    /// They go at once.
    Never,
    /// As long as there is room, of which there is little.
    Little,
}

/// After so many requests she is killed even if her crash point was not reached.
const MAX_REQUESTS: u64 = 1_500;

impl Plan {
    pub fn removes(&self) -> bool {
        self.keep != Keep::Long
    }
}

/// A running Queen.
pub struct Life {
    pub plan: Plan,
    pub http: SocketAddr,
    queen: Mutex<Child>,
    consoles: Mutex<Vec<JoinHandle<String>>>,
    /// Chance kills wait for the load.
    is_armed: AtomicBool,
    sent: AtomicU64,
    read: AtomicU64,
    /// Items that were to be computed when she took over, and that were asked for since.
    items: AtomicU64,
}

impl Life {
    /// `None` if she died before she served.
    pub fn start(plan: Plan, data: &Path, drones: SocketAddr, open_items: u64) -> Result<Arc<Self>, String> {
        let mut command = programs::queen();
        command.args(["--drone-addr", &drones.to_string(), "--http-addr", "127.0.0.1:0", "--data-dir"]).arg(data);
        match plan.keep {
            Keep::Long => {}
            Keep::Never => drop(command.args(["--keep-finished", "0s"])),
            Keep::Little => drop(command.args(["--max-data", "6MiB"])),
        }
        if let Kill::Point(name, count) = plan.kill {
            command.env("HIVE_CRASH", format!("{name}:{count}"));
        }
        let mut queen = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (found, finding) = mpsc::channel();
        let mut console = BufReader::new(queen.stdout.take().unwrap());
        // Both have to be read, lest she waits for a reader.
        let said = std::thread::spawn(move || {
            let mut last = String::new();
            let mut line = String::new();
            while console.read_line(&mut line).unwrap_or(0) > 0 {
                if line.contains("admin page") {
                    let _ = found.send(programs::address(&line));
                }
                std::mem::swap(&mut last, &mut line);
                line.clear();
            }
            last
        });
        let mut complaints = queen.stderr.take().unwrap();
        let complained = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = complaints.read_to_string(&mut text);
            text
        });
        let Ok(http) = finding.recv() else {
            let status = queen.wait().unwrap();
            return Err(format!("{status}: {}", complained.join().unwrap()));
        };
        Ok(Arc::new(Self {
            plan,
            http,
            queen: Mutex::new(queen),
            consoles: Mutex::new(vec![said, complained]),
            is_armed: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            read: AtomicU64::new(0),
            items: AtomicU64::new(open_items),
        }))
    }

    /// From now on she may be killed by chance.
    pub fn arm(&self) {
        self.is_armed.store(true, SeqCst);
    }

    pub fn kill(&self) {
        // An error means that she is dead.
        let _ = self.queen.lock().unwrap().kill();
    }

    /// Asks her to stop.
    pub fn stop(&self) {
        let id = self.queen.lock().unwrap().id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for her end: how it came, and what she complained of.
    pub fn end(&self) -> (ExitStatus, String) {
        let status = self.queen.lock().unwrap().wait().unwrap();
        let texts: Vec<String> =
            self.consoles.lock().unwrap().drain(..).map(|console| console.join().unwrap()).collect();
        (status, texts[1].clone())
    }

    /// Items that may have been computed by now.
    pub fn items(&self) -> u64 {
        self.items.load(SeqCst)
    }

    /// So many more are about to be asked for.
    pub fn add_items(&self, items: u64) {
        self.items.fetch_add(items, SeqCst);
    }

    /// One request, after whose sending or answering she may be killed.
    pub async fn send(
        self: &Arc<Self>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, Broken> {
        let is_armed = self.is_armed.load(SeqCst);
        let sent = self.sent.fetch_add(u64::from(is_armed), SeqCst) + 1;
        if let Kill::Sent { requests, turns } = self.plan.kill
            && is_armed
            && sent == requests
        {
            let life = Arc::clone(self);
            tokio::spawn(async move {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                life.kill();
            });
        }
        let answer = try_send(self.http, method, path, headers, body.into()).await?;
        let read = self.read.fetch_add(u64::from(is_armed), SeqCst) + 1;
        let is_last = self.plan.kill == Kill::Read(read) || self.plan.kill != Kill::Never && read >= MAX_REQUESTS;
        if is_armed && is_last {
            self.kill();
        }
        Ok(answer)
    }

    pub async fn get(self: &Arc<Self>, path: &str) -> Result<Answer, Broken> {
        self.send("GET", path, &[], String::new()).await
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut queen = self.queen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = queen.kill();
        let _ = queen.wait();
    }
}
