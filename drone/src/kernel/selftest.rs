//! Proves at start that this CPU computes rightly.

use bytes::Bytes;
use wire::blob::BlobBuf;
use wire::space::{Candidates, CounterFormat};
use wire::work::Algorithm;

use super::dispatch::Kernel;
use super::kernels::Kernels;
use super::output::Output;
use super::sample::Sample;

/// Published answers: input, algorithm, digest. FIPS 180-4 example, RFC 4231 case 2,
/// RFC 7914 section 11; SHA-256d of "hello".
const KNOWN: [(&[u8], Algorithm<'_>, [u8; 32]); 4] = [
    (
        b"abc",
        Algorithm::Sha256,
        *b"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad",
    ),
    (
        b"hello",
        Algorithm::Sha256d,
        *b"\x95\x95\xc9\xdf\x90\x07\x51\x48\xeb\x06\x86\x03\x65\xdf\x33\x58\x4b\x75\xbf\xf7\x82\xa5\x10\xc6\xcd\x48\x83\xa4\x19\x83\x3d\x50",
    ),
    (
        b"what do ya want for nothing?",
        Algorithm::HmacSha256 { key: b"Jefe" },
        *b"\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7\x5a\x00\x3f\x08\x9d\x27\x39\x83\x9d\xec\x58\xb9\x64\xec\x38\x43",
    ),
    (
        b"passwd",
        Algorithm::Pbkdf2HmacSha256 { salt: b"salt", iterations: 1 },
        *b"\x55\xac\x04\x6e\x56\xe3\x08\x9f\xec\x16\x91\xc2\x25\x44\xb6\x05\xf9\x41\x85\x21\x6d\xde\x04\x65\xe6\x8b\x9d\x57\xc2\x0d\xac\xbc",
    ),
];

/// The published examples are computed this many times at once: one more than all lanes hold.
const COPIES: usize = 17;

/// Strings of all lengths up to this one are compared.
const LENGTHS: usize = 130;

/// Computes the published examples, alone and several at once, and strings of many lengths both
/// with `kernel` and with the portable one; likewise searches.
///
/// # Errors
/// If an answer is wrong, with what it was about.
pub(crate) fn check(kernel: Kernel) -> Result<(), String> {
    let strings: BlobBuf = (0..=LENGTHS).map(|length| vec![length as u8; length]).collect();
    for (input, algorithm, digest) in KNOWN {
        for copies in 1..=COPIES {
            let inputs = std::iter::repeat_n(input, copies).collect();
            for kernel in [Kernel::PORTABLE, kernel] {
                if compute(kernel, algorithm, &inputs, 3)? != digest.repeat(copies) {
                    return Err(format!("with {kernel}, a published example of {algorithm:?} came out wrong"));
                }
            }
        }
        let right = compute(Kernel::PORTABLE, algorithm, &strings, 1024)?;
        if compute(kernel, algorithm, &strings, 1024)? != right {
            return Err(format!("{kernel} and {} disagree about {algorithm:?}", Kernel::PORTABLE));
        }
    }
    check_searches(kernel)
}

/// Searches on all ways that a kernel has, both with `kernel` and with the portable one.
fn check_searches(kernel: Kernel) -> Result<(), String> {
    let sets: BlobBuf = std::iter::repeat_n("0123456789abcdef", 4).collect();
    let four = Candidates::Mask(sets.as_blob());
    let number = Candidates::Counter { from: 95, format: CounterFormat::Decimal };
    for algorithm in [Algorithm::Sha256, Algorithm::Sha256d] {
        // Each word of a block, each of its bytes, and beyond it.
        for (prefix, targets) in (0..60).flat_map(|prefix| [(prefix, 1), (prefix, 100)]) {
            for candidates in [four, number] {
                let sample = Sample::sieved(algorithm, candidates, 300, [prefix, prefix % 3], targets, 7)?;
                if finish(kernel, &sample, 200)? != finish(Kernel::PORTABLE, &sample, 200)? {
                    let portable = Kernel::PORTABLE;
                    return Err(format!("{kernel} and {portable} disagree about a search with {algorithm:?}"));
                }
            }
        }
    }
    Ok(())
}

fn compute(kernel: Kernel, algorithm: Algorithm<'_>, inputs: &BlobBuf, budget: u64) -> Result<Bytes, String> {
    finish(kernel, &Sample::new(algorithm, inputs)?, budget)
}

fn finish(kernel: Kernel, sample: &Sample, budget: u64) -> Result<Bytes, String> {
    let kernels = Kernels::only(kernel);
    let mut job = sample.job()?;
    while !job.is_finished() {
        job.step(&kernels, budget);
    }
    match job.collect() {
        Output::Digests(results) | Output::Marks { marks: results, .. } => Ok(results),
    }
}
