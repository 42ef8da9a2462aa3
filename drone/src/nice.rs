//! The priority of threads that compute.

/// Lets all else on the machine go first, so that connections, and a Queen on the same machine,
/// need not wait for a thread that computes to use up its slice.
pub(crate) fn stand_back(nice: u8) {
    // Elsewhere a priority is the whole process's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, i32::from(nice)) {
        tracing::debug!(%error, "a compute thread keeps its priority");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}
