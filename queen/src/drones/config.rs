//! What all connections on the Drones' port have in common.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::access::{JoinSecrets, TlsIdentity};

/// Who is let in, and how they know the Queen: with TLS and a secret alone.
#[derive(Clone)]
pub struct Protection {
    /// What proves that the Queen is the Queen, at present; connections keep what they began with.
    pub tls: watch::Receiver<Arc<TlsIdentity>>,
    /// What Drones prove to know. When one is revoked, the connections that came with it end.
    pub secrets: watch::Receiver<Arc<JoinSecrets>>,
}

/// Without the secrets, since what is logged may be read by others.
impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").finish_non_exhaustive()
    }
}

/// What all connections on this port have in common.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where somebody is sent who came here for the page.
    pub http: SocketAddr,
    /// Whether HTTP is served with TLS there.
    pub http_has_tls: bool,
    /// Anybody is let in, without TLS, if `None`.
    pub protection: Option<Protection>,
}
