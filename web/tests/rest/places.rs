//! Who loses its place when all are taken, and how. Of the eight sockets that a server may have here, six are places,
//! and one is a spare one.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use web::Config;

use crate::serve::{Server, read_all, read_to, serve, serve_with};
use crate::support::*;

const PLACES: usize = 6;

const PROBE: &str = "GET /healthz HTTP/1.1\r\nHost: HOST\r\n\r\n";
const OK: &str = "{\"status\":\"ok\"}";

/// A connection from `127.0.0.from`, over which this is asked.
async fn ask_from(server: &Server, from: u8, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0))).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    say(server, &mut stream, request).await;
    stream
}

async fn say(server: &Server, stream: &mut TcpStream, request: &str) {
    stream.write_all(request.replace("HOST", &server.address.to_string()).as_bytes()).await.unwrap();
}

/// A newcomer that is answered. All that connected before it have been accepted then.
async fn newcomer(server: &Server, from: u8) -> TcpStream {
    let mut stream = ask_from(server, from, PROBE).await;
    assert!(read_to(&mut stream, OK).await.starts_with("HTTP/1.1 200 "));
    stream
}

/// It still has its place.
async fn assert_served(server: &Server, stream: &mut TcpStream) {
    say(server, stream, PROBE).await;
    assert!(read_to(stream, OK).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn who_says_nothing_yields_to_a_newcomer() {
    let server = serve().await;
    let mut other = newcomer(&server, 2).await;
    let mut silent = Vec::new();
    for begun in ["", "GET /healthz HTT", "", "", ""] {
        silent.push(ask_from(&server, 1, begun).await);
    }
    let mut come = Vec::new();
    for (stream, from) in silent.iter_mut().zip([3, 3, 4, 4]) {
        come.push(newcomer(&server, from).await);
        assert_eq!(read_all(stream).await, "", "it is closed without a word");
    }
    // Who holds fewer places keeps them, however old they are.
    for stream in [&mut other, &mut silent[4], &mut come[3]] {
        assert_served(&server, stream).await;
    }
    newcomer(&server, 5).await;
    assert_eq!(read_all(&mut come[0]).await, "", "between requests it yields as well");
    server.stop().await;
}

#[tokio::test]
async fn the_places_of_a_trusted_proxy_are_kept() {
    let proxies = vec!["127.0.0.9/32".parse().unwrap()];
    let server = serve_with(Config { trusted_proxies: proxies, ..config() }).await;
    let (mut proxy, mut silent) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        proxy.push(newcomer(&server, 9).await);
    }
    for _ in 0..2 {
        silent.push(newcomer(&server, 1).await);
    }
    let mut come = Vec::new();
    for (stream, from) in silent.iter_mut().zip([2, 3]) {
        come.push(newcomer(&server, from).await);
        assert_eq!(read_all(stream).await, "");
    }
    for stream in &mut proxy {
        assert_served(&server, stream).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_wait_is_answered_early() {
    let server = serve().await;
    server.fake.inner().computed = Some(0);
    let wait = "POST /tasks HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\
                Prefer: wait=60\r\n\r\nhoney";
    let mut waiting = Vec::new();
    for tasks in 1..=PLACES {
        waiting.push(ask_from(&server, 1, wait).await);
        while server.fake.tasks() < tasks {
            tokio::task::yield_now().await;
        }
    }
    let _probe = newcomer(&server, 2).await;
    let answer = read_all(&mut waiting[0]).await;
    assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("preference-applied: wait=60"), "{answer}");
    // `GET` waits as well, and takes the next one's place.
    let wait = "GET /tasks/1 HTTP/1.1\r\nHost: HOST\r\nPrefer: wait=60\r\n\r\n";
    let mut last = ask_from(&server, 3, wait).await;
    let answer = read_all(&mut waiting[1]).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    server.fake.complete();
    assert!(read_to(&mut last, "\"state\":\"done\"").await.starts_with("HTTP/1.1 200 "));
    for stream in &mut waiting[2..] {
        assert!(read_to(stream, "\"state\":\"done\"").await.starts_with("HTTP/1.1 200 "));
    }
    server.stop().await;
}

#[tokio::test]
async fn an_event_stream_ends_for_a_newcomer() {
    let server = serve().await;
    let mut watching = Vec::new();
    for _ in 0..PLACES {
        let mut events = ask_from(&server, 1, "GET /events HTTP/1.1\r\nHost: HOST\r\n\r\n").await;
        read_to(&mut events, "retry: 1000").await;
        watching.push(events);
    }
    newcomer(&server, 1).await;
    assert!(read_all(&mut watching[0]).await.ends_with("0\r\n\r\n"), "with its proper end");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_makes_room_and_its_sender_is_told() {
    let server = serve().await;
    let head = "POST /tasks HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\
                Expect: 100-continue\r\n\r\n";
    let mut sending = Vec::new();
    for _ in 0..PLACES {
        let mut stream = ask_from(&server, 1, head).await;
        read_to(&mut stream, "100 Continue").await;
        sending.push(stream);
    }
    newcomer(&server, 2).await;
    let answer = read_all(&mut sending[0]).await;
    assert!(answer.contains("HTTP/1.1 503 ") && answer.contains("nothing was created"), "{answer}");
    sending[1].write_all(b"honey").await.unwrap();
    read_to(&mut sending[1], "201 Created").await;
    drop(sending);
    server.stop().await;
}

/// Of so many lines a download is longer than what a connection takes in that nobody reads.
const LINES: usize = 150_000;

/// Downloads that nobody reads: they are worked on until somebody does.
async fn downloads(server: &Server, from: u8) -> Vec<TcpStream> {
    let lines = "x".repeat(40) + "\n";
    let task = format!(
        "POST /tasks HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{}",
        lines.len() * LINES,
        lines.repeat(LINES)
    );
    let created = read_all(&mut ask_from(server, from, &task).await).await;
    assert!(created.starts_with("HTTP/1.1 201 "), "{created}");
    let mut downloads = Vec::new();
    for _ in 0..PLACES {
        let request = "GET /tasks/1/results HTTP/1.1\r\nHost: HOST\r\n\r\n";
        let mut stream = ask_from(server, from, request).await;
        let mut begin = [0; 15];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200 OK");
        downloads.push(stream);
    }
    downloads
}

/// Reads a download to its end.
async fn read_out(download: &mut TcpStream) {
    let (mut text, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
    while !text.ends_with(b"\"complete\":true}\n\r\n0\r\n\r\n") {
        let length = download.read(&mut buffer).await.unwrap();
        assert!(length > 0, "it ended after {} bytes", text.len());
        text.extend_from_slice(&buffer[..length]);
    }
}

#[tokio::test]
async fn what_is_worked_on_yields_to_nobody_and_probes_are_answered_all_the_same() {
    let server = serve().await;
    let mut downloads = downloads(&server, 1).await;
    for from in [1, 2] {
        let refused = read_all(&mut ask_from(&server, from, "GET /stats HTTP/1.1\r\nHost: HOST\r\n\r\n").await).await;
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
        // A spare place is given up as well, by who does not come to the point.
        let mut silent = ask_from(&server, from, "GET /heal").await;
        for path in ["healthz", "readyz"] {
            let probe = format!("GET /{path} HTTP/1.1\r\nHost: any\r\n\r\n");
            let answer = read_all(&mut ask_from(&server, from, &probe).await).await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
        }
        assert_eq!(read_all(&mut silent).await, "");
    }
    // One that is read to its end is between requests, and yields.
    read_out(&mut downloads[2]).await;
    let mut stats = ask_from(&server, 2, "GET /stats HTTP/1.1\r\nHost: HOST\r\n\r\n").await;
    assert!(read_to(&mut stats, "\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(read_all(&mut downloads[2]).await, "");
    // The others lost nothing.
    for at in [0, 5] {
        read_out(&mut downloads[at]).await;
    }
    drop(downloads);
    server.stop().await;
}
