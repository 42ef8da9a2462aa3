//! TLS with the Queen, before anything else is said to her, and why the two may not trust each other.

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

use super::Trouble;
use crate::join::Join;

/// What is read from the socket at once, in bytes: TLS would read less than a record of its own at a time.
const READ_AHEAD: usize = 64 << 10;

/// Why this Drone and the Queen do not trust each other. Somebody has to change something before they do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untrusted {
    #[error(
        "nobody speaks TLS there, and with a join file this Drone speaks nothing else: either that is not a Queen's \
         port for Drones, or she has no secrets (`queen init` makes one) and takes Drones without --join"
    )]
    Plain,
    #[error(
        "her certificate is not of the Hive that the join file is of ({0}): the Hive was set up anew and has another \
         join file, that is another Queen, or somebody stands in between"
    )]
    Foreign(String),
    #[error("her certificate has expired: look whether the clocks of her machine and of this one are right")]
    Expired,
    #[error("her certificate is not valid yet: look whether the clocks of her machine and of this one are right")]
    Early,
    #[error("there is no TLS with her: {0}")]
    Tls(String),
    #[error("she asks for a proof, and this Drone has none: start it with --join FILE, the join file of her Hive")]
    NoJoinFile,
    #[error("she welcomes this Drone without asking for the secret of its join file, so that she is not who wrote it")]
    NoChallenge,
    #[error("she does not prove that she knows the secret of this Drone's join file: somebody stands in between")]
    Unproven,
}

/// A connection on which nothing was said yet, and with what proofs are made on it.
pub(super) struct Secured {
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) keys: Option<Keys>,
}

/// Makes sure that the Queen is there if there is a join file, by which she can be known.
pub(super) async fn secure(stream: TcpStream, join: Option<&Join>) -> Result<Secured, Trouble> {
    let Some(join) = join else {
        let (incoming, outgoing) = stream.into_split();
        return Ok(Secured { incoming: Box::new(incoming), outgoing: Box::new(outgoing), keys: None });
    };
    let name = ServerName::try_from(QUEEN_NAME).map_err(|error| Untrusted::Tls(error.to_string()))?;
    let stream = BufReader::with_capacity(READ_AHEAD, stream);
    let stream = TlsConnector::from(join.tls.clone()).connect(name, stream).await.map_err(blame)?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let leaf = leaf.ok_or_else(|| Untrusted::Tls("she shows no certificate".to_owned()))?;
    let keys = Keys { secret: join.secret, leaf: Sha256::digest(leaf).into() };
    let (incoming, outgoing) = split(stream);
    Ok(Secured { incoming: Box::new(incoming), outgoing: Box::new(outgoing), keys: Some(keys) })
}

/// What is wrong where TLS does not come about.
fn blame(error: io::Error) -> Trouble {
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
        return Trouble::Unreachable(error);
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
