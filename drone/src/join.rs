//! What a Drone has of its join file: the secret that it proves to know, and by what it knows the Queen.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use wire::greeting::TLS_RECORD;
use wire::join::{JoinFile, MAX_FILE_BYTES};

/// How a Drone is let in by a Queen who has secrets.
#[derive(Clone)]
pub struct Join {
    /// What the secret is called.
    pub(crate) name: String,
    /// 32 random bytes.
    pub(crate) secret: [u8; 32],
    /// Knows one authority, and speaks TLS 1.3 alone. Each connection is a handshake of its own, so that the
    /// certificate that the proofs are bound to is shown on it.
    pub(crate) tls: Arc<ClientConfig>,
}

/// Without the secret, since what is logged may be read by others.
impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a join file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It does not exist or cannot be read.
    #[error("cannot read the join file {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others than its owner may read or change it.
    #[error("the join file {path} holds a secret, and others may read or change it: run `chmod 600 {path}`", path = .0.display())]
    Exposed(PathBuf),
    /// Its content is no join file.
    #[error("{}: {error}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: wire::join::JoinError,
    },
    /// Its certificate cannot be read.
    #[error("{}: what stands for the authority's certificate is none: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: rustls::Error,
    },
}

impl Join {
    /// Reads a join file. Only its owner may have access to it.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn open(path: &Path) -> Result<Self, JoinError> {
        let unreadable = |error| JoinError::Unreadable { path: path.to_owned(), error };
        let file = File::open(path).map_err(unreadable)?;
        if is_exposed(&file.metadata().map_err(unreadable)?) {
            return Err(JoinError::Exposed(path.to_owned()));
        }
        let mut text = String::new();
        // One byte more than there may be shows that it is too long.
        file.take(MAX_FILE_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        let file = text.parse().map_err(|error| JoinError::Malformed { path: path.to_owned(), error })?;
        Self::new(file).map_err(|error| JoinError::Certificate { path: path.to_owned(), error })
    }

    /// What a Drone needs of a join file.
    ///
    /// # Errors
    /// If its certificate cannot be read.
    pub fn new(JoinFile { name, secret, authority }: JoinFile) -> Result<Self, rustls::Error> {
        let authority = CertificateDer::from_pem_slice(authority.as_bytes())
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
        let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
        tls.resumption = Resumption::disabled();
        tls.enable_early_data = false;
        tls.max_fragment_size = Some(TLS_RECORD);
        Ok(Self { name, secret, tls: Arc::new(tls) })
    }
}

/// Whether others than the owner may read or write a file.
#[cfg(unix)]
fn is_exposed(file: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o077 != 0
}

/// Whether others than the owner may read or write a file; not known here.
#[cfg(not(unix))]
fn is_exposed(_: &fs::Metadata) -> bool {
    false
}
