//! Listening where the command line says.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::values::Address;

/// Where Drones connect when nothing else is said.
pub const DRONE_ADDR: &str = "127.0.0.1:8080";

/// Where HTTP is served when nothing else is said.
pub const HTTP_ADDR: &str = "127.0.0.1:8081";

/// How many connections may wait to be accepted, where the system allows it (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// One of the two ports.
pub(super) struct Port {
    flag: &'static str,
    variable: &'static str,
    /// Where it is when nothing else is said.
    usual: &'static str,
}

/// The port for Drones.
pub(super) const DRONES: Port = Port { flag: "--drone-addr", variable: "HIVE_DRONE_ADDR", usual: DRONE_ADDR };

/// The port for HTTP.
pub(super) const HTTP: Port = Port { flag: "--http-addr", variable: "HIVE_HTTP_ADDR", usual: HTTP_ADDR };

/// Listens at `asked`, or else where this port usually is. `fall_back`: on a free port if the usual one is taken.
/// `other`: where this Queen listens already.
///
/// # Errors
/// If the address cannot be had.
pub(super) async fn bind(
    port: &Port,
    asked: Option<&Address>,
    fall_back: bool,
    other: Option<SocketAddr>,
) -> anyhow::Result<TcpListener> {
    let Port { flag, variable, usual } = port;
    let address = asked.map_or(*usual, |address| &address.0);
    let found: Vec<SocketAddr> = lookup_host(address)
        .await
        .with_context(|| format!("{flag} ({variable}) {address}: there is no such host"))?
        .collect();
    match listen_at(&found) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && asked.is_none() && fall_back => {
            let ip = found.first().map_or([127, 0, 0, 1].into(), SocketAddr::ip);
            listen_on((ip, 0).into()).with_context(|| format!("cannot listen on {ip}"))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match other {
            Some(other) if found.iter().any(|found| found.port() == other.port()) => bail!(
                "cannot listen on {address}: {} and {} are the same port; give one of them another",
                DRONES.flag,
                HTTP.flag
            ),
            _ => bail!(
                "cannot listen on {address}: it is in use, perhaps by another Queen; choose another with {flag} \
                 ({variable})"
            ),
        },
        bound => bound.with_context(|| format!("cannot listen on {address}, which {flag} ({variable}) says")),
    }
}

/// Listens at the first of these addresses that can be had.
fn listen_at(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut listened = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        listened = listen_on(*address);
        if listened.is_ok() {
            break;
        }
    }
    listened
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A Queen who starts again need not wait until the connections of the one before are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
