//! Who may use the Hive and who may work for it, and what proves that the Queen is the Queen.

pub mod authority;
pub mod certificates;
pub mod exposure;
pub mod grants;
pub mod tls;
pub mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;
use web::model::Timestamp;

pub use self::authority::{Authority, CertificateError, Issued};
pub use self::certificates::Certificates;
pub use self::grants::Grants;
pub use self::token::Token;

/// A secret that Drones prove to know, by its name. One that is made anew under the name of one that was
/// revoked has another number.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinSecret {
    /// Its number.
    pub id: u64,
    /// 32 random bytes.
    pub key: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
}

/// The secrets that are valid at a moment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct JoinSecrets {
    /// Each by its name.
    pub by_name: BTreeMap<Box<str>, JoinSecret>,
}

impl JoinSecrets {
    /// Whether the secret with this number is valid.
    pub fn has(&self, id: u64) -> bool {
        self.by_name.values().any(|secret| secret.id == id)
    }
}

/// How a port proves that it is the Queen's.
#[derive(Debug, Clone)]
pub struct Served {
    /// Certificate and key, and what may be negotiated.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, in DER.
    pub leaf: [u8; 32],
}

/// 32 bytes that nobody can guess.
///
/// # Errors
/// If the system has no randomness to give.
pub fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
