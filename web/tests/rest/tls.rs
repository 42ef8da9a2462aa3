//! The listener, where it speaks TLS.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use web::Config;

use crate::serve::{Server, read_all, read_to, serve_with};
use crate::support::*;

/// What a server has, and what a client needs to know of it.
struct Identity {
    server: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

fn identity() -> Identity {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    Identity { server: Arc::new(server), certificate: cert.der().clone() }
}

async fn connect(server: &Server, identity: &Identity) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn secured() -> (Server, watch::Sender<Arc<ServerConfig>>, Identity) {
    let identity = identity();
    let (sender, tls) = watch::channel(identity.server.clone());
    (serve_with(Config { tls: Some(tls), ..config() }).await, sender, identity)
}

/// Asks for this, and says no more; the whole answer.
async fn ask(server: &Server, stream: &mut TlsStream<TcpStream>, head: &str) -> String {
    let request = format!("{head}\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn http_goes_over_tls() {
    let (server, _sender, identity) = secured().await;
    let mut stream = connect(&server, &identity).await.unwrap();
    let answer = ask(&server, &mut stream, "GET /stats HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("strict-transport-security: max-age=31536000"));
    // Everybody's own machine is not pinned.
    let mut stream = connect(&server, &identity).await.unwrap();
    let local =
        format!("GET /stats HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", server.address.port());
    stream.write_all(local.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("strict-transport-security"));
    let mut stream = connect(&server, &identity).await.unwrap();
    let mut many = "a\n".repeat(100_000);
    let head = format!("POST /tasks HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", server.address);
    many = format!("{head}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{many}", many.len());
    stream.write_all(many.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let mut stream = connect(&server, &identity).await.unwrap();
    let results = ask(&server, &mut stream, "GET /tasks/1/results?format=text HTTP/1.1").await;
    assert_eq!(results.matches(&sha256("a")).count(), 100_000);
    server.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let (server, sender, old) = secured().await;
    let mut before = connect(&server, &old).await.unwrap();
    let new = identity();
    sender.send(new.server.clone()).unwrap();
    assert!(connect(&server, &old).await.is_err(), "it is not the one that is known");
    let mut after = connect(&server, &new).await.unwrap();
    for stream in [&mut before, &mut after] {
        assert!(ask(&server, stream, "GET /healthz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
    }
    server.stop().await;
}

#[tokio::test]
async fn who_speaks_without_tls_is_told() {
    let (server, _sender, identity) = secured().await;
    for request in
        ["GET / HTTP/1.1\r\nHost: HOST\r\n\r\n", "POST /tasks HTTP/1.1\r\nContent-Length: 9\r\n\r\nhoney", "\0"]
    {
        let answer = read_all(&mut server.ask(request).await).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    }
    // Whoever says nothing, or ends amid the handshake, holds up nobody.
    let (_silent, mut broken) = (server.ask("").await, server.ask("\x16\x03\x01").await);
    broken.shutdown().await.unwrap();
    let mut stream = connect(&server, &identity).await.unwrap();
    assert!(ask(&server, &mut stream, "GET /healthz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
    server.stop().await;
}

#[tokio::test]
async fn an_open_event_stream_over_tls_does_not_hold_up_a_stop() {
    let (server, _sender, identity) = secured().await;
    let mut stream = connect(&server, &identity).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to(&mut stream, "retry: 1000").await;
    server.stop().await;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"));
}
