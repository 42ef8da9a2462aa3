//! Values of flags, as people write them.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

pub use drone::cli::Span;
use ipnet::IpNet;

/// `HOST:PORT`, not yet looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(pub(super) String);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':').filter(|(host, _)| !host.is_empty()) {
            Some((_, port)) if port.parse::<u16>().is_ok() => Ok(Self(text.into())),
            Some((_, port)) if port.parse::<u128>().is_ok() => Err("a port is at most 65535".into()),
            _ => Err("it has to be HOST:PORT, such as 127.0.0.1:8080".into()),
        }
    }
}

/// A number of bytes, one at least, written as `1GiB`, `64MiB`, `500MB` or plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            _ => return Err("it has to be a number of bytes such as 1GiB, 64MiB or 500MB".into()),
        };
        let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        match size {
            Some(0) => Err("it has to be one byte at least".into()),
            Some(size) => Ok(Self(size)),
            None => Err("it has to be a number of bytes such as 1GiB, 64MiB or 500MB".into()),
        }
    }
}

/// A name or an address of a machine, in lower case, as in a `Host` header but without a port.
pub fn host(text: &str) -> Result<String, String> {
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let is_label = |label: &str| {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_right)
    };
    match text.len() <= 253 && text.split('.').all(is_label) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("it has to be a name or an address without a port, such as hive.example.org".into()),
    }
}

/// One of several with commas between them. An empty one is none, since a variable may be set and empty.
pub fn listed<T>(
    parse: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Option<T>, String> + Clone + Send + Sync + 'static
where
    T: 'static,
{
    move |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// An address, or a network of them.
pub fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network = address
        .or_else(|_| text.parse())
        .map_err(|_| "it has to be an address or a network, such as 10.0.0.7 or 10.0.0.0/24");
    Ok(network?.trunc())
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A silence after which a Drone is given up: longer than the second that is between heartbeats.
pub fn silence(text: &str) -> Result<Span, String> {
    let span = at_most(text, DAY, "1d")?;
    match span.0 >= Duration::from_secs(2) {
        true => Ok(span),
        false => Err("drones say something once a second, so it has to be 2s at least".into()),
    }
}

/// How long what a Drone computes is kept for it.
pub fn grace(text: &str) -> Result<Span, String> {
    at_most(text, DAY * 30, "30d")
}

/// How long finished tasks are kept: for ever is a hundred years.
pub fn keeping(text: &str) -> Result<Span, String> {
    at_most(text, DAY * 36_500, "36500d")
}

/// A time that can be added to any other one.
fn at_most(text: &str, limit: Duration, shown: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    match span.0 <= limit {
        true => Ok(span),
        false => Err(format!("it has to be {shown} at most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(size("17"), Ok(17));
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("2 GB"), Ok(2_000_000_000));
        assert!(size("lots").is_err() && size("").is_err() && size("99999999999GiB").is_err());
        assert!(size("0").is_err() && size("0GiB").is_err());
    }

    #[test]
    fn times_have_limits() {
        assert!(silence("2s").is_ok() && silence("1s").is_err());
        assert!(silence("1d").is_ok() && silence("25h").unwrap_err().contains("1d"));
        assert!(grace("0s").is_ok() && grace("30d").is_ok() && grace("31d").unwrap_err().contains("30d"));
        let most = format!("{}s", u64::MAX);
        assert!(keeping("36500d").is_ok() && keeping(&most).unwrap_err().contains("36500d"));
        assert!(silence(&most).is_err() && grace(&most).is_err());
    }

    #[test]
    fn a_host_has_no_port_and_a_network_may_be_one_address() {
        assert_eq!(host("Hive.Example.org"), Ok("hive.example.org".into()));
        assert_eq!((host("[::1]"), host("10.0.0.1")), (Ok("::1".into()), Ok("10.0.0.1".into())));
        for wrong in ["", "hive.example.org:80", "*.example.org", "https://hive", "a..b", "hive example"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
        let shown = |text| network(text).map(|network| network.to_string());
        assert_eq!((shown("10.0.0.7"), shown("10.0.0.7/24")), (Ok("10.0.0.7/32".into()), Ok("10.0.0.0/24".into())));
        assert!(network("proxy").is_err() && network("10.0.0.0/33").is_err());
    }

    #[test]
    fn an_empty_variable_lists_nothing() {
        let listed = listed(host);
        assert_eq!((listed(""), listed("a.test")), (Ok(None), Ok(Some("a.test".into()))));
        assert!(listed(" ").is_err());
    }

    #[test]
    fn an_address_has_a_port() {
        assert!("localhost:0".parse::<Address>().is_ok() && "[::1]:80".parse::<Address>().is_ok());
        for wrong in ["localhost", ":80", "localhost:", "localhost:99999", ""] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
