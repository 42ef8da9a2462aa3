//! Addresses of pages that list a part of something.

use percent_encoding::utf8_percent_encode;

use crate::request::form::VALUE;

/// The address of a page with those of its parameters that have a value.
pub(super) fn address_with<const N: usize>(path: &str, values: [(&str, Option<String>); N]) -> String {
    let given = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let query: Vec<_> = given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, VALUE))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}
