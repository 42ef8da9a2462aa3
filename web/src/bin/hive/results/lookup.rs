//! `hive results --input` and `--digest`: which results have it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use wire::ids::TaskId;

use crate::arguments::{Format, Output, Results};
use crate::connection::{Connection, Request};
use crate::failure::Failure;
use crate::show;

/// What is looked for.
pub struct Sought<'a> {
    /// As the API calls it.
    name: &'static str,
    value: &'a str,
}

/// The last line of an answer.
#[derive(Debug, Deserialize)]
struct End {
    count: u64,
    next_offset: u64,
    complete: bool,
}

impl<'a> Sought<'a> {
    /// What the command line asks for, if it asks for anything.
    pub fn of(results: &'a Results) -> Option<Self> {
        let input = results.input.as_deref().map(|value| Self { name: "input", value });
        input.or_else(|| results.digest.as_deref().map(|value| Self { name: "digest", value }))
    }

    fn path(&self, id: TaskId, format: Format, offset: u64, limit: Option<u64>) -> String {
        let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
        let value = utf8_percent_encode(self.value, NON_ALPHANUMERIC);
        let (name, format) = (self.name, format.name());
        format!("/tasks/{id}/results?{name}={value}&format={format}&partial=1&offset={offset}{limit}")
    }
}

/// # Errors
/// If there is none, or they cannot be had or written.
pub fn run(
    connection: &Connection,
    id: TaskId,
    results: &Results,
    sought: &Sought<'_>,
    output: Output,
) -> Result<(), Failure> {
    let format = results.format.unwrap_or(if output == Output::Json { Format::Ndjson } else { Format::Text });
    let (mut offset, mut left, mut count) = (results.offset, results.limit, 0);
    loop {
        // How far she looked, NDJSON alone says.
        let answer = connection.ask(&Request::get(sought.path(id, Format::Ndjson, offset, left)).long())?;
        let end = answer.text.lines().next_back().and_then(|line| serde_json::from_str::<End>(line).ok());
        let Some(end) = end else {
            return Err(Failure::Unreachable("the answer has no end".to_owned()));
        };
        count += end.count;
        let looked_at = end.next_offset.saturating_sub(offset);
        if format == Format::Ndjson {
            show::print(&answer.text)?;
        } else if end.count > 0 {
            let rows = connection.ask(&Request::get(sought.path(id, format, offset, Some(looked_at))).long())?;
            // She looks for so long at most, and may have come less far than before.
            let lines = rows.text.lines().count() as u64 - u64::from(format == Format::Csv && !rows.text.is_empty());
            if lines < end.count {
                let again = "she did not look at all of them in time: try again, or take --format ndjson";
                return Err(Failure::Unreachable(again.to_owned()));
            }
            // The line of names stands before the first part alone.
            let has_names = format == Format::Csv && count > end.count;
            let names = rows.text.find('\n').filter(|_| has_names).map_or(0, |at| at + 1);
            show::print(&rows.text[names..])?;
        }
        left = left.map(|left| left.saturating_sub(looked_at));
        if end.complete || looked_at == 0 || left == Some(0) {
            let looked_at = end.next_offset - results.offset.min(end.next_offset);
            return match count {
                0 => Err(Failure::Nothing(format!("none of the {looked_at} results that are there has it"))),
                _ => Ok(()),
            };
        }
        offset = end.next_offset;
    }
}
