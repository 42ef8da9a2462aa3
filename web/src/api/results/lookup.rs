//! A look-up among results, as it is asked for and answered.

use super::format::{Format, finding_json, torn};
use crate::error::Problem;
use crate::hive::Finding;
use crate::kinds::digest::Row;
use crate::lookup::{Match, Matches, Wanted};
use crate::model::TaskView;
use crate::request::query::Query;

/// What is looked for, if anything is.
pub(super) fn wanted(query: &mut Query) -> Result<Option<Wanted>, Problem> {
    // An empty input is one, too, and not all of them.
    let (input, digest) = (query.any_text("input")?, query.any_text("digest")?);
    match (input, digest) {
        (None, None) => Ok(None),
        (Some(input), None) => Ok(Some(Wanted::input(&input))),
        (None, Some(digest)) => Ok(Some(Wanted::digest(&digest)?)),
        (Some(_), Some(_)) => {
            Err(Problem::invalid("say what is looked for: give either `input` or `digest`").with("path", "digest"))
        }
    }
}

/// Its matches as rows, as those of results are.
pub(super) fn body(format: Format, task: &TaskView, matches: &Matches, is_complete: bool) -> Result<Vec<u8>, Problem> {
    let mut out = format.header(&task.kind).to_vec();
    let is_search = task.search.is_some();
    for Match { index, input, digest } in &matches.rows {
        let finding = || Finding { index: *index, plain: input.clone(), digest: *digest };
        match format {
            Format::Ndjson if is_search => out.extend_from_slice(&finding_json(&finding())),
            Format::Text if is_search => out.extend_from_slice(finding().potfile().as_bytes()),
            Format::Text if memchr::memchr(b'\n', input).is_some() => return Err(torn(*index)),
            Format::Ndjson | Format::Csv | Format::Text => {
                let mut row = match format {
                    Format::Ndjson => Row::json(input),
                    Format::Csv => Row::csv(input),
                    Format::Text => Row::text(),
                };
                row.write(&mut out, usize::MAX, *index, input, digest);
            }
        }
        if format == Format::Ndjson {
            out.push(b'\n');
        }
    }
    if format == Format::Ndjson {
        let (count, next) = (matches.rows.len(), matches.next);
        let end = format!("{{\"end\":true,\"count\":{count},\"next_offset\":{next},\"complete\":{is_complete}}}\n");
        out.extend_from_slice(end.as_bytes());
    }
    Ok(out)
}
