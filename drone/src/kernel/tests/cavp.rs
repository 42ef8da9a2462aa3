//! NIST's validation vectors.

use super::*;

fn lines() -> impl Iterator<Item = &'static str> {
    include_str!("cavp.txt").lines().filter(|line| !line.starts_with('#'))
}

fn bytes(hex: &str) -> Vec<u8> {
    const_hex::decode(hex.trim_start_matches('-')).unwrap()
}

#[test]
fn short_and_long_messages() {
    let messages = lines().filter_map(|line| line.split_once(' '));
    let messages: Vec<_> = messages.map(|(message, digest)| (bytes(message), bytes(digest))).collect();
    assert_eq!(messages.len(), 65 + 17);
    let inputs: BlobBuf = messages.iter().map(|(message, _)| message).collect();
    let right: Vec<u8> = messages.iter().flat_map(|(_, digest)| digest.iter().copied()).collect();
    for kernel in Kernel::all() {
        assert_eq!(run(kernel, Algorithm::Sha256, &inputs, 1024), right, "{kernel}");
        for (message, digest) in &messages {
            assert_eq!(run(kernel, Algorithm::Sha256, &[message].into_iter().collect(), 1024), *digest, "{kernel}");
        }
    }
}

/// The Secure Hash Algorithm Validation System, section 6.4; one chain in each of five strings.
#[test]
fn monte_carlo() {
    // The seed, and what comes of it.
    let chain: Vec<_> = lines().filter(|line| !line.contains(' ')).map(bytes).collect();
    assert_eq!(chain.len(), 1 + 100);
    for kernel in Kernel::all() {
        for pair in chain.windows(2) {
            let mut last = [(); 3].map(|()| pair[0].clone());
            for _ in 0..1000 {
                let inputs: BlobBuf = std::iter::repeat_n(last.concat(), 5).collect();
                let digests = run(kernel, Algorithm::Sha256, &inputs, 1024);
                assert!(digests.chunks_exact(32).all(|digest| *digest == digests[..32]), "{kernel}");
                last.rotate_left(1);
                last[2] = digests[..32].to_vec();
            }
            assert_eq!(last[2], pair[1], "{kernel}");
        }
    }
}
