//! How fast kernels are at each class of work, on all compute threads at once.

use std::hint::black_box;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use wire::blob::BlobBuf;
use wire::space::Candidates;
use wire::work::{Algorithm, Class};

use super::dispatch::Kernel;
use super::kernels::{ClassRates, Kernels};
use super::sample::Sample;
use crate::nice::stand_back;

/// For how long a kernel computes one class at most before the next has its turn.
const TURN_TIME: Duration = Duration::from_millis(3);

/// Rounds of turns that there are at least, however slow they are: the best counts.
const MIN_ROUNDS: usize = 2;

/// What each character of a searched string may be: so many that no lane is ever without a candidate.
const CHARACTERS: &str = "0123456789abcdefghijklmnopqrstuv";

/// A kernel's turn at one class.
struct Turn {
    sample: Sample,
    kernels: Kernels,
}

/// Lets `threads` threads, so nice, compute each class with each of `kernels`, all the same at
/// the same time, in turn and in rounds for about `time`; the best round of each counts, since
/// others may disturb its caches.
///
/// # Errors
/// If the operating system gives no more threads.
pub(super) fn measure(
    kernels: &[Kernel],
    threads: NonZeroUsize,
    nice: u8,
    time: Duration,
) -> io::Result<[ClassRates; Class::ALL.len()]> {
    let mut turns = Vec::new();
    for class in Class::ALL {
        let sample = sample(class).map_err(io::Error::other)?;
        turns.extend(kernels.iter().map(|kernel| Turn { sample: sample.clone(), kernels: Kernels::only(*kernel) }));
    }
    let by_thread = on_threads(threads.get(), nice, &turns, time)?;
    let best = |turn: usize| {
        let rounds = by_thread.iter().map(Vec::len).min().unwrap_or_default();
        let all = |round: usize| by_thread.iter().map(|rounds: &Vec<Vec<f64>>| rounds[round][turn]).sum::<f64>();
        (0..rounds).map(all).fold(0.0, f64::max) / threads.get() as f64
    };
    let rates = |class: usize| {
        let rate = |(number, kernel): (usize, &Kernel)| (*kernel, best(class * kernels.len() + number));
        kernels.iter().enumerate().map(rate).collect()
    };
    Ok(std::array::from_fn(|index| ClassRates { class: Class::ALL[index], rates: rates(index) }))
}

/// Of each thread and each round the rates of all turns.
fn on_threads(threads: usize, nice: u8, turns: &[Turn], time: Duration) -> io::Result<Vec<Vec<Vec<f64>>>> {
    // Nobody waits for a thread that could not be started.
    let (all_started, is_over) = (OnceLock::<bool>::new(), AtomicBool::new(false));
    let (barrier, began) = (Barrier::new(threads), Instant::now());
    let run = |thread: usize| {
        let mut rounds = Vec::new();
        if !all_started.wait() {
            return rounds;
        }
        stand_back(nice);
        loop {
            if thread == 0 {
                let round = began.elapsed().checked_div(rounds.len() as u32).unwrap_or_default();
                is_over.store(rounds.len() >= MIN_ROUNDS && began.elapsed() + round > time, Ordering::Relaxed);
            }
            barrier.wait();
            if is_over.load(Ordering::Relaxed) {
                return rounds;
            }
            let together = |turn: &Turn| {
                barrier.wait();
                turn.compute()
            };
            rounds.push(turns.iter().map(together).collect());
        }
    };
    let run = &run;
    std::thread::scope(|scope| {
        let spawn = |thread| std::thread::Builder::new().spawn_scoped(scope, move || run(thread));
        let started: io::Result<Vec<_>> = (0..threads).map(spawn).collect();
        let _ = all_started.set(started.is_ok());
        Ok(started?.into_iter().map(|thread| thread.join().unwrap_or_default()).collect())
    })
}

impl Turn {
    /// Compressions per second of this thread's own time, whatever else the machine does.
    fn compute(&self) -> f64 {
        let (started, before, mut compressions) = (Instant::now(), own_time(), 0);
        while started.elapsed() < TURN_TIME {
            let Ok(mut job) = self.sample.job() else { return 0.0 };
            while !job.is_finished() {
                compressions += job.step(&self.kernels, 1024);
            }
            black_box(job.collect());
        }
        compressions as f64 / (own_time() - before).as_secs_f64().max(1e-9)
    }
}

/// For how long this thread has been computing.
#[cfg(target_os = "linux")]
fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Elsewhere the time of day has to do.
#[cfg(not(target_os = "linux"))]
fn own_time() -> Duration {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed()
}

/// Work that stands for a class, some ten thousand compressions at most, in multiples of all
/// kernels' lanes.
fn sample(class: Class) -> Result<Sample, String> {
    let strings =
        |count: usize, length: usize| (0..count).map(|number| vec![number as u8; length]).collect::<BlobBuf>();
    let eight: BlobBuf = std::iter::repeat_n(CHARACTERS, 8).collect();
    let search =
        |algorithm, items, suffix| Sample::search(algorithm, Candidates::Mask(eight.as_blob()), items, [0, suffix], 1);
    match class {
        Class::LONG => Sample::new(Algorithm::Sha256, &strings(16, 16 << 10)),
        Class::SHA256D => Sample::new(Algorithm::Sha256d, &strings(1024, 32)),
        Class::HMAC => Sample::new(Algorithm::HmacSha256 { key: b"key" }, &strings(1024, 32)),
        Class::PBKDF2 => Sample::new(Algorithm::Pbkdf2HmacSha256 { salt: b"salt", iterations: 100 }, &strings(16, 12)),
        Class::SEARCH => search(Algorithm::Sha256, 32 << 10, 0),
        Class::SEARCH_SHA256D => search(Algorithm::Sha256d, 16 << 10, 0),
        Class::SEARCH_LONG => search(Algorithm::Sha256, 4 << 10, 60),
        _ => Sample::new(Algorithm::Sha256, &strings(2048, 32)),
    }
}
