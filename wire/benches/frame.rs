//! What it costs to turn messages into frames and back, in bytes and in leases.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wire::List;
use wire::blob::BlobBuf;
use wire::frame::{self, HEADER, MAX_TO_DRONE};
use wire::ids::{Epoch, Instance, LeaseId, TaskId};
use wire::message::{Lease, Output, ToDrone, ToQueen};
use wire::work::{Algorithm, Chunk, ChunkOutput, DigestChunk, Digests};

/// Strings of 16 bytes, with the four bytes that each one's length takes 1 MiB together.
const STRINGS: usize = (1 << 20) / 20;
const SMALL: usize = 1_000;

fn blob(strings: usize) -> BlobBuf {
    (0..strings).map(|at| format!("{at:016}")).collect()
}

fn lease(number: u64, inputs: &BlobBuf) -> Lease<'_> {
    let inputs = inputs.as_blob();
    Lease {
        id: LeaseId(1_000_000 + number),
        epoch: Epoch(3),
        task: TaskId(2_000_000 + number),
        instance: Instance([7; 16]),
        priority: 0,
        rank: 123_456_789,
        from: 0,
        to: inputs.len() as u64,
        material: None,
        chunk: Chunk::Digest(DigestChunk { algorithm: Algorithm::Sha256, inputs }),
    }
}

fn output(number: u64, digests: &[u8]) -> Option<Output<'_>> {
    let digests = Digests::new(digests)?;
    Some(Output {
        lease: LeaseId(1_000_000 + number),
        epoch: Epoch(3),
        from: 0,
        to: digests.len() as u64,
        spent_ns: 1_234_567,
        output: ChunkOutput::Digests(digests),
    })
}

/// Encodes and decodes a message again and again; `throughput` is what there is of it.
macro_rules! both_ways {
    ($c:expr, $name:expr, $throughput:expr, $message:expr, $type:ty) => {{
        let mut group = $c.benchmark_group($name);
        group.throughput($throughput);
        let mut out = Vec::new();
        group.bench_function("encode", |bench| {
            bench.iter(|| {
                out.clear();
                frame::encode(&$message, MAX_TO_DRONE, &mut out).is_ok()
            });
        });
        let body = Bytes::from(out).slice(HEADER..);
        group.bench_function("decode", |bench| {
            bench.iter(|| black_box(frame::decode::<$type>(black_box(&body)).is_ok()));
        });
    }};
}

fn frames(c: &mut Criterion) {
    let (large, word) = (blob(STRINGS), blob(1));
    let work = ToDrone::Work { leases: List(vec![lease(0, &large)]) };
    let bytes = Throughput::Bytes(large.layout_len() as u64);
    both_ways!(c, "work/1 lease of 1 MiB", bytes, work, ToDrone<'_>);

    let work = ToDrone::Work { leases: List((0..SMALL as u64).map(|number| lease(number, &word)).collect()) };
    both_ways!(c, "work/1000 leases of a word", Throughput::Elements(SMALL as u64), work, ToDrone<'_>);

    let digests = vec![0xab; (1 << 20) / Digests::SIZE * Digests::SIZE];
    let outputs = ToQueen::Outputs { outputs: List(output(0, &digests).into_iter().collect()) };
    let bytes = Throughput::Bytes(digests.len() as u64);
    both_ways!(c, "outputs/1 of 1 MiB", bytes, outputs, ToQueen<'_>);

    let each = (0..SMALL as u64).filter_map(|number| output(number, &digests[..Digests::SIZE]));
    let outputs = ToQueen::Outputs { outputs: List(each.collect()) };
    both_ways!(c, "outputs/1000 of a word", Throughput::Elements(SMALL as u64), outputs, ToQueen<'_>);

    // The yardstick: what copying that much takes.
    let mut group = c.benchmark_group("copy/1 MiB");
    group.throughput(Throughput::Bytes(digests.len() as u64));
    let mut out = Vec::new();
    group.bench_function("memcpy", |bench| {
        bench.iter(|| {
            out.clear();
            out.extend_from_slice(black_box(&digests));
        });
    });
}

fn config() -> Criterion {
    let short = Duration::from_millis(300);
    Criterion::default().sample_size(20).warm_up_time(short).measurement_time(Duration::from_secs(1)).without_plots()
}

criterion_group! { name = benches; config = config(); targets = frames }
criterion_main!(benches);
