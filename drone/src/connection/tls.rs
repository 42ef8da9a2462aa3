//! TLS with the Queen, before anything else is said to her.

use std::io;

use rustls::CertificateError;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use tokio::io::{BufReader, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wire::greeting::{Incoming, Outgoing};
use wire::join::QUEEN_NAME;
use wire::proof::Keys;

use super::outage::{Outage, Untrusted};
use crate::join::Join;

/// What is read from the socket at once, in bytes: TLS would read less than a record of its own at a time.
const READ_AHEAD_BYTES: usize = 64 << 10;

/// A connection on which nothing was said yet, and with what proofs are made on it.
pub(super) struct Secured {
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) keys: Option<Keys>,
}

/// Makes sure that the Queen is there if there is a join file, by which she can be known.
pub(super) async fn secure(stream: TcpStream, join: Option<&Join>) -> Result<Secured, Outage> {
    let Some(join) = join else {
        let (incoming, outgoing) = stream.into_split();
        return Ok(Secured { incoming: Box::new(incoming), outgoing: Box::new(outgoing), keys: None });
    };
    let name = ServerName::try_from(QUEEN_NAME).map_err(|error| Untrusted::Tls(error.to_string()))?;
    let stream = BufReader::with_capacity(READ_AHEAD_BYTES, stream);
    let stream = TlsConnector::from(join.tls.clone()).connect(name, stream).await.map_err(classify)?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let leaf = leaf.ok_or_else(|| Untrusted::Tls("she shows no certificate".to_owned()))?;
    let keys = Keys { secret: join.secret, leaf: Sha256::digest(leaf).into() };
    let (incoming, outgoing) = split(stream);
    Ok(Secured { incoming: Box::new(incoming), outgoing: Box::new(outgoing), keys: Some(keys) })
}

/// Why there is no TLS, by the error of the attempt.
fn classify(error: io::Error) -> Outage {
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
        return Outage::Unreachable(error);
    };
    let distrust = match cause {
        InvalidMessage(_) => Untrusted::Plain,
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => Untrusted::Expired,
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            Untrusted::Early
        }
        InvalidCertificate(error) => Untrusted::Foreign(error.to_string()),
        error => Untrusted::Tls(error.to_string()),
    };
    distrust.into()
}
