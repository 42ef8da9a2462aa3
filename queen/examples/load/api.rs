//! Where a Queen's REST API is, and how she is spoken to there.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wire::greeting::TLS_RECORD;

/// What is read from the socket at once with TLS, in bytes: it would read less than a record of its own at a time.
const READ_AHEAD: usize = 64 << 10;

/// Where requests go.
#[derive(Clone)]
pub struct Api {
    pub address: SocketAddr,
    /// What is needed where the Hive is set up; `None` without TLS and token.
    access: Option<Access>,
}

#[derive(Clone)]
struct Access {
    tls: TlsConnector,
    token: String,
}

/// A connection, with TLS or without.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

impl Api {
    /// Of a Hive that is not set up.
    pub fn open(address: SocketAddr) -> Self {
        Self { address, access: None }
    }

    /// Of a Hive that is: `authority` is the file with its authority's certificate.
    pub fn closed(address: SocketAddr, authority: &Path, token: &str) -> anyhow::Result<Self> {
        let pem = std::fs::read(authority).with_context(|| format!("cannot read {}", authority.display()))?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).with_context(|| format!("{}", authority.display()))?)?;
        let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.max_fragment_size = Some(TLS_RECORD);
        let access = Access { tls: TlsConnector::from(Arc::new(tls)), token: token.trim().to_owned() };
        Ok(Self { address, access: Some(access) })
    }

    /// The header lines that each request has.
    pub fn headers(&self) -> String {
        let host = format!("host: {}\r\n", self.address);
        match &self.access {
            Some(Access { token, .. }) => format!("{host}authorization: Bearer {token}\r\n"),
            None => host,
        }
    }

    /// A new connection.
    pub async fn connect(&self) -> anyhow::Result<Box<dyn Socket>> {
        let Self { address, access } = self;
        let socket = TcpStream::connect(address).await.with_context(|| format!("cannot reach a Queen at {address}"))?;
        socket.set_nodelay(true)?;
        let Some(Access { tls, .. }) = access else { return Ok(Box::new(socket)) };
        let socket = BufReader::with_capacity(READ_AHEAD, socket);
        let socket = tls.connect(ServerName::from(address.ip()), socket).await;
        Ok(Box::new(socket.with_context(|| format!("there is no TLS with {address}"))?))
    }
}
