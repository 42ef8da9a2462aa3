//! A stream of frames: the reader gives what the lengths say, whatever they say.
#![no_main]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use wire::codec::FrameReader;
use wire::frame::HEADER;

const LIMIT: usize = 1024;

fuzz_target!(|stream: &[u8]| {
    let mut reader = FrameReader::new(stream);
    let mut rest = stream;
    loop {
        let next = pin!(reader.next(LIMIT)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(next) = next else { panic!("a slice is always ready") };
        let expected = rest.split_first_chunk::<HEADER>().and_then(|(header, rest)| {
            let size = u32::from_le_bytes(*header) as usize;
            rest.split_at_checked(size).filter(|_| size <= LIMIT)
        });
        match (next, expected) {
            (Ok(Some(body)), Some((frame, after))) => {
                assert_eq!(body, frame);
                rest = after;
            }
            (Ok(None), None) => return assert!(rest.is_empty()),
            (Err(_), None) => return assert!(!rest.is_empty()),
            (next, expected) => panic!("{next:?} instead of {expected:?}"),
        }
    }
});
