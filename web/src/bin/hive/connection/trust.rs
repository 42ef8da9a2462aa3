//! By which certificates the Queen is known.

use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::failure::Failure;

/// TLS by aws-lc-rs, trusting the authorities in `pem`, or the system's where there is none.
pub fn config(pem: Option<&[u8]>) -> Result<TlsConfig, Failure> {
    let certificates = match pem {
        Some(pem) => given(pem)?,
        None => of_the_system(),
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&certificates))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build())
}

/// The certificates in a file, of which there is one at least.
pub fn given(pem: &[u8]) -> Result<Vec<Certificate<'static>>, Failure> {
    let certificates = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(Failure::here("the file of the authority (--ca) cannot be read as PEM", &error))),
    });
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>()?;
    match certificates.is_empty() {
        true => Err(Failure::Here(
            "the file of the authority (--ca) has no certificate in it: it is the Queen's authority.pem that is needed"
                .to_owned(),
        )),
        false => Ok(certificates),
    }
}

/// Those that cannot be read are not trusted, which is told when one of them is missed.
fn of_the_system() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}
