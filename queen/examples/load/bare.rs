//! What the machine does without a Hive.

use std::hint::black_box;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::time::Instant;

use anyhow::{anyhow, ensure};
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde_json::{Value, json};
use wire::blob::{Blob, BlobBuf};

use super::strings::{Expected, SIZE, digest, strings};

/// What a string takes of a frame: its length, and itself.
const STRING: usize = 4 + SIZE;

/// About how long a frame is, in bytes.
const FRAME: usize = 1 << 20;

/// Serves `POST /tasks` with a bare axum handler: parses the body, answers with what a Queen would. On another
/// port it says whatever it hears. The addresses of both are what it says first.
pub async fn serve() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let echo = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}\n{}", listener.local_addr()?, echo.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = socket.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().route("/tasks", post(answer))).await?)
}

async fn answer(Json(task): Json<Value>) -> Json<Value> {
    let input = task["input"].as_str().unwrap_or_default();
    let digest = const_hex::encode(<sha2::Sha256 as sha2::Digest>::digest(input));
    Json(json!({
        "id": 1, "kind": "digest", "algorithm": "sha256", "encoding": "utf8", "iterations": null, "name": null,
        "priority": 0, "state": "done", "waiting_because": null, "total": 1, "done": 1, "suspect": false,
        "corrected": 0, "created_at": "2026-01-01T00:00:00.000Z", "started_at": "2026-01-01T00:00:00.000Z",
        "deadline_at": null, "finished_at": "2026-01-01T00:00:00.000Z", "rate": 0.0, "eta_seconds": null,
        "error": null, "results": [{ "index": 0, "input": input, "digest": digest }],
    }))
}

/// Hashes so many strings on so many threads, without any IO; strings a second.
pub fn hashing(count: u64, threads: usize) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for part in parts(count, threads as u64) {
            scope.spawn(move || {
                for word in strings(part.start).take((part.end - part.start) as usize) {
                    black_box(digest(black_box(&word)));
                }
            });
        }
    });
    count as f64 / begun.elapsed().as_secs_f64()
}

/// Sends strings to so many threads over TCP, each of which hashes them and returns the digests, which are
/// compared; strings a second. One thread each sends, and one each receives.
pub fn loopback(expected: &Expected, pairs: u64) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let mut receivers = Vec::new();
        for part in parts(expected.strings, pairs) {
            let ours = TcpStream::connect(address)?;
            let (theirs, _) = listener.accept()?;
            ours.set_nodelay(true)?;
            theirs.set_nodelay(true)?;
            let (sending, range) = (ours.try_clone()?, part.clone());
            scope.spawn(move || work(theirs));
            scope.spawn(move || send(sending, range));
            receivers.push(scope.spawn(move || receive(ours, part, expected)));
        }
        for receiver in receivers {
            receiver.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(expected.strings as f64 / begun.elapsed().as_secs_f64())
    })
}

/// So many parts of `0..count`, which may differ by one in size.
fn parts(count: u64, parts: u64) -> impl Iterator<Item = Range<u64>> {
    (0..parts).map(move |part| count * part / parts..count * (part + 1) / parts)
}

/// So many strings fit a frame.
fn frames(part: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let size = (FRAME / STRING) as u64;
    let end = part.end;
    part.step_by(size as usize).map(move |from| from..end.min(from + size))
}

fn send(mut socket: TcpStream, part: Range<u64>) -> io::Result<()> {
    for frame in frames(part) {
        let count = (frame.end - frame.start) as usize;
        let mut blob = BlobBuf::with_capacity(count, count * SIZE);
        strings(frame.start).take(count).for_each(|word| blob.push(&word));
        let mut bytes = ((4 + count * STRING) as u32).to_le_bytes().to_vec();
        blob.as_blob().write(&mut bytes);
        socket.write_all(&bytes)?;
    }
    socket.shutdown(std::net::Shutdown::Write)
}

/// Hashes what comes, until nothing does.
fn work(socket: TcpStream) -> anyhow::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(socket.try_clone()?), socket);
    let mut length = [0; 4];
    while reader.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        reader.read_exact(&mut frame)?;
        let blob = Blob::parse(&frame)?;
        let mut digests = Vec::with_capacity(blob.len() * 32);
        for word in blob.iter() {
            digests.extend_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(word));
        }
        writer.write_all(&digests)?;
    }
    Ok(())
}

/// Compares the digests of a part.
fn receive(mut socket: TcpStream, part: Range<u64>, expected: &Expected) -> anyhow::Result<()> {
    let mut digests = Vec::new();
    for frame in frames(part) {
        digests.resize((frame.end - frame.start) as usize * 32, 0);
        socket.read_exact(&mut digests)?;
        for (index, digest) in frame.zip(digests.as_chunks().0) {
            let right = expected.digests.get((index / expected.every) as usize);
            ensure!(!index.is_multiple_of(expected.every) || right == Some(digest), "digest {index} is wrong");
        }
    }
    Ok(())
}
