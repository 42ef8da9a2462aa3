//! What may be negotiated on each port. There is one provider of cryptography, and it is named everywhere.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, Error, ServerConfig, SupportedProtocolVersion, WantsVerifier};

/// For Drones: TLS 1.3 alone, and each connection with a handshake of its own.
///
/// # Errors
/// If the key is not the certificate's.
pub fn drones_config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, Error> {
    let mut config = builder(&[&TLS13])?.with_no_client_auth().with_single_cert(chain, key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// For HTTP/1.1: TLS 1.2 and 1.3.
///
/// # Errors
/// If the key is not the certificate's.
pub fn http_config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, Error> {
    let mut config = builder(&[&TLS12, &TLS13])?.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn builder(
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)
}
