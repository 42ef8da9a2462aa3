//! No kernel reads beyond what it was given: behind it lies a page that nobody may read.
#![allow(unsafe_code)]

use bytes::Bytes;

use super::*;

const PAGE: usize = 1 << 16;

/// A copy of `bytes` that ends where the readable memory does. It stays for ever.
fn at_the_end(bytes: &[u8]) -> &'static [u8] {
    assert!(bytes.len() <= PAGE);
    // SAFETY: new pages that nobody else knows, of which the last are taken away and the first
    // are written before anybody reads them.
    unsafe {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let start = libc::mmap(std::ptr::null_mut(), 2 * PAGE, access, kind, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        assert_eq!(libc::mprotect(start.byte_add(PAGE), PAGE, libc::PROT_NONE), 0);
        let place = start.byte_add(PAGE - bytes.len()).cast::<u8>();
        place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        std::slice::from_raw_parts(place, bytes.len())
    }
}

#[test]
fn nothing_is_read_beyond_the_end() {
    let key: &[u8] = &[9; 20];
    for algorithm in
        [Algorithm::Sha256, Algorithm::HmacSha256 { key }, Algorithm::Pbkdf2HmacSha256 { salt: key, iterations: 2 }]
    {
        for len in 0..=200 {
            let strings: Vec<Vec<u8>> = [3, len].map(|len| (0..len).map(|byte| byte as u8).collect()).into();
            let sample = Sample::new(algorithm, &strings.iter().collect()).unwrap();
            let guarded = Sample(Bytes::from_static(at_the_end(&sample.0)));
            let right: Vec<u8> = strings.iter().flat_map(|string| digest(algorithm, string)).collect();
            for kernel in Kernel::all() {
                assert_eq!(finish(kernel, guarded.job().unwrap(), 1024), right, "{kernel}, {algorithm:?}, {len} bytes");
            }
        }
    }
}
