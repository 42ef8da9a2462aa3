//! What one thread of this machine does with each kernel.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wire::blob::BlobBuf;
use wire::space::{Candidates, CounterFormat};
use wire::work::{Algorithm, Class};

use crate::config::NICE;
use crate::kernel::{Choice, Job, Kernel, Kernels, Sample, Unfit};

/// How many turns each kernel has, of which the best one counts.
const TURNS: u32 = 24;

/// How long a turn takes: less than an operating system lets others compute in between.
const TURN_TIME: Duration = Duration::from_millis(3);

/// How many long strings or passwords are computed together: enough for the widest kernel.
const LONG_STRINGS: usize = 16;

/// Compressions of a step, as in the compute threads.
const STEP_COMPRESSIONS: u64 = 1024;

/// The rates of all kernels at all cases.
#[derive(Debug)]
pub struct Report {
    /// In the order of preference, the portable one last.
    kernels: Vec<Kernel>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    case: Case,
    /// Units per second with each kernel.
    rates: Vec<f64>,
    /// The kernel that a Drone takes for it.
    auto: Kernel,
}

/// One kind of work to measure.
#[derive(Debug)]
struct Case {
    name: String,
    class: Class,
    unit: Unit,
    sample: Sample,
    /// Units that the whole sample has.
    units: f64,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Strings,
    Candidates,
    Bytes,
    Iterations,
}

impl Unit {
    /// What is counted, and how people call a million or a billion of it in a second.
    fn names(self) -> (&'static str, &'static str, f64) {
        match self {
            Self::Strings => ("strings", "M/s", 1e6),
            Self::Candidates => ("candidates", "M/s", 1e6),
            Self::Bytes => ("bytes", "GB/s", 1e9),
            Self::Iterations => ("iterations", "M/s", 1e6),
        }
    }
}

/// Tests every kernel that this CPU has, chooses among them as a Drone of so many threads does,
/// and measures all on one thread. Takes some three seconds.
///
/// # Errors
/// If a kernel computes wrongly, or there are not so many threads.
pub fn run(threads: NonZeroUsize) -> Result<Report, Unfit> {
    let kernels: Vec<_> = Kernel::all().collect();
    let auto = Choice::Measured.kernels(threads, NICE)?;
    let row = |case: Case| {
        let (rates, auto) = (measure(&case, &kernels).map_err(Unfit::Wrong)?, auto.of_class(case.class));
        Ok(Row { rates, auto, case })
    };
    let rows = cases().map_err(Unfit::Wrong)?.into_iter().map(row).collect::<Result<_, Unfit>>()?;
    Ok(Report { rows, kernels })
}

/// Searches among strings of eight characters, and among decimal numbers.
fn searches() -> Result<Vec<Case>, String> {
    let sets: BlobBuf = std::iter::repeat_n("abcdefghijklmnopqrstuvwxyz", 8).collect();
    let eight = Candidates::Mask(sets.as_blob());
    let number = Candidates::Counter { from: 10_000_000, format: CounterFormat::Decimal };
    let case = |name: &str, algorithm, candidates, items, around, targets| {
        let sample = Sample::search(algorithm, candidates, items, around, targets)?;
        let class = sample.class()?;
        Ok(Case { name: name.to_owned(), class, unit: Unit::Candidates, sample, units: items as f64 })
    };
    let many = 1 << 37;
    [
        case("search, 1 target", Algorithm::Sha256, eight, many, [0, 0], 1),
        case("search, 1,000 targets", Algorithm::Sha256, eight, many, [0, 0], 1_000),
        case("search, 100,000 targets", Algorithm::Sha256, eight, many, [0, 0], 100_000),
        case("search behind 40 bytes", Algorithm::Sha256, eight, many, [40, 0], 1),
        case("search behind 37 bytes", Algorithm::Sha256, eight, many, [37, 0], 1),
        case("search of a number", Algorithm::Sha256, number, 90_000_000, [32, 0], 1),
        case("search, sha256d", Algorithm::Sha256d, eight, many, [0, 0], 1),
        case("search in two blocks", Algorithm::Sha256, eight, many, [0, 64], 1),
    ]
    .into_iter()
    .collect()
}

