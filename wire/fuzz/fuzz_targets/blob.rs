//! The layout of a blob, and its parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::blob::{Blob, BlobBuf};

fuzz_target!(|layout: &[u8]| {
    let Ok(blob) = Blob::parse(layout) else { return };
    assert_eq!(blob.layout_len(), layout.len());
    let copy: BlobBuf = blob.iter().collect();
    assert_eq!(copy.as_blob(), blob);
    let half = blob.len() / 2;
    let (front, back) = (blob.slice(0..half), blob.slice(half..blob.len()));
    assert!(front.iter().chain(back.iter()).eq(blob.iter()));
    assert!(blob.iter_at(half, front.bytes().len()).eq(back.iter()));
});
