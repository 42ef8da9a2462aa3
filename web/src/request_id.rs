//! A name for each request, by which its answer, the log and the audit trail can be brought together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Where a request says how it is called, and its answer does.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken over from a request, in bytes.
const LENGTH_MAX: usize = 64;

/// How one request is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

/// Gives names to requests that have none: the same for no two of this process, nor of another one.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// What tells this process from others.
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Of this process.
    pub(crate) fn new() -> Self {
        // Without randomness names are still unique in this process, which is what they are looked up in.
        Self { process: getrandom::u64().unwrap_or_default(), next: AtomicU64::new(0) }
    }

    fn new_one(&self) -> RequestId {
        let number = self.next.fetch_add(1, Relaxed);
        let id = ((u128::from(self.process) << 64) | u128::from(number)).to_be_bytes();
        RequestId(const_hex::Buffer::<16>::new().format(&id).into())
    }

    /// The name that a request has already, perhaps of a proxy, if it is one; else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        let mut given = headers.get_all(REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(name), None) if is_name(name.as_bytes()) => {
                RequestId(String::from_utf8_lossy(name.as_bytes()).into())
            }
            _ => self.new_one(),
        }
    }
}

/// Whether this can stand in headers, logs and pages as it is.
fn is_name(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:+/=@".contains(byte);
    (1..=LENGTH_MAX).contains(&name.len()) && name.iter().all(is_plain)
}

impl RequestId {
    /// As a header's value.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }

    /// As it stands in the audit trail.
    pub(crate) fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_taken_over_and_no_other() {
        let ids = RequestIds::new();
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            }
            ids.of(&headers).to_string()
        };
        assert_eq!(of(&[b"8e03978e-40d5-43dd"]), "8e03978e-40d5-43dd");
        let long = [b'a'; LENGTH_MAX + 1];
        let wrong: [&[&[u8]]; 6] = [&[], &[b""], &[b"a b"], &[b"\xff"], &[&long], &[b"one", b"two"]];
        let mut made: Vec<_> = wrong.into_iter().map(of).collect();
        assert!(made.iter().all(|id| id.len() == 32 && is_name(id.as_bytes())), "{made:?}");
        made.sort();
        made.dedup();
        assert_eq!(made.len(), wrong.len());
    }
}
