//! What options are called.

/// Options of digests, and of tasks of any kind, that JSON, queries and forms have under the same names.
const OF_TASKS: [&str; 14] = [
    "kind",
    "algorithm",
    "key",
    "key_hex",
    "salt",
    "salt_hex",
    "iterations",
    "encoding",
    "name",
    "priority",
    "deadline_seconds",
    "each",
    "verify",
    "dry_run",
];

/// Options of searches alone, the same everywhere too.
const OF_SEARCHES: [&str; 10] = [
    "prefix",
    "suffix",
    "targets",
    "leading_zero_bits",
    "digest_prefix",
    "digest_at_most",
    "digest_at_least",
    "digest_order",
    "stop",
    "max_findings",
];

/// Options of queries and forms, and where JSON has the same.
pub const FLAT: [(&str, &str); 19] = [
    ("mask", "space.mask"),
    ("charset1", "space.charsets[0]"),
    ("charset2", "space.charsets[1]"),
    ("charset3", "space.charsets[2]"),
    ("charset4", "space.charsets[3]"),
    ("charset5", "space.charsets[4]"),
    ("charset6", "space.charsets[5]"),
    ("charset7", "space.charsets[6]"),
    ("charset8", "space.charsets[7]"),
    ("min_length", "space.min_length"),
    ("masks", "space.masks"),
    ("counter_from", "space.counter.from"),
    ("counter_to", "space.counter.to"),
    ("counter_format", "space.counter.format"),
    ("prefix_hex", "prefix.hex"),
    ("prefix_base64", "prefix.base64"),
    ("suffix_hex", "suffix.hex"),
    ("suffix_base64", "suffix.base64"),
    ("digest_prefix_bits", "digest_prefix.bits"),
];

/// What options of a search belong to, for people.
pub(super) const SEARCH: &str = "a search";

/// Whether an option is one of searches alone.
pub(super) fn is_of_search(name: &str) -> bool {
    OF_SEARCHES.contains(&name) || FLAT.iter().any(|(flat, _)| *flat == name)
}

/// The member of JSON that says what several of [`FLAT`] say.
pub(crate) const SPACE: &str = "space";

/// Custom charsets, by their numbers.
pub(crate) const CHARSETS: [&str; 8] =
    ["charset1", "charset2", "charset3", "charset4", "charset5", "charset6", "charset7", "charset8"];

/// Options that may be long: lists, one thing a line.
pub(crate) const LISTS: [&str; 2] = ["targets", "masks"];

/// Options that JSON, queries and forms have under the same names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OF_TASKS.into_iter().chain(OF_SEARCHES)
}

/// Every option of queries and forms.
pub fn flat() -> impl Iterator<Item = &'static str> {
    names().chain(FLAT.map(|(name, _)| name))
}

/// The same as a text.
pub(crate) fn flat_text() -> String {
    flat().collect::<Vec<_>>().join(", ")
}
