//! Where the Queen serves HTTP.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

/// Where she is when nothing else is said.
pub const DEFAULT: &str = "http://127.0.0.1:8081";

/// `http://HOST:PORT` or `https://HOST:PORT`, with a path before all of hers if a proxy wants one; without a slash at
/// its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Url {
    text: String,
    is_tls: bool,
    is_loopback: bool,
}

impl Url {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it begins with `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether it is this machine's, by what is said of it.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no address: it has to be one such as {DEFAULT} or https://hive.example.org:8081");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
        if !matches!(scheme, "http" | "https") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        let host = authority.host().trim_matches(['[', ']']);
        let is_loopback =
            host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        Ok(Self { text: text.trim_end_matches('/').to_owned(), is_tls: scheme == "https", is_loopback })
    }
}

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.text
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_and_where() {
        let url = |text: &str| text.parse::<Url>();
        for here in [DEFAULT, "http://localhost:1", "http://[::1]:8081", "https://127.9.9.9/"] {
            assert!(url(here).unwrap().is_loopback(), "{here}");
        }
        for there in ["http://hive.example.org:8081", "https://10.0.0.1", "http://localhost.example.org"] {
            assert!(!url(there).unwrap().is_loopback(), "{there}");
        }
        assert_eq!(url("https://hive.example.org/hive/").unwrap().as_str(), "https://hive.example.org/hive");
        assert!(url("https://a").unwrap().is_tls() && !url("http://a").unwrap().is_tls());
        for wrong in ["", "localhost:8081", "hive.example.org", "ftp://a", "http://u:p@a", "http://a/?x=1", "http://"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
