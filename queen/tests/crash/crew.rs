//! The Drones: they outlive the Queen, though not each other's turn to be killed.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::support::programs;

pub struct Crew {
    queen: SocketAddr,
    drones: Mutex<Vec<Drone>>,
    is_halted: AtomicBool,
}

/// A Drone whose console nobody has to read.
struct Drone(Child);

impl Crew {
    /// None yet, for a Queen at this address.
    pub fn new(queen: SocketAddr) -> Self {
        Self { queen, drones: Mutex::default(), is_halted: AtomicBool::new(false) }
    }

    /// Two of them, or none.
    pub fn hire(&self, is_wanted: bool) {
        let mut drones = self.drones.lock().unwrap();
        if !is_wanted {
            drones.clear();
        }
        while is_wanted && drones.len() < 2 {
            drones.push(Drone::start(self.queen));
        }
    }

    /// Has them stand still with what they hold, so that what is half done stays so.
    pub fn halt(&self) {
        self.signal("-STOP");
        self.is_halted.store(true, SeqCst);
    }

    /// They go on with what they hold.
    pub fn go_on(&self) {
        if self.is_halted.swap(false, SeqCst) {
            self.signal("-CONT");
        }
    }

    pub fn is_halted(&self) -> bool {
        self.is_halted.load(SeqCst)
    }

    fn signal(&self, signal: &str) {
        for Drone(process) in &*self.drones.lock().unwrap() {
            assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
        }
    }

    /// Kills one; another takes its place.
    pub fn replace_one(&self) {
        let oldest = self.drones.lock().unwrap().drain(..1).next();
        drop(oldest);
        self.hire(true);
    }
}

impl Drone {
    fn start(queen: SocketAddr) -> Self {
        let mut command = programs::drone();
        command.args(["--queen", &queen.to_string(), "--threads", "1"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Drone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
