//! What the control plane has to know besides the Queen.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::limits::Limits;
use crate::places::Port;

/// What the control plane has to know besides the Queen.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where HTTP is served, as bound; what a `Host` header is checked against.
    pub address: SocketAddr,
    /// The longest request body in bytes.
    pub max_body: u64,
    /// What all requests' bodies may take of memory together, in bytes; a part of it is for small ones.
    pub room: usize,
    /// Names that are served besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Peers that are believed whom they ask for, and whether that one came over TLS.
    pub trusted_proxies: Vec<IpNet>,
    /// What is served beyond loopback is not protected, which the page warns of.
    pub insecure: bool,
    /// With what the port speaks TLS, at each moment; plain HTTP if `None`.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    /// The places of HTTP connections; more wait to be accepted.
    pub port: Arc<Port>,
    /// Those of Drones, of which it is only told how many are taken.
    pub drone_port: Arc<Port>,
    /// The most answers that are compressed at once; the others go as they are.
    pub compressing: usize,
    /// What open connections take of memory: [`CONNECTION`](crate::serve::CONNECTION) bytes each.
    pub memory: Arc<Budget>,
    /// What long answers may take of memory that are there as a whole, while their clients take them: half of it.
    pub readers: Arc<Budget>,
    /// What may be asked for with one token, or from one address without one.
    pub limits: Limits,
    /// Ends event streams, so that a graceful stop does not wait for them.
    pub shutdown: CancellationToken,
}

impl Config {
    /// Where people find what is served: a name or an address, and the port.
    pub fn shown_address(&self) -> String {
        shown_address(self.address, &self.hosts)
    }
}

/// Where people find what listens there: on all addresses, by the first of its names.
fn shown_address(address: SocketAddr, hosts: &[String]) -> String {
    let name = hosts.first().map_or("localhost", String::as_str);
    match address.ip().is_unspecified() {
        true if name.parse::<Ipv6Addr>().is_ok() => format!("[{name}]:{}", address.port()),
        true => format!("{name}:{}", address.port()),
        false => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_a_name_and_not_all_addresses() {
        let at = |address: &str, hosts: &[&str]| {
            shown_address(address.parse().unwrap(), &hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(at("127.0.0.1:8081", &["hive.example"]), "127.0.0.1:8081");
        assert_eq!(at("0.0.0.0:8081", &["hive.example", "192.0.2.7"]), "hive.example:8081");
        assert_eq!(at("[::]:8081", &["2001:db8::7"]), "[2001:db8::7]:8081");
        assert_eq!(at("0.0.0.0:8081", &[]), "localhost:8081");
    }
}
