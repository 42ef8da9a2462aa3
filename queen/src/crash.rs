//! Places at which the process can be made to die, to prove that nothing is lost there.
//!
//! In debug builds `HIVE_CRASH=commit-before:3` kills the process when it comes to that place
//! for the third time. In release builds nothing of it is left.

/// Every place there is, in the order of a task's life.
pub const POINTS: [&str; 9] = [
    "upload-written",
    "upload-synced",
    "commit-before",
    "commit-after",
    "dispatch",
    "result-written",
    "result-synced",
    "remove-committed",
    "remove-unlinked",
];

/// The process dies here if the environment says so: at once, as by `SIGKILL`.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    static WANTED: OnceLock<Option<(String, AtomicI64)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("HIVE_CRASH").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), AtomicI64::new(count.parse().ok()?)))
    });
    if let Some((wanted, left)) = wanted
        && wanted == name
        && left.fetch_sub(1, Relaxed) == 1
    {
        eprintln!("crash point {name}");
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn point(_: &'static str) {}
