//! Published vectors, and random work against RustCrypto's own `sha2`, `hmac` and `pbkdf2`.

mod cavp;
#[cfg(unix)]
mod guard;
mod reference;
mod search;

use proptest::prelude::*;
use wire::blob::BlobBuf;
use wire::work::Algorithm;

use self::reference::digest;
use super::selftest::check;
use super::{Choice, Job, Kernel, KernelError, Kernels, Output, Sample};

fn job_of(algorithm: Algorithm<'_>, inputs: &BlobBuf) -> Result<Box<dyn Job>, String> {
    Sample::new(algorithm, inputs)?.job()
}

fn finish(kernel: Kernel, mut job: Box<dyn Job>, budget: u64) -> Vec<u8> {
    let (kernels, cost, mut spent) = (Kernels::only(kernel), job.cost(), 0);
    while !job.is_finished() {
        let step = job.step(&kernels, budget);
        assert!(step > 0, "every step gets on");
        spent += step;
    }
    assert!(spent <= cost, "{spent} compressions of at most {cost}");
    digests(&mut *job)
}

/// What the job gives away.
fn digests(job: &mut dyn Job) -> Vec<u8> {
    match job.collect() {
        Output::Digests(digests) => digests.to_vec(),
        other => panic!("these are no digests: {other:?}"),
    }
}

fn run(kernel: Kernel, algorithm: Algorithm<'_>, inputs: &BlobBuf, budget: u64) -> Vec<u8> {
    finish(kernel, job_of(algorithm, inputs).unwrap(), budget)
}

/// By how much a step may exceed its budget: what all lanes take at once, and what cannot be divided.
fn overdraft(kernel: Kernel) -> u64 {
    2 * kernel.lanes() as u64 + 4
}

/// What all kernels say.
fn hex_of(algorithm: Algorithm<'_>, input: &[u8]) -> String {
    let inputs = [input].into_iter().collect();
    let mut digests: Vec<_> = Kernel::all().map(|kernel| run(kernel, algorithm, &inputs, 2048)).collect();
    digests.dedup();
    assert_eq!(digests.len(), 1, "the kernels agree");
    const_hex::encode(&digests[0])
}

