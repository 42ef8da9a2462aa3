//! What a peer sends during the handshake: nothing that it can make up is a proof.
#![no_main]

use std::io::Cursor;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use wire::frame;
use wire::greeting::Greeting;
use wire::handshake::{FromDrone, FromQueen};
use wire::preface::{Preface, Role};
use wire::proof::Keys;

const KEYS: Keys = Keys { secret: *b"a secret that nobody can guess..", leaf: [7; 32] };

fuzz_target!(|stream: &[u8]| {
    let stream = Cursor::new(stream.to_vec());
    let prefaces = (Preface::ours(Role::Drone), Preface::ours(Role::Queen));
    let mut greeting = Greeting::new(Box::new(stream), Box::new(tokio::io::sink()), prefaces.0, prefaces.1);
    loop {
        let heard = pin!(greeting.hear()).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(heard) = heard else { panic!("a slice is always ready") };
        let Ok(Some(body)) = heard else { return };
        if let Ok(FromDrone::Proof { mac, .. }) = frame::decode(&body) {
            assert!(!greeting.proves(&mac, Role::Drone, &KEYS));
        }
        if let Ok(FromQueen::Welcome { mac: Some(mac), .. }) = frame::decode(&body) {
            assert!(!greeting.proves(&mac, Role::Queen, &KEYS));
        }
    }
});
