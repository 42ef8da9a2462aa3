//! A preface, and the body of a frame of the handshake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::{self, HEADER, MAX_HANDSHAKE};
use wire::handshake::{FromDrone, FromQueen};
use wire::preface::Preface;

fuzz_target!(|body: &[u8]| {
    if let Some(bytes) = body.first_chunk()
        && let Ok(preface) = Preface::decode(*bytes)
    {
        assert_eq!(preface.encode(), *bytes);
    }
    // A frame's length is checked before its body is decoded.
    let body = &body[..body.len().min(MAX_HANDSHAKE)];
    let mut again = Vec::new();
    if let Ok(message) = frame::decode::<FromDrone<'_>>(body) {
        frame::encode(&message, MAX_HANDSHAKE, &mut again).expect("what was decoded is within bounds");
        assert_eq!(frame::decode::<FromDrone<'_>>(&again[HEADER..]).expect("it is a message"), message);
    }
    again.clear();
    if let Ok(message) = frame::decode::<FromQueen<'_>>(body) {
        frame::encode(&message, MAX_HANDSHAKE, &mut again).expect("what was decoded is within bounds");
        assert_eq!(frame::decode::<FromQueen<'_>>(&again[HEADER..]).expect("it is a message"), message);
    }
});
