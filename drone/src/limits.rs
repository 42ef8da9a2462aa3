//! What the limits of the system do to a process.

use std::io;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Lets a write beyond the limit on file sizes (`ulimit -f`, `LimitFSIZE=` of systemd) fail with
/// `EFBIG` from here on, in the whole process: without a handler for `SIGXFSZ` such a write ends it.
///
/// # Panics
/// Outside of a tokio runtime.
///
/// # Errors
/// If the system refuses a handler.
pub fn survive_file_size_limit() -> io::Result<()> {
    // The handler stays when the stream is dropped.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

/// Has the system write no memory of this process to disk when it crashes: secrets are in it.
pub fn leave_no_core() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::debug!(%error, "the system keeps its limit on core files");
    }
}
