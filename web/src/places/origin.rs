//! Where connections come from, as they are counted.

use std::net::{IpAddr, Ipv6Addr};

/// Where connections come from, as they are counted: an IPv4 address, or the /64 of an IPv6 one, since one host can
/// have all addresses of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        const NETWORK: u128 = !(u64::MAX as u128);
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & NETWORK).into(),
        })
    }
}
