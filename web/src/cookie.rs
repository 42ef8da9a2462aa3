//! Cookies that the page gives a browser (RFC 6265): for pages of this host alone, and never for a script.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// The most cookies of a request that are looked at: others on this host may have set many.
pub(crate) const COOKIES_MAX: usize = 64;

/// A cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookie {
    /// What it is called under TLS; with the prefix `__Host-` browsers take it over TLS alone, from this host alone.
    pub(crate) secure: &'static str,
    /// What it is called without TLS, where browsers take none with that prefix.
    pub(crate) plain: &'static str,
}

impl Cookie {
    /// What a request's cookie says, if it has one. `is_secure`: the browser came over TLS.
    pub(crate) fn read(self, headers: &HeaderMap, is_secure: bool) -> Option<&str> {
        let name = self.name(is_secure);
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = values.flat_map(|value| value.split(';')).take(COOKIES_MAX);
        cookies.find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
    }

    /// What gives a browser the cookie, for so long as it runs, or so many seconds.
    pub(crate) fn given(self, value: &str, seconds: Option<u32>, is_secure: bool) -> HeaderValue {
        let (name, secure) = (self.name(is_secure), if is_secure { "; Secure" } else { "" });
        let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
        let mut cookie = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        cookie.set_sensitive(true);
        cookie
    }

    /// What takes it away.
    pub(crate) fn taken(self, is_secure: bool) -> HeaderValue {
        self.given("", Some(0), is_secure)
    }

    fn name(self, is_secure: bool) -> &'static str {
        if is_secure { self.secure } else { self.plain }
    }
}
