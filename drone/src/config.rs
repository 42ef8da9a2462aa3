//! What a Drone has to know, checked once.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use tokio_util::sync::CancellationToken;
use wire::handshake::MAX_NAME;
use wire::ids::SeatSecret;

use crate::join::Join;
use crate::kernel::Choice;

/// What [`Config::nice`] is if nobody says anything.
pub const NICE: u8 = 10;

/// What a Drone has to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the Queen listens for Drones.
    pub queen: QueenAddr,
    /// Compute threads.
    pub threads: NonZeroUsize,
    /// For people; see [`check_name`].
    pub name: String,
    /// The secret that names this process, or this one of several Drones in a process, to the Queen.
    pub seat: SeatSecret,
    /// How the Drone is let in, and knows the Queen. Without it there is no TLS, and nobody proves anything.
    pub join: Option<Join>,
    /// Which kernels compute.
    pub kernel: Choice,
    /// How far compute threads stand back for all else on the machine: 0 not at all, 19 most (Linux's nice value).
    pub nice: u8,
    /// Whether the console shows words and digests.
    pub show_words: bool,
}

/// How a Drone is asked to stop. Clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Finish what is running, hand back what is only queued, take nothing new, leave.
    pub drain: CancellationToken,
    /// Hand everything back at once and leave.
    pub now: CancellationToken,
}

impl Shutdown {
    /// Resolves when it is asked for in either way.
    pub(crate) async fn requested(&self) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = self.now.cancelled() => {}
        }
    }
}

/// `HOST:PORT`, where the host is a name or an IP address; it is resolved at each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueenAddr(String);

/// Why a text is not a [`QueenAddr`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueenAddrError {
    /// There is no port.
    #[error("expected HOST:PORT, for example 127.0.0.1:8080")]
    NoPort,
    /// The port is not one to connect to.
    #[error("the port is {0:?}, but must be a number from 1 to 65535")]
    Port(String),
    /// The host is not a name or address.
    #[error(
        "the host is {0:?}, but must be a name or an IP address (IPv6 in brackets, as in [::1]:8080) without a scheme"
    )]
    Host(String),
}

impl QueenAddr {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this machine's, by what is said of it.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }
}

impl FromStr for QueenAddr {
    type Err = QueenAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(QueenAddrError::NoPort)?;
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|char| char.is_alphanumeric() || "-._".contains(char)),
        };
        if !is_host {
            return Err(QueenAddrError::Host(host.to_owned()));
        }
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
        match is_port {
            true => Ok(Self(text.to_owned())),
            false => Err(QueenAddrError::Port(port.to_owned())),
        }
    }
}

impl From<std::net::SocketAddr> for QueenAddr {
    fn from(address: std::net::SocketAddr) -> Self {
        Self(address.to_string())
    }
}

impl fmt::Display for QueenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that is too long or too wild for a Drone's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {MAX_NAME} bytes and no control characters")]
pub struct NameError;

/// Checks a Drone's name: 1 to [`MAX_NAME`] bytes without control characters.
///
/// # Errors
/// If it is anything else.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let is_name = (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    is_name.then_some(()).ok_or(NameError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_when_they_are_parsed() {
        for good in ["127.0.0.1:8080", "localhost:1", "hive-1.example.org:65535", "[::1]:8080", "[fe80::1]:9"] {
            assert_eq!(good.parse::<QueenAddr>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "8080",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:+80",
            ":8080",
            "::1:8080",
            "[::1:8080",
            "[x]:8080",
            "http://localhost:8080",
            "a b:8080",
            "user@host:80",
        ] {
            assert!(bad.parse::<QueenAddr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_on_this_machine_can_be_told() {
        let is_loopback = |text: &str| text.parse::<QueenAddr>().unwrap().is_loopback();
        assert!(["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1"].into_iter().all(is_loopback));
        assert!(
            !["10.0.0.1:1", "[fe80::1]:1", "hive.example.org:1", "localhost.example:1"].into_iter().any(is_loopback)
        );
    }

    #[test]
    fn names_are_short_and_printable() {
        assert_eq!(check_name("Maja 🐝"), Ok(()));
        assert_eq!(check_name(&"x".repeat(MAX_NAME)), Ok(()));
        for bad in ["", &"x".repeat(MAX_NAME + 1), "a\nb"] {
            assert_eq!(check_name(bad), Err(NameError));
        }
    }
}
