//! Why a Drone's connection ends other than by its own wish.

use std::io::{self, ErrorKind};

use wire::codec::ConnectionError;
use wire::frame::FrameError;

use super::timeouts::HANDSHAKE_TIMEOUT;
use crate::hive::Breach;

/// Why a Drone's connection ended other than by its own wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum Disconnect {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Breach(#[from] Breach),
    #[error("the handshake and the first message may take {} seconds each", HANDSHAKE_TIMEOUT.as_secs())]
    Slow,
    #[error("the first message after the handshake has to be an offer, and no other one may be")]
    NoOffer,
    #[error("{0}")]
    Refused(String),
    #[error("every place for drones is taken, and it has no work: its place went to another connection")]
    Displaced,
    #[error("TLS did not come about: {0}")]
    Tls(io::Error),
    #[error("the system has no randomness to give: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl Disconnect {
    /// Whether somebody was not let in, or does not believe that this is its Queen. Who only vanishes in the middle
    /// of TLS is no such one.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Tls(error) => error.kind() == ErrorKind::InvalidData,
            _ => false,
        }
    }

    /// What the peer is told, if it was its fault.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Connection(ConnectionError::Io(_)) | Self::Tls(_) | Self::Randomness(_) => None,
            _ => Some(self.to_string()),
        }
    }
}

impl From<io::Error> for Disconnect {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.into())
    }
}

impl From<FrameError> for Disconnect {
    fn from(error: FrameError) -> Self {
        Self::Connection(error.into())
    }
}
