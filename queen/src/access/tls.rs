//! How the Queen's ports speak TLS.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, ServerConfig, SupportedProtocolVersion, WantsVerifier};
use sha2::{Digest, Sha256};
use wire::greeting::TLS_RECORD;

/// The certificate by which the Drones' port proves that it is the Queen's, ready to serve.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// Certificate and key, and what may be negotiated.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, in DER.
    pub leaf: [u8; 32],
}

impl TlsIdentity {
    /// For the Drones' port: see [`drones_config`].
    ///
    /// # Errors
    /// If the key is not the first certificate's, or there is none.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, rustls::Error> {
        let leaf = chain.first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let leaf = Sha256::digest(leaf).into();
        Ok(Self { config: Arc::new(drones_config(chain, key)?), leaf })
    }
}

/// What is negotiated on the Drones' port: TLS 1.3 alone, and each connection by a handshake of its own, since a session
/// that is resumed shows no certificate to which proofs could be bound, and what is sent early can be replayed.
///
/// # Errors
/// If the key is not the first certificate's, or there is none.
pub fn drones_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = builder(&[&TLS13])?.with_no_client_auth().with_single_cert(chain, key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.max_fragment_size = Some(TLS_RECORD);
    Ok(config)
}

/// What is negotiated for HTTP/1.1: TLS 1.2 and 1.3.
///
/// # Errors
/// If the key is not the first certificate's, or there is none.
pub fn http_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = builder(&[&TLS12, &TLS13])?.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.max_fragment_size = Some(TLS_RECORD);
    Ok(config)
}

/// With the one provider of cryptography that there is in this program.
fn builder(
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, rustls::Error> {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_protocol_versions(versions)
}
