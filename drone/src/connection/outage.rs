//! Why a Drone has no connection to its Queen, and whether it helps to try again.

use std::io;
use std::time::Duration;

use wire::codec::ConnectionError;
use wire::preface::VERSION;

use crate::session::Violation;

/// Why there is no connection to the Queen, or not any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Outage {
    #[error("{0}")]
    Unreachable(io::Error),
    #[error("this is not a Queen's port for Drones: {0}")]
    Foreign(String),
    #[error(
        "the Queen speaks version {0} of the protocol, this Drone speaks version {VERSION}; use the same release of both"
    )]
    Version(u16),
    #[error("the Queen refuses this Drone: {0}")]
    Refused(String),
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the Queen closed it")]
    Closed,
    #[error("she said goodbye: {0}")]
    Goodbye(String),
    #[error("the Queen has not said a word for {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("the Queen broke the protocol: {0}")]
    Violation(#[from] Violation),
    #[error("the operating system has no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl Outage {
    /// Whether trying again soon is pointless: somebody has to change something first.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Foreign(_) | Self::Version(_) | Self::Refused(_) | Self::Untrusted(_) | Self::Violation(_) => true,
            Self::Unreachable(_) | Self::Broken(_) | Self::Closed | Self::Goodbye(_) | Self::Silent(_) => false,
            Self::Randomness(_) => false,
        }
    }
}

impl From<ConnectionError> for Outage {
    fn from(error: ConnectionError) -> Self {
        match error {
            // With TLS, that is what the end of a Queen looks like who had no time for a farewell.
            ConnectionError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            error => Self::Broken(error.to_string()),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_version_names_both() {
        let text = Outage::Version(VERSION + 1).to_string();
        assert!(text.contains(&format!("version {VERSION}")) && text.contains(&format!("version {}", VERSION + 1)));
    }
}
