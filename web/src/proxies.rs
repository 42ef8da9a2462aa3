//! Proxies that are trusted: whom they speak for, and whether that one came over TLS.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Where a request began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// As far as that is known.
    pub(crate) address: Option<IpAddr>,
    /// Over TLS.
    pub(crate) is_secure: bool,
}

/// Whether what this address says of others is believed.
pub(crate) fn is_trusted(proxies: &[IpNet], address: IpAddr) -> bool {
    !proxies.is_empty() && proxies.iter().any(|net| net.contains(&address.to_canonical()))
}

/// Where a request began that comes from `peer`, over TLS or not.
pub(crate) fn start(proxies: &[IpNet], peer: Option<IpAddr>, is_tls: bool, headers: &HeaderMap) -> Start {
    let Some(peer) = peer.filter(|peer| is_trusted(proxies, *peer)) else {
        return Start { address: peer, is_secure: is_tls };
    };
    let address = Some(forwarded_for(proxies, headers).unwrap_or(peer));
    Start { address, is_secure: forwarded_proto(headers).map_or(is_tls, |proto| proto.eq_ignore_ascii_case("https")) }
}

/// The last hop that is not trusted; each proxy adds the one it was asked by, so that what stands before is hearsay.
/// The first hop if all are trusted, and `None` if there is none, or one that cannot be read.
fn forwarded_for(proxies: &[IpNet], headers: &HeaderMap) -> Option<IpAddr> {
    let mut first = None;
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    for value in values {
        for hop in value.to_str().ok()?.rsplit(',') {
            let address = address(hop.trim())?;
            if !is_trusted(proxies, address) {
                return Some(address);
            }
            first = Some(address);
        }
    }
    first
}

/// Some proxies write the port as well.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))
}

/// What the nearest proxy was spoken to by.
fn forwarded_proto(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get_all(FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    Some(value.rsplit(',').next()?.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn started(peer: &str, is_tls: bool, headers: &[(&'static str, &str)]) -> (String, bool) {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/64".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let Start { address, is_secure } = start(&proxies, peer.parse().ok(), is_tls, &map);
        (address.map_or_else(String::new, |address| address.to_string()), is_secure)
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        let said = [(FORWARDED_FOR, "192.0.2.1"), (FORWARDED_PROTO, "https")];
        assert_eq!(started("10.1.2.3", false, &said), ("192.0.2.1".to_owned(), true));
        assert_eq!(started("::ffff:10.1.2.3", false, &said), ("192.0.2.1".to_owned(), true));
        assert_eq!(started("2001:db8::7", false, &said), ("192.0.2.1".to_owned(), true));
        for stranger in ["11.0.0.1", "2001:db8:0:1::7", "127.0.0.1"] {
            assert_eq!(started(stranger, false, &said), (stranger.to_owned(), false));
            assert_eq!(started(stranger, true, &[(FORWARDED_PROTO, "http")]), (stranger.to_owned(), true));
        }
        assert_eq!(started("", false, &said), (String::new(), false), "what comes over no network");
    }

    #[test]
    fn the_last_hop_that_is_not_trusted_is_who_asks() {
        let asker = |values: &[&str]| {
            let headers = values.iter().map(|value| (FORWARDED_FOR, *value)).collect::<Vec<_>>();
            started("10.0.0.1", false, &headers).0
        };
        assert_eq!(asker(&["198.51.100.1, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(asker(&["198.51.100.1,192.0.2.1 , 10.0.0.9"]), "192.0.2.1");
        assert_eq!(asker(&["198.51.100.1", "192.0.2.1", "10.0.0.9,10.0.0.8"]), "192.0.2.1");
        assert_eq!(asker(&["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(asker(&["[2001:db9::1]:4711"]), "2001:db9::1");
        assert_eq!(asker(&["2001:db9::1"]), "2001:db9::1");
        assert_eq!(asker(&["10.0.0.9, 10.0.0.8"]), "10.0.0.9", "all are trusted");
        for nobody in [&[][..], &[""], &["unknown"], &["192.0.2.1, unknown"], &["192.0.2.1,"]] {
            assert_eq!(asker(nobody), "10.0.0.1", "{nobody:?}");
        }
    }

    #[test]
    fn the_nearest_proxy_says_what_it_was_spoken_to_by() {
        let is_secure = |is_tls, values: &[&str]| {
            let headers = values.iter().map(|value| (FORWARDED_PROTO, *value)).collect::<Vec<_>>();
            started("10.0.0.1", is_tls, &headers).1
        };
        assert!(
            is_secure(false, &["https"]) && is_secure(false, &["http, HTTPS"]) && is_secure(false, &["http", "https"])
        );
        assert!(!is_secure(false, &["https, http"]) && !is_secure(true, &["http"]) && !is_secure(false, &["wss"]));
        assert!(is_secure(true, &[]) && !is_secure(false, &[]));
    }
}