fn cases() -> Result<Vec<Case>, String> {
    let strings = |count: usize, length| (0..count).map(|number| vec![number as u8; length]).collect::<BlobBuf>();
    let case = |name: String, class, unit, algorithm, inputs: BlobBuf, units: usize| {
        Ok(Case { name, class, unit, sample: Sample::new(algorithm, &inputs)?, units: units as f64 })
    };
    let short = |name: &str, class, algorithm, length| {
        case(format!("{name}, {length} bytes"), class, Unit::Strings, algorithm, strings(4096, length), 4096)
    };
    let hashes = [16, 32, 55, 64, 100].map(|length| short("sha256", Class::SHORT, Algorithm::Sha256, length));
    let (long, size) = (strings(LONG_STRINGS, 64 << 10), LONG_STRINGS * (64 << 10));
    let pbkdf2 = Algorithm::Pbkdf2HmacSha256 { salt: b"pepper", iterations: 1000 };
    let others = [
        case("sha256, 64 KiB".to_owned(), Class::LONG, Unit::Bytes, Algorithm::Sha256, long, size),
        short("sha256d", Class::SHA256D, Algorithm::Sha256d, 32),
        short("hmac-sha256", Class::HMAC, Algorithm::HmacSha256 { key: b"key" }, 32),
        case(
            "pbkdf2, iterations".to_owned(),
            Class::PBKDF2,
            Unit::Iterations,
            pbkdf2,
            strings(LONG_STRINGS, 12),
            LONG_STRINGS * 1000,
        ),
    ];
    let all: Result<Vec<Case>, String> = hashes.into_iter().chain(others).collect();
    Ok([all?, searches()?].into_iter().flatten().collect())
}

fn measure(case: &Case, kernels: &[Kernel]) -> Result<Vec<f64>, String> {
    let mut best = vec![0.0; kernels.len()];
    let jobs = kernels.iter().map(|kernel| Ok((Kernels::only(*kernel), case.sample.job()?)));
    let mut jobs = jobs.collect::<Result<Vec<_>, String>>()?;
    for _ in 0..TURNS {
        for ((kernels, job), best) in jobs.iter_mut().zip(&mut best) {
            *best = turn(case, kernels, job)?.max(*best);
        }
    }
    Ok(best)
}

/// Units per second, in one turn: whole jobs of strings, or a part of one that takes longer.
fn turn(case: &Case, kernels: &Kernels, job: &mut Box<dyn Job>) -> Result<f64, String> {
    let (started, mut items, all) = (Instant::now(), 0, job.total());
    let is_part_enough = matches!(case.unit, Unit::Candidates);
    loop {
        let before = job.done();
        job.step(kernels, STEP_COMPRESSIONS);
        items += job.done() - before;
        let is_finished = job.is_finished();
        if is_finished {
            std::hint::black_box(job.collect());
            *job = case.sample.job()?;
        }
        if (is_finished || is_part_enough) && started.elapsed() >= TURN_TIME {
            break;
        }
    }
    Ok(case.units * items as f64 / all as f64 / started.elapsed().as_secs_f64())
}

impl Report {
    /// For programs: the kernels, and for each case the rates per second, and what a Drone takes.
    pub fn json(&self) -> Value {
        let rates = |row: &Row| -> serde_json::Map<String, Value> {
            self.kernels
                .iter()
                .zip(&row.rates)
                .map(|(kernel, rate)| (kernel.name().to_owned(), json!(rate.round())))
                .collect()
        };
        let row = |row: &Row| {
            let (unit, ..) = row.case.unit.names();
            json!({ "case": row.case.name, "unit": unit, "per_second": rates(row), "auto": row.auto.name() })
        };
        json!({
            "kernels": self.kernels.iter().map(|kernel| kernel.name()).collect::<Vec<_>>(),
            "cases": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// A table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<27}", "one thread")?;
        self.kernels.iter().rev().try_for_each(|kernel| write!(f, "{:>17} ", kernel.name()))?;
        for row in &self.rows {
            let (_, unit, scale) = row.case.unit.names();
            write!(f, "\n{:<22} {unit:>4}", row.case.name)?;
            // The portable kernel, which the others are compared with, is the last one.
            let portable = row.rates.last().copied().unwrap_or(f64::NAN);
            for (kernel, rate) in self.kernels.iter().zip(&row.rates).rev() {
                let star = if *kernel == row.auto { '*' } else { ' ' };
                write!(f, "{:>9.2} ({:>4.2}x){star}", rate / scale, rate / portable)?;
            }
        }
        writeln!(f)
    }
}
