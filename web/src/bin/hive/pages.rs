//! Lists of the API, which come in pages.

use serde::de::DeserializeOwned;
use web::model::PAGE_MAX;

use crate::connection::{Answer, Connection, Request, query};
use crate::failure::Failure;
use crate::notes::Notes;

/// What came of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// Things in it.
    pub count: u64,
    /// Whether the Queen has more.
    has_more: bool,
}

impl Came {
    /// Tells people what they do not see: that there is more, or, in these words, that there is nothing.
    pub fn tell(self, notes: &Notes, nothing: &str) {
        match self {
            Self { count: 0, .. } => notes.note(nothing),
            Self { has_more: true, .. } => notes.note("there are more: --all, or --limit N"),
            Self { .. } => {}
        }
    }
}

/// Asks for `most` things of a list, page by page; `take` says how many a page has, and what the next one's cursor is.
///
/// # Errors
/// If a page cannot be had, or not be taken.
pub fn of<T: DeserializeOwned>(
    connection: &Connection,
    path: &str,
    filters: &[(&str, Option<String>)],
    most: u64,
    mut take: impl FnMut(&Answer, T) -> Result<(usize, Option<String>), Failure>,
) -> Result<Came, Failure> {
    let (mut count, mut cursor) = (0, None);
    while count < most {
        let limit = (most - count).min(PAGE_MAX).to_string();
        let page = [("limit", Some(limit)), ("cursor", cursor)];
        let answer = connection.ask(&Request::get(format!("{path}{}", query(page.iter().chain(filters)))))?;
        let (came, next) = take(&answer, answer.read()?)?;
        count += came as u64;
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(Came { count, has_more: cursor.is_some() })
}
