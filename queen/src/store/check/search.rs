//! A search: what was searched of it, its marks, and what was found.

use std::ops::Range;

use rusqlite::Row;
use web::kinds::search::Stop;
use web::model::TaskState;

use super::Check;
use crate::kinds::search::{Looker, prepare};
use crate::store::rows::{Stored, trust_of};
use crate::work::inputs::Inputs;
use crate::work::results::Trust;
use crate::work::search::{Finding, Marks};

/// Marks of one task that are looked at.
const MOST_MARKS: u64 = 1024;

/// What was searched by one Drone, as its row says it.
struct Searched {
    range: Range<u64>,
    drone: i64,
    verdict: i64,
    marks: u64,
    bytes: Vec<u8>,
    crc: u32,
}

/// What has been met of a search.
#[derive(Default)]
struct Met {
    done: u64,
    suspect: u64,
    marks: u64,
    /// Behind what was searched so far.
    behind: u64,
    /// The first candidate that was not searched.
    gap: Option<u64>,
    /// Some of the marks.
    sample: Vec<u64>,
}

impl Check<'_, '_> {
    /// Looks at what was searched of a task, which has neither inputs nor results.
    pub(super) fn search(&mut self, stored: &Stored) -> rusqlite::Result<()> {
        let select =
            "SELECT first, past, drone, verdict, marks, bytes, crc FROM searched WHERE task = ? ORDER BY first";
        let connection = self.connection;
        let mut select = connection.prepare_cached(select)?;
        let mut rows = select.query([stored.id.0])?;
        let mut met = Met::default();
        while let Some(row) = rows.next()? {
            let searched = read(row)?;
            if let Some(what) = self.searched(stored, &searched, &mut met) {
                let Range { start, end } = searched.range;
                self.wrong(stored, format_args!("candidates {start}..{end}: {what}"));
            }
            self.progress();
        }
        let findings = self.findings(stored)?;
        self.extent_of_search(stored, &met, &findings);
        self.look(stored, &met.sample, &findings)
    }

    /// What is wrong with a row.
    fn searched(&mut self, stored: &Stored, searched: &Searched, met: &mut Met) -> Option<String> {
        let Searched { range, drone, verdict, marks, bytes, crc } = searched;
        let (behind, total) = (met.behind, stored.total);
        if range.is_empty() || range.start < behind || range.end > total {
            return Some(format!("they are behind {behind} and of {total}, which cannot be"));
        }
        let items = range.end - range.start;
        if range.start > behind {
            met.gap.get_or_insert(behind);
        }
        (met.behind, met.done, met.marks) = (range.end, met.done + items, met.marks + marks);
        if !(1..self.next_drone).contains(drone) {
            return Some(format!("they are of Drone {drone}, and the next is to be {}", self.next_drone));
        }
        let Some(trust) = trust_of(*verdict) else {
            return Some(format!("their verdict is {verdict}, and there is no such thing"));
        };
        if trust == Trust::Suspect {
            met.suspect += items;
        }
        if crc32fast::hash(bytes) != *crc {
            return Some("the checksum of their marks is wrong".into());
        }
        let Some(read) = Marks::parse(bytes.clone().into(), items).filter(|read| read.count() == *marks) else {
            return Some(format!("their marks cannot be read, or are not {marks}"));
        };
        // One of each row, and more of few.
        let step = (read.count() / 4).max(1) as usize;
        let room = MOST_MARKS.saturating_sub(met.sample.len() as u64) as usize;
        met.sample.extend(read.iter().step_by(step).map(|mark| range.start + mark).take(room));
        None
    }

    fn findings(&self, stored: &Stored) -> rusqlite::Result<Vec<Finding>> {
        let select = "SELECT item, digest FROM findings WHERE task = ? ORDER BY item";
        let mut select = self.connection.prepare_cached(select)?;
        let rows = select.query_map([stored.id.0], |row| Ok(Finding { index: row.get(0)?, digest: row.get(1)? }))?;
        rows.collect()
    }

    /// Whether there is as much as its row says.
    fn extent_of_search(&mut self, stored: &Stored, met: &Met, findings: &[Finding]) {
        let Met { done, suspect, marks, behind, gap, .. } = *met;
        let found = findings.len() as u64;
        if suspect > 0 {
            let id = stored.id.0;
            self.report.note(format_args!(
                "task {id}: the search of {suspect} of its candidates is in doubt, since their Drone was wrong \
                 elsewhere"
            ));
        }
        let Some(ending) = &stored.ending else { return };
        let said = ending.done;
        if !(done - suspect..=done).contains(&said) {
            self.wrong(stored, format_args!("it says that {said} candidates were searched, and {done} were"));
        }
        let first_gap = gap.unwrap_or(behind);
        let is_enough = || match stored.terms.kind().search().map(|search| (search.stop, search.max_findings)) {
            Some((_, most)) if found >= most => true,
            Some((Stop::First | Stop::All, _)) => found > 0,
            Some((Stop::Lowest, _)) => findings.first().is_some_and(|first| first.index < first_gap),
            Some((Stop::Never, _)) | None => false,
        };
        if ending.state == TaskState::Done && suspect == 0 && first_gap < stored.total && !is_enough() {
            self.wrong(
                stored,
                format_args!("it is done, and candidate {first_gap} was not searched, though not enough was found"),
            );
        }
        let (said_found, said_marks) = (ending.found.findings, ending.found.marks);
        if suspect == 0 && !stored.suspect && (said_found, said_marks) != (found, marks) {
            self.wrong(
                stored,
                format_args!(
                    "it says that it has {said_found} findings and {said_marks} marks, and has {found} and {marks}"
                ),
            );
        }
    }

    /// Computes some marks and all findings again.
    fn look(&mut self, stored: &Stored, marks: &[u64], findings: &[Finding]) -> rusqlite::Result<()> {
        let terms = self.whole(stored)?;
        let kind = terms.kind();
        let Some((search, Inputs::Large(large))) = kind.search().zip(kind.implied()) else { return Ok(()) };
        let prepared = prepare(search);
        let mut looker = Looker::new(search, &large, prepared.as_blob());
        for mark in marks {
            if !looker.look(*mark).is_mark {
                self.wrong(stored, format_args!("candidate {mark} is said to be a mark, and is none"));
            }
        }
        for Finding { index, digest } in findings {
            let looked = (*index < stored.total).then(|| looker.look(*index));
            if !looked.is_some_and(|looked| looked.is_finding && looked.digest == *digest) {
                self.wrong(stored, format_args!("candidate {index} is said to be found, and is not sought"));
            }
        }
        self.sampler.rehashed += (marks.len() + findings.len()) as u64;
        self.results += findings.len() as u64;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Searched> {
    let (first, past): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(Searched {
        range: first.max(0) as u64..past.max(0) as u64,
        drone: row.get(2)?,
        verdict: row.get(3)?,
        marks: row.get(4)?,
        bytes: row.get(5)?,
        crc: row.get(6)?,
    })
}
