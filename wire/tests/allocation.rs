//! What hostile bytes can make a reader allocate. One test, since the meter counts the process.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use peak_alloc::PeakAlloc;
use tokio::io::{AsyncRead, AsyncReadExt};
use wire::List;
use wire::codec::{FrameReader, FrameWriter};
use wire::frame::{self, FrameError, HEADER, MAX_TO_DRONE};
use wire::ids::{Epoch, LeaseId};
use wire::message::{Lease, ToDrone, ToQueen};
use wire::sieve::Sieve;
use wire::work::ChunkOutput;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What `work` returns, and how many bytes more than before it had at once.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = work();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

/// Polls a future that needs to wait for nothing.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}

/// What a reader and a writer keep between frames when they have been busy.
fn kept_by_idle_ends(lengths: &[usize]) -> (usize, usize) {
    let (reason, mut stream) = ("x".repeat(MIB), Vec::with_capacity(4 * MIB));
    let before = MEMORY.current_usage();
    let mut writer = FrameWriter::new(&mut stream);
    for length in lengths {
        writer.push(&ToDrone::Goodbye { reason: &reason[..*length] }, MAX_TO_DRONE).unwrap();
        done(writer.flush()).unwrap();
    }
    // Then come heartbeats, each by itself.
    writer.push(&ToDrone::Heartbeat, MAX_TO_DRONE).unwrap();
    done(writer.flush()).unwrap();
    let written = MEMORY.current_usage() - before;
    drop(writer);
    let beat = [1, 0, 0, 0, 2];
    let mut socket: Box<dyn AsyncRead + Unpin> = Box::new(&stream[..]);
    for _ in 0..8 {
        socket = Box::new(socket.chain(&beat[..]));
    }
    let before = MEMORY.current_usage();
    let mut reader = FrameReader::new(socket);
    (0..lengths.len() + 9).for_each(|_| assert!(done(reader.next(MAX_TO_DRONE)).unwrap().is_some()));
    assert!(done(reader.next(MAX_TO_DRONE)).unwrap().is_none());
    (MEMORY.current_usage() - before, written)
}

/// The first frame of a stream that ends behind `bytes`.
fn read_ends_in_error(bytes: &[u8]) {
    assert!(done(FrameReader::new(bytes).next(MAX_TO_DRONE)).is_err());
}

/// A body whose list announces `count` elements and holds `elements` times `element`.
fn list(number: u8, count: u32, element: &[u8], elements: usize) -> Vec<u8> {
    [&[number, 252][..], &count.to_le_bytes(), &element.repeat(elements)].concat()
}

#[test]
fn memory_follows_the_bytes_that_arrived() {
    let max = List::<()>::MAX as u32;

    // Thousands of connections are idle most of the time.
    for lengths in [&[10; 3][..], &[MIB, 10, 10], &[10_000; 300], &[MIB; 3]] {
        let (read, written) = kept_by_idle_ends(lengths);
        assert!(read <= 20 * KIB && written <= 4 * KIB, "{read} and {written} bytes are kept");
    }

    // Announced and not there.
    for count in [max, max + 1, u32::MAX] {
        let body = list(0, count, b"tiny", 1);
        assert_eq!(body.len(), 10);
        let (failed, used) = peak(|| frame::decode::<ToDrone<'_>>(&body).is_err());
        assert!(failed && used < 64 * KIB, "{count} leases announced: {used} bytes");
    }
    for length in [MAX_TO_DRONE as u32, MAX_TO_DRONE as u32 + 1, u32::MAX] {
        let header = length.to_le_bytes();
        let ((), used) = peak(|| read_ends_in_error(&header));
        assert!(used < 256 * KIB, "a frame of {length} announced: {used} bytes");
    }
    let part = [&(MAX_TO_DRONE as u32).to_le_bytes()[..], &vec![0; MIB]].concat();
    let ((), used) = peak(|| read_ends_in_error(&part));
    assert!(used < 8 * MIB, "1 MiB of a frame of 8 arrived: {used} bytes");

    // The most elements that a list may have, and that a frame may hold: legal, and bounded.
    let lease = [&[1, 1, 1][..], &[0; 16], &[0, 0, 0, 1, 0, 1, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0]].concat();
    let many = list(0, max, &lease, max as usize);
    let (message, used) = peak(|| frame::decode::<ToDrone<'_>>(&many));
    let Ok(ToDrone::Work { leases }) = message else { panic!("{message:?}") };
    assert_eq!(leases.0.len(), List::<Lease<'_>>::MAX);
    assert!(used < 32 * MIB, "{max} leases: {used} bytes");

    let padding = MAX_TO_DRONE - many.len() - 4 - 4;
    let mut full = many[..many.len() - lease.len()].to_vec();
    let layout = padding as u32 + 8;
    full.extend_from_slice(&lease[..lease.len() - 9]);
    full.push(252);
    full.extend_from_slice(&layout.to_le_bytes());
    full.extend_from_slice(&1u32.to_le_bytes());
    full.extend_from_slice(&(padding as u32).to_le_bytes());
    full.resize(full.len() + padding, b'x');
    assert!((MAX_TO_DRONE - 8..=MAX_TO_DRONE).contains(&full.len()), "{}", full.len());
    let (message, used) = peak(|| frame::decode::<ToDrone<'_>>(&full).map(drop));
    assert!(message.is_ok() && used < 32 * MIB, "a full frame: {message:?}, {used} bytes");

    // What is sought stays in its frame, however much it is, and so do marks.
    let count = 1_000_000u32;
    let targets = [&[0, 1, 64, 252][..], &count.to_le_bytes()].concat();
    let values: Vec<u8> = (0..u64::from(count)).flat_map(u64::to_le_bytes).collect();
    let (failed, used) = peak(|| frame::decode::<Sieve<'_>>(&targets).is_err());
    assert!(failed && used < KIB, "{count} values announced: {used} bytes");
    let body = [targets, values].concat();
    let (sieve, used) = peak(|| frame::decode::<Sieve<'_>>(&body));
    let Ok(Sieve::Targets { values, .. }) = sieve else { panic!("{sieve:?}") };
    assert!(values.len() == count as usize && used < KIB, "{count} values: {used} bytes");
    let marks = [&[2, 252][..], &(MIB as u32).to_le_bytes(), &vec![0; MIB]].concat();
    let (output, used) = peak(|| frame::decode::<ChunkOutput<'_>>(&marks).map(|output| output.size()));
    assert!(matches!(output, Ok(MIB)) && used < KIB, "1 MiB of marks: {used} bytes");
    let (failed, used) = peak(|| frame::decode::<ChunkOutput<'_>>(&marks[..6]).is_err());
    assert!(failed && used < KIB, "1 MiB of marks announced: {used} bytes");

    // One element more than a list may have.
    let progress = list(3, max + 1, &[1, 1, 1], max as usize + 1);
    let (message, used) = peak(|| frame::decode::<ToQueen<'_>>(&progress).map(drop));
    assert!(matches!(message, Err(FrameError::Invalid(_))) && used < 64 * KIB, "{used} bytes");

    // What is not to be read is not to be written either.
    let leases = List(vec![(LeaseId(1), Epoch(1)); max as usize + 1]);
    let mut out = vec![7];
    assert!(matches!(
        frame::encode(&ToQueen::HandBack { leases }, MAX_TO_DRONE, &mut out),
        Err(FrameError::Unencodable(_))
    ));
    assert_eq!((out, HEADER), (vec![7], 4));
}
