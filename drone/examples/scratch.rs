#![allow(missing_docs, clippy::unwrap_used)]
use drone::kernel::{Kernel, Sample};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::time::Instant;
use wire::blob::BlobBuf;
use wire::work::Algorithm;
fn strings(count: usize, len: impl Fn(usize) -> usize) -> BlobBuf {
    (0..count).map(|number| (0..len(number)).map(|at| (number * 31 + at * 7) as u8).collect::<Vec<u8>>()).collect()
}
fn plain(algorithm: Algorithm<'_>, inputs: &BlobBuf, digests: &mut Vec<u8>) {
    digests.clear();
    for input in inputs.as_blob().iter() {
        let digest: [u8; 32] = match algorithm {
            Algorithm::Sha256 => Sha256::digest(input).into(),
            Algorithm::Sha256d => Sha256::digest(Sha256::digest(input)).into(),
            Algorithm::HmacSha256 { key } => {
                Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(input).finalize().into_bytes().into()
            }
            Algorithm::Pbkdf2HmacSha256 { salt, iterations } => {
                pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(input, salt, iterations)
            }
        };
        digests.extend_from_slice(&digest);
    }
}
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let rounds: usize = std::env::args().nth(2).map_or(150, |n| n.parse().unwrap());
    let mixed = |n: usize| n.wrapping_mul(2654435761) % 150;
    let s = Algorithm::Sha256;
    let h = Algorithm::HmacSha256 { key: b"a key of some bytes" };
    let p = |iterations| Algorithm::Pbkdf2HmacSha256 { salt: b"pepper", iterations };
    let mut cases: Vec<(String, Algorithm<'_>, BlobBuf, f64, &str)> = vec![];
    for len in [0, 16, 32, 55, 64, 100, 200] {
        cases.push((format!("sha256 {len}B"), s, strings(16384, |_| len), 16384.0, "M/s"));
    }
    cases.push(("sha256 0-149B".into(), s, strings(16384, mixed), 16384.0, "M/s"));
    cases.push(("sha256 64KiB x8".into(), s, strings(8, |_| 65536), 8.0 * 65536.0, "MB/s"));
    cases.push(("sha256 1MiB x1".into(), s, strings(1, |_| 1 << 20), 1048576.0, "MB/s"));
    cases.push(("sha256d 32B".into(), Algorithm::Sha256d, strings(16384, |_| 32), 16384.0, "M/s"));
    cases.push(("hmac 32B".into(), h, strings(16384, |_| 32), 16384.0, "M/s"));
    cases.push(("pbkdf2 12x1000".into(), p(1000), strings(12, |_| 12), 12000.0, "Mit/s"));
    cases.push(("pbkdf2 1x10000".into(), p(10000), strings(1, |_| 12), 10000.0, "Mit/s"));
    cases.push(("pbkdf2 1024x10".into(), p(10), strings(1024, |_| 12), 10240.0, "Mit/s"));
    for (name, algorithm, inputs, units, unit) in cases {
        if !name.contains(&filter) {
            continue;
        }
        let sample = Sample::new(algorithm, &inputs).unwrap();
        let kernels: Vec<_> = Kernel::all().collect();
        let mut best = vec![f64::MAX; kernels.len() + 1];
        let mut digests = Vec::new();
        for _ in 0..rounds {
            let t = Instant::now();
            plain(algorithm, black_box(&inputs), &mut digests);
            best[0] = best[0].min(t.elapsed().as_secs_f64());
            for (kernel, best) in kernels.iter().zip(&mut best[1..]) {
                let t = Instant::now();
                let mut job = black_box(&sample).job().unwrap();
                while !job.is_finished() {
                    job.step(*kernel, 1024);
                }
                black_box(job.collect());
                *best = best.min(t.elapsed().as_secs_f64());
            }
        }
        print!("{name:16}");
        for (name, b) in std::iter::once("plain").chain(kernels.iter().map(|k| k.name())).zip(&best) {
            print!(" {name} {:7.2} ({:4.2})", units / b / 1e6, best[0] / b);
        }
        println!(" {unit}");
    }
}
