//! The body of a frame after the handshake. What is a message encodes to one that is equal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::{self, HEADER, MAX_TO_DRONE};
use wire::message::{ToDrone, ToQueen};

fuzz_target!(|body: &[u8]| {
    let mut again = Vec::new();
    if let Ok(message) = frame::decode::<ToDrone<'_>>(body) {
        frame::encode(&message, MAX_TO_DRONE, &mut again).expect("what was decoded is within bounds");
        assert_eq!(frame::decode::<ToDrone<'_>>(&again[HEADER..]).expect("it is a message"), message);
    }
    again.clear();
    if let Ok(message) = frame::decode::<ToQueen<'_>>(body) {
        frame::encode(&message, MAX_TO_DRONE, &mut again).expect("what was decoded is within bounds");
        assert_eq!(frame::decode::<ToQueen<'_>>(&again[HEADER..]).expect("it is a message"), message);
    }
});
