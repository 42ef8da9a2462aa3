//! The listener, on real sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use web::Config;

use crate::support::*;

pub struct Server {
    pub fake: Arc<Fake>,
    pub address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

pub async fn serve() -> Server {
    serve_with(config()).await
}

pub async fn serve_with(config: Config) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config { address, ..config };
    let (fake, shutdown) = (fake(8), config.shutdown.clone());
    let router = web::site(fake.clone(), std::sync::Arc::new(web::hive::Open), config);
    let serving = tokio::spawn(web::serve::serve(listener, router, shutdown.clone()));
    Server { fake, address, shutdown, serving }
}

impl Server {
    pub async fn ask(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = request.replace("HOST", &self.address.to_string());
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

/// Reads until `mark` has come.
pub async fn read_to(stream: &mut (impl AsyncRead + Unpin), mark: &str) -> String {
    let mut text = String::new();
    while !text.contains(mark) {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "ended after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    text
}

pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn an_open_event_stream_does_not_hold_up_a_stop() {
    let server = serve().await;
    let mut events = server.ask("GET /events HTTP/1.1\r\nHost: HOST\r\n\r\n").await;
    read_to(&mut events, "retry: 1000").await;
    let idle = server.ask("").await;
    let address = server.address;
    server.stop().await;
    // The chunked body has its proper end.
    assert!(read_all(&mut events).await.ends_with("0\r\n\r\n"));
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_proxy_of_http_1_0_is_told_at_once() {
    let server = serve().await;
    // As nginx asks: nothing changes, and the stream begins all the same.
    let mut events = server.ask("GET /events HTTP/1.0\r\nHost: HOST\r\nConnection: close\r\n\r\n").await;
    let head = read_to(&mut events, "retry: 1000").await;
    assert!(head.starts_with("HTTP/1.0 200 ") && head.contains("\r\nx-accel-buffering: no\r\n"), "{head}");
    server.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let server = serve().await;
    let head = "POST /tasks HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\
                Expect: 100-continue\r\n\r\n";
    let mut stream = server.ask(head).await;
    // The body is asked for: the handler is at work.
    read_to(&mut stream, "100 Continue").await;
    server.shutdown.cancel();
    stream.write_all(b"a\nb\n").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.contains("201 Created"), "{answer}");
    assert_eq!(server.fake.only().1, [b"a", b"b"]);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_stops_sending_is_answered() {
    let server = serve().await;
    // The answer comes long after its end is seen: nothing will be computed.
    server.fake.inner().computed = Some(0);
    let wait = "POST /tasks HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\
                Prefer: wait=1\r\n\r\nhoney";
    for (request, status) in [("GET /healthz HTTP/1.1\r\nHost: HOST\r\n\r\n", 200), (wait, 201)] {
        let mut stream = server.ask(request).await;
        stream.shutdown().await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert_eq!(server.fake.tasks(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_broken_connection_costs_only_itself() {
    let server = serve().await;
    let head = "POST /tasks HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\na\nb";
    drop(server.ask(head).await);
    drop(server.ask("\0\0\0\r\n\r\n").await);
    let mut stream = server.ask("GET /healthz HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n").await;
    assert!(read_all(&mut stream).await.contains("{\"status\":\"ok\"}"));
    assert_eq!(server.fake.tasks(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_refused_upload_gets_to_read_why() {
    let server = serve().await;
    // Refused at its first line, for its host, and for its address.
    for (path, host, status) in
        [("/tasks?encoding=hex", "HOST", 422), ("/tasks", "evil.example", 421), ("/nowhere", "HOST", 404)]
    {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain\r\nContent-Length: 20000000\r\n\
             Connection: close\r\n\r\nnot hex\n"
        );
        let (mut reader, mut writer) = server.ask(&head).await.into_split();
        // All of it is taken although it is of no use.
        writer.write_all(&vec![b'0'; 20_000_000 - 8]).await.unwrap();
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_sender_that_waits_to_be_asked_is_not_asked_in_vain() {
    let server = serve().await;
    let head = "POST /tasks HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 20000000\r\nExpect: 100-continue\r\n\r\n";
    let answer = read_all(&mut server.ask(head).await).await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_head_has_32_kib_at_most() {
    let server = serve().await;
    let head = "GET /healthz HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nX: ";
    let mut longest = server.ask(&format!("{head}{}\r\n\r\n", "x".repeat(32_000))).await;
    assert!(read_all(&mut longest).await.starts_with("HTTP/1.1 200 "));
    let head = head.replace("HOST", &server.address.to_string());
    // Nothing of it is left unread, which would reset the connection.
    let mut endless = server.ask(&format!("{head}{}", "x".repeat((32 << 10) - head.len()))).await;
    assert!(read_all(&mut endless).await.starts_with("HTTP/1.1 431 "));
    server.stop().await;
}
