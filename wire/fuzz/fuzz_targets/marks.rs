//! The marks of a part: those that are read are written again as they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::sieve::{Marks, write_marks};

fuzz_target!(|input: (u64, &[u8])| {
    let (items, bytes) = input;
    let Some(marks) = Marks::parse(bytes, items) else { return };
    assert!(marks.iter().all(|mark| mark < items));
    let mut again = Vec::new();
    write_marks(marks.iter(), &mut again);
    assert_eq!(again, bytes);
});
