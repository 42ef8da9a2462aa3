//! Where the next part of a list begins, as its reader is given it and gives it back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Problem;
use crate::request::query::Query;

/// What goes on before this number.
pub(crate) fn of(before: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("before:{before}"))
}

/// Takes the number that a list is to go on before.
pub(crate) fn take(query: &mut Query) -> Result<Option<u64>, Problem> {
    query.text("cursor")?.as_deref().map(read).transpose()
}

fn read(cursor: &str) -> Result<u64, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let before = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()?.strip_prefix("before:"));
    before.and_then(|before| before.parse().ok()).ok_or_else(|| {
        Problem::invalid("this `cursor` was not given out here; take it from `next_cursor`").with("path", "cursor")
    })
}
