//! Every kernel that this CPU has, against `sha2`, `hmac` and `pbkdf2` called string by string.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run is to stop")]

#[path = "../src/kernel/tests/reference.rs"]
mod reference;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use drone::kernel::{Kernel, Kernels, Sample};
use wire::blob::BlobBuf;
use wire::space::{Candidates, CounterFormat};
use wire::work::Algorithm;

/// Compressions of a step, as a Drone's threads take them.
const STEP: u64 = 1024;

fn strings(count: usize, len: impl Fn(usize) -> usize) -> BlobBuf {
    (0..count).map(|number| (0..len(number)).map(|at| (number * 31 + at * 7) as u8).collect::<Vec<u8>>()).collect()
}

fn plain(algorithm: Algorithm<'_>, inputs: &BlobBuf, digests: &mut Vec<u8>) {
    digests.clear();
    for input in inputs.as_blob().iter() {
        digests.extend_from_slice(&reference::digest(algorithm, input));
    }
}

fn compare(c: &mut Criterion, name: &str, algorithm: Algorithm<'_>, inputs: &BlobBuf, throughput: Throughput) {
    let mut group = c.benchmark_group(name);
    group.throughput(throughput);
    let mut digests = Vec::new();
    group.bench_function("plain", |bencher| bencher.iter(|| plain(algorithm, black_box(inputs), &mut digests)));
    let sample = Sample::new(algorithm, inputs).unwrap();
    for kernel in Kernel::all() {
        let kernels = Kernels::only(kernel);
        group.bench_function(kernel.name(), |bencher| {
            bencher.iter(|| {
                let mut job = black_box(&sample).job().unwrap();
                while !job.is_finished() {
                    job.step(&kernels, STEP);
                }
                job.collect()
            });
        });
    }
    group.finish();
}

fn sha256(c: &mut Criterion) {
    for len in [0, 16, 32, 55, 64, 100, 200] {
        let inputs = strings(16_384, |_| len);
        compare(c, &format!("sha256/{len}B"), Algorithm::Sha256, &inputs, Throughput::Elements(16_384));
    }
    let mixed = strings(16_384, |number| number * 7919 % 150);
    compare(c, "sha256/0-149B", Algorithm::Sha256, &mixed, Throughput::Elements(16_384));
    let long = strings(32, |_| 64 << 10);
    compare(c, "sha256/64KiB", Algorithm::Sha256, &long, Throughput::Bytes(2 << 20));
    let one = strings(1, |_| 4 << 20);
    compare(c, "sha256/4MiB", Algorithm::Sha256, &one, Throughput::Bytes(4 << 20));
}

fn keyed(c: &mut Criterion) {
    let inputs = strings(16_384, |_| 32);
    let count = Throughput::Elements(16_384);
    compare(c, "sha256d/32B", Algorithm::Sha256d, &inputs, count.clone());
    compare(c, "hmac/32B", Algorithm::HmacSha256 { key: b"a key of some bytes" }, &inputs, count);
    for (passwords, iterations) in [(16, 10_000), (1, 10_000), (1024, 10)] {
        let inputs = strings(passwords, |_| 12);
        let algorithm = Algorithm::Pbkdf2HmacSha256 { salt: b"pepper", iterations };
        let count = Throughput::Elements(passwords as u64 * u64::from(iterations));
        compare(c, &format!("pbkdf2/{passwords}x{iterations}"), algorithm, &inputs, count);
    }
}

/// Candidates of eight characters, and numbers, against a loop that hashes them one by one.
fn searches(c: &mut Criterion) {
    let sets: BlobBuf = std::iter::repeat_n("abcdefghijklmnopqrstuvwxyz", 8).collect();
    let eight = Candidates::Mask(sets.as_blob());
    let number = Candidates::Counter { from: 10_000_000, format: CounterFormat::Decimal };
    let cases = [
        ("1 target", Algorithm::Sha256, eight, 0, 1),
        ("1,000 targets", Algorithm::Sha256, eight, 0, 1_000),
        ("100,000 targets", Algorithm::Sha256, eight, 0, 100_000),
        ("behind 40 bytes", Algorithm::Sha256, eight, 40, 1),
        ("a number behind 32 bytes", Algorithm::Sha256, number, 32, 1),
        ("sha256d", Algorithm::Sha256d, eight, 0, 1),
    ];
    for (name, algorithm, candidates, prefix, targets) in cases {
        let mut group = c.benchmark_group(format!("search/{name}"));
        group.throughput(Throughput::Elements(STEP));
        let (mut index, mut message) = (0, vec![b'p'; prefix]);
        group.bench_function("plain", |bencher| {
            bencher.iter(|| {
                for _ in 0..STEP {
                    message.truncate(prefix);
                    candidates.write(index, &mut message);
                    index += 1;
                    black_box(reference::digest(algorithm, &message));
                }
            });
        });
        let sample = Sample::search(algorithm, candidates, 90_000_000, [prefix, 0], targets).unwrap();
        for kernel in Kernel::all() {
            let (kernels, mut job) = (Kernels::only(kernel), sample.job().unwrap());
            group.bench_function(kernel.name(), |bencher| {
                bencher.iter(|| {
                    if job.is_finished() {
                        job = sample.job().unwrap();
                    }
                    job.step(&kernels, STEP)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, sha256, keyed, searches);
criterion_main!(benches);
