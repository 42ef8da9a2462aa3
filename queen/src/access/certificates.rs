//! The certificates that the ports serve, from the start to the end: signed by the authority when she starts, renewed
//! before they end; or those that the operator gives for HTTP, which are read again when he says so.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drone::story;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{Notify, watch};
use web::model::Timestamp;

use super::authority::{Authority, CertificateError, Issued};
use super::tls::{self, TlsIdentity};
use crate::clock::Clock;

/// How long before its end a certificate is renewed.
const RENEWAL_LEAD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Between two looks at when a certificate ends: short, since the clock may have been set right just after the start.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// The longest file of certificates or of a key, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Rights of group and others to read and to write.
const OTHERS_READ_WRITE: u32 = 0o066;

/// Where a certificate is that the operator gives for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM, readable by nobody else.
    pub key: PathBuf,
}

/// Why there is no certificate for a port.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authority cannot sign.
    #[error(transparent)]
    Authority(#[from] CertificateError),
    /// A key is not its certificate's.
    #[error("what the authority signed cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what to do.
        what: String,
    },
}

/// The certificates of both ports.
pub struct Certificates {
    authority: Option<Authority>,
    names: Vec<String>,
    files: Option<CertificateFiles>,
    /// When what the authority signed ends.
    expires_at: Option<Timestamp>,
    drones: Option<watch::Sender<Arc<TlsIdentity>>>,
    http: Option<watch::Sender<Arc<ServerConfig>>>,
}

impl Certificates {
    /// Those that are there now: none without authority and files. `names`: all of the Queen's, and her addresses.
    ///
    /// # Errors
    /// If one cannot be made, or a file cannot be used.
    pub fn begin(
        authority: Option<Authority>,
        names: Vec<String>,
        files: Option<CertificateFiles>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut all = Self { authority, names, files, expires_at: None, drones: None, http: None };
        all.renew(now)?;
        if let Some(files) = &all.files {
            publish(&mut all.http, Arc::new(files.config()?));
        }
        Ok(all)
    }

    /// What the Drones' port serves.
    pub fn drones(&self) -> Option<watch::Receiver<Arc<TlsIdentity>>> {
        self.drones.as_ref().map(watch::Sender::subscribe)
    }

    /// What HTTP serves.
    pub fn http(&self) -> Option<watch::Receiver<Arc<ServerConfig>>> {
        self.http.as_ref().map(watch::Sender::subscribe)
    }

    /// Renews what is about to end, and reads the files again whenever `reload` says so, until the future is
    /// dropped.
    pub async fn maintain(mut self, clock: Arc<dyn Clock>, reload: Arc<Notify>) {
        loop {
            tokio::select! {
                () = clock.reach(clock.elapsed() + CHECK_INTERVAL) => {}
                () = reload.notified() => self.read_again().await,
            }
            match self.renew(clock.wall()) {
                Ok(true) => story!("📜", "The Queen's certificate is a new one, for another year"),
                Ok(false) => {}
                Err(error) => tracing::error!("the Queen's certificate is not renewed: {error}"),
            }
        }
    }

    /// Has the authority sign a certificate, if there is none or it ends soon; says whether it did.
    fn renew(&mut self, now: Timestamp) -> Result<bool, Error> {
        let Some(authority) = &self.authority else { return Ok(false) };
        let soon = now.0.saturating_add(RENEWAL_LEAD.as_millis() as i64);
        if self.expires_at.is_some_and(|end| soon < end.0) {
            return Ok(false);
        }
        let Issued { certificate, key, expires_at } = authority.issue(&self.names, now)?;
        publish(&mut self.drones, Arc::new(TlsIdentity::new(vec![certificate.clone()], key.clone_key())?));
        if self.files.is_none() {
            publish(&mut self.http, Arc::new(tls::http_config(vec![certificate], key)?));
        }
        self.expires_at = Some(expires_at);
        Ok(true)
    }

    /// Reads the operator's files again; what cannot be used changes nothing.
    async fn read_again(&mut self) {
        let Some(files) = self.files.clone() else {
            tracing::info!("SIGHUP: there are no certificates to read again");
            return;
        };
        match tokio::task::spawn_blocking(move || files.config()).await {
            Ok(Ok(config)) => {
                publish(&mut self.http, Arc::new(config));
                story!("📜", "SIGHUP: certificate and key for HTTP were read again");
            }
            Ok(Err(error)) => tracing::warn!("SIGHUP: the certificate for HTTP stays the one before: {error}"),
            Err(error) => tracing::warn!("SIGHUP: the certificate for HTTP stays the one before: {error}"),
        }
    }
}

/// What is served from now on; connections that are there keep what they have.
fn publish<T>(port: &mut Option<watch::Sender<T>>, config: T) {
    match port {
        Some(port) => drop(port.send_replace(config)),
        None => *port = Some(watch::Sender::new(config)),
    }
}

impl CertificateFiles {
    fn config(&self) -> Result<ServerConfig, Error> {
        let Self { certificate, key } = self;
        let wrong = |path: &Path, what: String| Error::File { path: path.to_owned(), what };
        let chain = read(certificate, false)?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| wrong(certificate, format!("it is no PEM: {error}")))?;
        if chain.is_empty() {
            return Err(wrong(certificate, "there is no certificate in it".into()));
        }
        let bytes = read(key, true)?;
        let private = PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|error| wrong(key, format!("there is no private key in PEM in it: {error}")))?;
        tls::http_config(chain, private)
            .map_err(|error| wrong(key, format!("it cannot be used with {}: {error}", certificate.display())))
    }
}

fn read(path: &Path, is_secret: bool) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::Io { path: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    if is_secret && mode & OTHERS_READ_WRITE != 0 {
        let (mode, shown) = (mode & 0o777, path.display());
        let what = format!("others may read it (mode {mode:04o}), so it is not used: `chmod 600 {shown}`");
        return Err(Error::File { path: path.to_owned(), what });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
