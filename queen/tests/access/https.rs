//! A client of HTTPS that knows one authority.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The status of an answer, and all of it as text.
pub fn get(to: SocketAddr, authority: &str, name: &str, path: &str, token: Option<&str>) -> io::Result<(u16, String)> {
    let mut stream = connect(to, authority, name)?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let host = format!("{name}:{}", to.port());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{token}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, answer))
}

/// The certificate that is shown to who knows this authority.
pub fn certificate(to: SocketAddr, authority: &str, name: &str) -> io::Result<CertificateDer<'static>> {
    let stream = connect(to, authority, name)?;
    Ok(stream.conn.peer_certificates().unwrap()[0].clone().into_owned())
}

pub fn connect(to: SocketAddr, authority: &str, name: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect(to)?);
    // The handshake, which else comes with the first byte.
    stream.flush()?;
    Ok(stream)
}