/// FIPS 180-4 examples as published by NIST.
#[test]
fn nist_examples() {
    let of = |input: &[u8]| hex_of(Algorithm::Sha256, input);
    assert_eq!(of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(
        of(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    );
    let bits_896 = b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
        hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    assert_eq!(of(bits_896), "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    let million = vec![b'a'; 1_000_000];
    assert_eq!(of(&million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/// RFC 4231, section 4, cases 1 to 7; case 5 is published with its first 16 bytes.
#[test]
fn rfc_4231() {
    let ascending: Vec<u8> = (1..=25).collect();
    let cases: [(&[u8], &[u8], &str); 7] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (&ascending, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (&[0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, input, digest) in cases {
        assert_eq!(hex_of(Algorithm::HmacSha256 { key }, input)[..digest.len()], *digest);
    }
}

/// RFC 7914, section 11: the first 32 of the published 64 bytes.
#[test]
fn rfc_7914() {
    let of = |input: &[u8], salt, iterations| hex_of(Algorithm::Pbkdf2HmacSha256 { salt, iterations }, input);
    assert_eq!(of(b"passwd", b"salt", 1), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    assert_eq!(of(b"Password", b"NaCl", 80_000), "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

#[test]
fn this_machine_passes_its_self_test() {
    for kernel in Kernel::all() {
        assert_eq!(check(kernel), Ok(()));
    }
}

#[test]
fn kernels_have_names() {
    assert!(Kernel::all().all(|kernel| kernel.name().parse::<Kernel>().unwrap().name() == kernel.name()));
    assert_eq!("auto".parse::<Choice>().unwrap(), Choice::Measured);
    assert_eq!("portable".parse::<Choice>().unwrap(), Choice::Only(Kernel::PORTABLE));
    assert_eq!(Kernel::all().last().unwrap(), Kernel::PORTABLE);
    assert_eq!("abacus".parse::<Kernel>().unwrap_err(), KernelError::Unknown);
}

#[test]
fn every_length_to_300_in_one_job() {
    let inputs: Vec<Vec<u8>> = (0..=300_u16).map(|length| (0..length).map(|byte| byte as u8).collect()).collect();
    let blob: BlobBuf = inputs.iter().collect();
    let key: &[u8] = &[7; 64];
    for algorithm in [
        Algorithm::Sha256,
        Algorithm::Sha256d,
        Algorithm::HmacSha256 { key },
        Algorithm::Pbkdf2HmacSha256 { salt: key, iterations: 3 },
    ] {
        let right: Vec<u8> = inputs.iter().flat_map(|input| digest(algorithm, input)).collect();
        for kernel in Kernel::all() {
            for budget in [1, 2, 3, 7, 2048] {
                let digests = run(kernel, algorithm, &blob, budget);
                assert_eq!(digests, right, "{kernel}: {algorithm:?} with a budget of {budget}");
            }
        }
    }
}

/// Each number of strings leaves other lanes without one.
#[test]
fn every_number_of_strings_of_every_length() {
    for (count, length) in (1..=18).flat_map(|count| (0..=130).map(move |length| (count, length))) {
        let inputs: Vec<Vec<u8>> = (0..count).map(|number| vec![number; length]).collect();
        let blob: BlobBuf = inputs.iter().collect();
        for algorithm in [Algorithm::Sha256d, Algorithm::Pbkdf2HmacSha256 { salt: b"salt", iterations: 2 }] {
            let right: Vec<u8> = inputs.iter().flat_map(|input| digest(algorithm, input)).collect();
            for kernel in Kernel::all() {
                assert_eq!(run(kernel, algorithm, &blob, 1024), right, "{kernel}: {count} of {length} bytes");
            }
        }
    }
}

/// A long string holds up the short ones behind it; what they are is kept, and not too much.
#[test]
fn long_strings_among_short_ones() {
    let long = |number: usize| if number % 5000 == 10 { 1_000_000 } else { number % 7 };
    let inputs: Vec<Vec<u8>> = (0..12_000).map(|number| vec![number as u8; long(number)]).collect();
    let blob: BlobBuf = inputs.iter().collect();
    let right: Vec<u8> = inputs.iter().flat_map(|input| digest(Algorithm::Sha256, input)).collect();
    for kernel in Kernel::all() {
        let (mut job, kernels) = (job_of(Algorithm::Sha256, &blob).unwrap(), Kernels::only(kernel));
        let mut digests = Vec::new();
        while !job.is_finished() {
            assert!(job.step(&kernels, 1024) <= 1024 + overdraft(kernel));
            collect(&mut *job, &mut digests);
        }
        assert!(digests == right, "{kernel}");
    }
}

#[test]
fn a_step_keeps_its_budget_within_long_inputs_salts_and_keys() {
    let long = vec![1; 100_000];
    for (count, kernel) in
        [1, 3, 6, 17, 20].into_iter().flat_map(|count| Kernel::all().map(move |kernel| (count, kernel)))
    {
        let inputs: BlobBuf = std::iter::repeat_n(&long, count).collect();
        for algorithm in [
            Algorithm::Sha256,
            Algorithm::Sha256d,
            Algorithm::HmacSha256 { key: &long },
            Algorithm::Pbkdf2HmacSha256 { salt: &long, iterations: 3_000 },
        ] {
            let mut job = job_of(algorithm, &inputs).unwrap();
            while !job.is_finished() {
                let step = job.step(&Kernels::only(kernel), 100);
                assert!(step <= 100 + overdraft(kernel), "{step} compressions with {kernel}");
            }
            let right = digest(algorithm, &long).repeat(count);
            assert_eq!(job.collect(), Output::Digests(right.into()), "{kernel}");
        }
    }
}

#[test]
fn pbkdf2_without_iterations_is_refused() {
    let none = Algorithm::Pbkdf2HmacSha256 { salt: b"", iterations: 0 };
    assert!(job_of(none, &[b"x"].into_iter().collect()).is_err());
}

#[derive(Debug, Clone)]
enum Recipe {
    Sha256,
    Sha256d,
    Hmac(Vec<u8>),
    Pbkdf2(Vec<u8>, u32),
}

impl Recipe {
    fn algorithm(&self) -> Algorithm<'_> {
        match self {
            Self::Sha256 => Algorithm::Sha256,
            Self::Sha256d => Algorithm::Sha256d,
            Self::Hmac(key) => Algorithm::HmacSha256 { key },
            Self::Pbkdf2(salt, iterations) => Algorithm::Pbkdf2HmacSha256 { salt, iterations: *iterations },
        }
    }
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..150);
    prop_oneof![
        Just(Recipe::Sha256),
        Just(Recipe::Sha256d),
        bytes().prop_map(Recipe::Hmac),
        (bytes(), 1..20_u32).prop_map(|(salt, iterations)| Recipe::Pbkdf2(salt, iterations)),
    ]
}

fn kernel() -> impl Strategy<Value = Kernel> {
    proptest::sample::select(Kernel::all().collect::<Vec<_>>())
}

/// A job and how many items of its results were already given away.
fn collect(job: &mut dyn Job, digests: &mut Vec<u8>) {
    digests.extend(self::digests(job));
}

proptest! {
    #[test]
    fn random_work_in_random_steps(
        recipe in recipe(),
        inputs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..40),
        steps in proptest::collection::vec((1..60_u64, any::<bool>(), kernel()), 1..30),
    ) {
        let algorithm = recipe.algorithm();
        let mut job = job_of(algorithm, &inputs.iter().collect()).unwrap();
        let mut digests = Vec::new();
        for (budget, give, kernel) in steps.iter().cycle() {
            job.step(&Kernels::only(*kernel), *budget);
            if *give || job.is_finished() {
                collect(&mut *job, &mut digests);
            }
            prop_assert!(digests.len() as u64 + job.uncollected() as u64 == 32 * job.done());
            if job.is_finished() {
                break;
            }
        }
        let right: Vec<u8> = inputs.iter().flat_map(|input| digest(algorithm, input)).collect();
        prop_assert_eq!(digests, right);
    }

    #[test]
    fn a_shrunk_job_gives_what_is_still_wanted(
        recipe in recipe(),
        inputs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..40),
        events in proptest::collection::vec((1..60_u64, any::<bool>(), 0..30_u64), 1..10),
        kernel in kernel(),
    ) {
        let algorithm = recipe.algorithm();
        let (mut job, kernels) = (job_of(algorithm, &inputs.iter().collect()).unwrap(), Kernels::only(kernel));
        let mut digests = Vec::new();
        let mut wanted = inputs.len() as u64;
        for (budget, give, total) in events {
            job.step(&kernels, budget);
            if give {
                collect(&mut *job, &mut digests);
            }
            job.shrink(total);
            wanted = wanted.min(total);
            prop_assert_eq!(job.total(), wanted);
        }
        while !job.is_finished() {
            job.step(&kernels, 50);
        }
        let given = digests.len();
        collect(&mut *job, &mut digests);
        let right: Vec<u8> = inputs.iter().flat_map(|input| digest(algorithm, input)).collect();
        let to = given.max(32 * wanted as usize);
        prop_assert_eq!(&digests[..], &right[..to]);
    }
}
