//! Where the next part of a list begins, as its reader is given it and gives it back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wire::ids::TaskId;

use crate::error::Problem;
use crate::hive::{Order, Position};
use crate::request::query::Query;

/// What goes on before this number.
pub(crate) fn of(before: u64) -> String {
    write(&format!("before:{before}"))
}

/// Takes the number that a list is to go on before.
pub(crate) fn take(query: &mut Query) -> Result<Option<u64>, Problem> {
    let Some(cursor) = query.text("cursor")? else { return Ok(None) };
    let text = read(&cursor)?;
    text.strip_prefix("before:").and_then(|before| before.parse().ok()).map(Some).ok_or_else(unknown)
}

/// What goes on behind this place of a list of tasks.
pub(crate) fn of_place(order: Order, place: Position) -> String {
    write(&format!("{order}:{}:{}", place.key, place.id))
}

/// Takes the place that a list of tasks in this order is to go on behind.
pub(crate) fn take_place(query: &mut Query, order: Order) -> Result<Option<Position>, Problem> {
    let Some(cursor) = query.text("cursor")? else { return Ok(None) };
    let text = read(&cursor)?;
    let mut parts = text.split(':');
    let (Some(given), Some(key), Some(id), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(unknown());
    };
    let given: Order = given.parse().map_err(|_| unknown())?;
    if given != order {
        let detail = format!("this `cursor` is of a list that is sorted by {given}; give the same `sort` with it");
        return Err(Problem::invalid(detail).with("path", "cursor"));
    }
    let place = key.parse().ok().zip(id.parse().ok());
    place.map(|(key, id)| Some(Position { key, id: TaskId(id) })).ok_or_else(unknown)
}

fn write(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn read(cursor: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::invalid("this `cursor` was not given out here; take it from `next_cursor`").with("path", "cursor")
}
