//! The tokio adapter: frames come out the same however the bytes come in.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};
use wire::codec::{ConnectionError, FrameReader, FrameWriter, read_preface};
use wire::frame::{FrameError, MAX_HANDSHAKE, MAX_TO_DRONE};
use wire::message::ToDrone;
use wire::preface::{Preface, PrefaceError, Role};

/// A socket on which one chunk arrives after the other, with a pause before each.
struct Trickle {
    chunks: VecDeque<Vec<u8>>,
    pause: bool,
}

impl Trickle {
    fn new(chunks: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { chunks: chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect(), pause: false }
    }

    /// `bytes` cut at `cuts`, which need not be in order or within.
    fn cut(bytes: &[u8], cuts: &[usize]) -> Self {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        Self::new(cuts.windows(2).map(|cut| bytes[cut[0]..cut[1]].to_vec()))
    }
}

impl AsyncRead for Trickle {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.pause = !self.pause;
        if self.pause {
            return Poll::Pending;
        }
        if let Some(mut chunk) = self.chunks.pop_front() {
            let rest = chunk.split_off(chunk.len().min(buffer.remaining()));
            buffer.put_slice(&chunk);
            if !rest.is_empty() {
                self.chunks.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Polls once; the future is dropped then, ready or not.
fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// The next frame, from a future that is dropped and made anew at every pause.
fn next(reader: &mut FrameReader<Trickle>, limit: usize) -> Result<Option<Bytes>, ConnectionError> {
    loop {
        if let Some(result) = once(reader.next(limit)) {
            return result;
        }
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes()[..], body].concat()
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_how_they_arrive(
        bodies in vec(vec(any::<u8>(), 0..300), 0..8),
        cuts in vec(any::<usize>(), 0..40),
        over in 0..3usize,
    ) {
        let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        let limit = bodies.iter().map(Vec::len).max().unwrap_or(0) + over;
        let mut reader = FrameReader::new(Trickle::cut(&stream, &cuts));
        for body in &bodies {
            prop_assert_eq!(&next(&mut reader, limit).unwrap().unwrap()[..], &body[..]);
        }
        prop_assert!(next(&mut reader, limit).unwrap().is_none(), "an end between frames is an end");
    }

    #[test]
    fn an_end_within_a_frame_is_an_error(body in vec(any::<u8>(), 0..50), cut: prop::sample::Index, cuts in vec(any::<usize>(), 0..5)) {
        let whole = frame(&body);
        let part = &whole[..1 + cut.index(whole.len() - 1)];
        let result = next(&mut FrameReader::new(Trickle::cut(part, &cuts)), MAX_TO_DRONE);
        prop_assert!(matches!(result, Err(ConnectionError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn a_length_above_the_limit_is_refused_at_once(size: u32, limit in 0..MAX_TO_DRONE) {
        // Nothing but the length ever arrives.
        let mut reader = FrameReader::new(Trickle::new([size.to_le_bytes().to_vec()]));
        let result = next(&mut reader, limit);
        if size as usize > limit {
            let too_long = matches!(result, Err(ConnectionError::Frame(FrameError::TooLong { .. })));
            prop_assert!(too_long);
        } else if size == 0 {
            prop_assert!(result.unwrap().unwrap().is_empty());
        } else {
            prop_assert!(matches!(result, Err(ConnectionError::Io(_))));
        }
    }
}

#[test]
fn the_largest_frame_arrives() {
    let body: Vec<u8> = (0..MAX_TO_DRONE).map(|at| (at % 251) as u8).collect();
    let chunks = [frame(&body), frame(b"next")].concat();
    let mut reader = FrameReader::new(Trickle::new(chunks.chunks(100_003).map(<[u8]>::to_vec)));
    assert!(next(&mut reader, MAX_TO_DRONE).unwrap().unwrap() == body);
    assert_eq!(next(&mut reader, MAX_TO_DRONE).unwrap().unwrap(), "next");
}

#[test]
fn what_is_written_is_read() {
    let messages = [ToDrone::Heartbeat, ToDrone::Goodbye { reason: "the Queen stops" }, ToDrone::Heartbeat];
    let mut socket = Vec::new();
    let mut writer = FrameWriter::new(&mut socket);
    for message in &messages {
        writer.push(message, MAX_TO_DRONE).unwrap();
    }
    let pending = writer.pending();
    let long = "x".repeat(MAX_HANDSHAKE);
    let too_long = writer.push(&ToDrone::Goodbye { reason: &long }, MAX_HANDSHAKE);
    assert!(matches!(too_long, Err(FrameError::TooLong { size, .. }) if size == MAX_HANDSHAKE + 4));
    assert_eq!(writer.pending(), pending, "what is too long leaves nothing behind");
    once(writer.flush()).unwrap().unwrap();
    assert_eq!(writer.pending(), 0);
    assert_eq!(socket.len(), pending);
    let mut reader = FrameReader::new(Trickle::new([socket]));
    for message in &messages {
        let body = next(&mut reader, MAX_TO_DRONE).unwrap().unwrap();
        assert_eq!(wire::frame::decode::<ToDrone<'_>>(&body).unwrap(), *message);
    }
}

#[test]
fn a_preface_is_read_or_named() {
    let read = |bytes: &[u8]| once(read_preface(&mut &bytes[..])).unwrap();
    let ours = Preface::ours(Role::Queen);
    assert_eq!(read(&ours.encode()).unwrap(), ours);
    assert!(matches!(read(&ours.encode()[..7]), Err(ConnectionError::Io(_))));
    let stranger = read(b"GET / HTTP/1.1\r\n").unwrap_err();
    assert!(matches!(stranger, ConnectionError::Preface(PrefaceError::Magic(magic)) if &magic == b"GET "));
    assert_eq!(
        stranger.to_string(),
        "this is not a Hive connection: it begins with 47 45 54 20 instead of F0 9F 90 9D"
    );
}
