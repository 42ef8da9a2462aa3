//! One task: its row, its inputs, its results.

use std::fmt::Arguments;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};
use web::model::TaskState;
use wire::blob::Blob;

use super::sample::Picks;
use super::{Check, STATES};
use crate::store::bulk::result_offset;
use crate::store::migrations::HAS_DRONES;
use crate::store::rows::{COLUMN_COUNT, Stored, large, trust_of};
use crate::work::inputs::Large;
use crate::work::results::Trust;
use crate::work::terms::{SecretRef, Terms};

/// Bytes of results that are read at a time.
const PIECE: u64 = 1 << 20;

/// An open bulk file.
struct Opened {
    file: File,
    path: PathBuf,
    length: u64,
    large: Large,
    /// Bytes of one result.
    width: usize,
}

/// What has been met of a task's results.
#[derive(Default)]
struct Seen {
    done: u64,
    suspect: u64,
    /// Behind the last of them.
    behind: u64,
    /// The first index that is missing before that.
    gap: Option<u64>,
}

/// Why something could not be read, in words; or nothing, if it is as it should be.
type Wrong = Option<String>;

impl Seen {
    fn meet(&mut self, range: &Range<u64>, trust: Trust) {
        let count = range.end - range.start;
        if range.start > self.behind {
            self.gap.get_or_insert(self.behind);
        }
        if trust == Trust::Suspect {
            self.suspect += count;
        }
        (self.done, self.behind) = (self.done + count, range.end);
    }
}

impl Check<'_, '_> {
    /// Looks at the task of a row, which has `file`, `bytes` and `inputs` behind the columns of a task.
    ///
    /// # Errors
    /// If there is something in the row, or in others about it, that cannot be there.
    pub(super) fn task(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let stored = self.rows.read(row)?;
        let state: i64 = row.get(1)?;
        if !(0..STATES.len() as i64).contains(&state) {
            self.wrong(&stored, format_args!("its state is {state}, and there is no such state"));
        }
        let (file, bytes): (Option<u64>, u64) = (row.get(COLUMN_COUNT)?, row.get(COLUMN_COUNT + 1)?);
        match (file, row.get_ref(COLUMN_COUNT + 2)?.as_blob_or_null()?) {
            (None, Some(layout)) => self.small(&stored, layout),
            (Some(number), None) => self.large(&stored, number, bytes),
            (None, None) if stored.terms.kind().search().is_some() => self.search(&stored),
            _ => {
                self.wrong(&stored, format_args!("its inputs must be either in its row or in a file"));
                Ok(())
            }
        }
    }

    pub(super) fn wrong(&mut self, stored: &Stored, what: Arguments<'_>) {
        self.report.finding(format_args!("task {}: {what}", stored.id.0));
    }

    fn small(&mut self, stored: &Stored, layout: &[u8]) -> rusqlite::Result<()> {
        let blob = match Blob::parse(layout) {
            Ok(blob) if blob.len() as u64 == stored.total => blob,
            Ok(blob) => {
                let (there, total) = (blob.len(), stored.total);
                self.wrong(stored, format_args!("it has {there} inputs, and should have {total}"));
                return Ok(());
            }
            Err(error) => {
                self.wrong(stored, format_args!("its inputs cannot be read: {error}"));
                return Ok(());
            }
        };
        let cost = stored.terms.kind().weigh(blob).cost;
        let mut picks = self.results(stored, cost, None)?;
        let indices = 0..stored.total;
        self.rehash(stored, blob, &indices, &mut picks);
        Ok(())
    }

    fn large(&mut self, stored: &Stored, number: u64, bytes: u64) -> rusqlite::Result<()> {
        let path = self.bulk.path(number);
        let mut select = self.connection.prepare_cached("SELECT extents FROM segments WHERE task = ?")?;
        let found = select.query_row([stored.id.0], |row| large(number, row.get_ref(0)?.as_blob()?)).optional()?;
        let Some(large) = found else {
            self.wrong(stored, format_args!("its segments in {} are not listed", path.display()));
            return Ok(());
        };
        let width = stored.terms.kind().width();
        let (there, total, takes) = (large.total(), stored.total, large.file_bytes(width));
        if there != total || takes != bytes {
            self.wrong(
                stored,
                format_args!(
                    "its segments have {there} inputs and its file takes {takes} bytes, \
                     and it should be {total} and {bytes}"
                ),
            );
            return Ok(());
        }
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.wrong(stored, format_args!("{} cannot be read: {error}", path.display()));
                return Ok(());
            }
        };
        if !self.unnamed.remove(&number) {
            self.wrong(stored, format_args!("{} belongs to another task as well", path.display()));
        }
        let opened = Opened { file, path, length, large, width };
        let cost = opened.large.segments.iter().map(|segment| segment.cost).fold(0, u64::saturating_add);
        let mut picks = self.results(stored, cost, Some(&opened))?;
        self.segments(stored, &opened, &mut picks);
        Ok(())
    }

    /// Looks at the results, in `opened` if they are in a file; chooses some to be computed again.
    fn results(&mut self, stored: &Stored, cost: u64, opened: Option<&Opened>) -> rusqlite::Result<Picks> {
        let (drone, checked) = if self.version < HAS_DRONES { ("NULL", "0") } else { ("drone", "checked") };
        let select = format!("SELECT coalesce(sum(past - first), 0) FROM results WHERE task = ? AND {checked} <> 2");
        let there: i64 = self.connection.prepare_cached(&select)?.query_row([stored.id.0], |row| row.get(0))?;
        let width = stored.terms.kind().width();
        let mut picks = self.sampler.pick(there.max(0) as u64, cost / stored.total.max(1), width);
        let select =
            format!("SELECT first, past, crc, bytes, {drone}, {checked} FROM results WHERE task = ? ORDER BY first");
        let mut select = self.connection.prepare_cached(&select)?;
        let mut rows = select.query([stored.id.0])?;
        let mut seen = Seen::default();
        while let Some(row) = rows.next()? {
            let (first, past): (i64, i64) = (row.get(0)?, row.get(1)?);
            let range = first.max(0) as u64..past.max(0) as u64;
            if first < 0 || range.is_empty() || range.start < seen.behind || range.end > stored.total {
                let (behind, total) = (seen.behind, stored.total);
                self.wrong(
                    stored,
                    format_args!("it has results {first}..{past}, behind {behind} and of {total}, which cannot be"),
                );
                continue;
            }
            let trust = self.origin(stored, &range, row.get(4)?, row.get(5)?);
            seen.meet(&range, trust);
            let wrong = match (row.get_ref(3)?.as_blob_or_null()?, opened, trust) {
                // Others may be half written in their place.
                (Some(results), None, Trust::Suspect) => short_of(results, &range, width),
                (None, Some(opened), Trust::Suspect) => beyond(opened, &range),
                (Some(results), None, _) => in_row(results, &range, width, row.get(2)?, &mut picks),
                (None, Some(opened), _) => self.in_file(opened, &range, row.get(2)?, &mut picks),
                _ => Some("they are not where the inputs are".into()),
            };
            if let Some(what) = wrong {
                self.wrong(stored, format_args!("results {}..{}: {what}", range.start, range.end));
            }
        }
        if stored.terms.batch {
            seen.done += self.detached(stored)?;
        }
        self.extent(stored, &seen);
        Ok(picks)
    }

    /// How many have left a batch without a result there.
    fn detached(&self, stored: &Stored) -> rusqlite::Result<u64> {
        let select = "SELECT count(*) FROM detached WHERE batch = ?1 AND NOT EXISTS \
                      (SELECT 1 FROM results WHERE task = ?1 AND first <= item AND past > item)";
        self.connection.prepare_cached(select)?.query_row([stored.id.0], |row| row.get(0))
    }

    /// What is said of who computed results, and how far they are trusted.
    fn origin(&mut self, stored: &Stored, range: &Range<u64>, drone: Option<i64>, checked: i64) -> Trust {
        let (Range { start, end }, next) = (range, self.next_drone);
        if let Some(drone) = drone.filter(|drone| !(1..next).contains(drone)) {
            self.wrong(
                stored,
                format_args!("results {start}..{end} are of Drone {drone}, and the next is to be {next}"),
            );
        }
        trust_of(checked).unwrap_or_else(|| {
            self.wrong(
                stored,
                format_args!("results {start}..{end} are checked {checked}, and there is no such thing"),
            );
            Trust::Sampled
        })
    }

    /// Whether there are as many results as there should be. Suspect ones may count or not.
    fn extent(&mut self, stored: &Stored, seen: &Seen) {
        let Seen { done, suspect, .. } = *seen;
        self.results += done;
        if suspect > 0 {
            let id = stored.id.0;
            self.report.note(format_args!(
                "task {id}: {suspect} of its {done} results are suspect, since their Drone gave a wrong one elsewhere: \
                 they are not looked at"
            ));
        }
        let Some(ending) = &stored.ending else { return };
        let (total, said) = (stored.total, ending.done);
        if ending.state == TaskState::Done && done != total {
            let gap = seen.gap.unwrap_or(seen.behind);
            self.wrong(
                stored,
                format_args!("it is done, and has {done} results of {total}: the first that is missing is {gap}"),
            );
        } else if !(done - suspect..=done).contains(&said) {
            self.wrong(stored, format_args!("it says that {said} of its inputs are done, and has {done} results"));
        }
    }

    fn in_file(&mut self, opened: &Opened, range: &Range<u64>, crc: u32, picks: &mut Picks) -> Wrong {
        if let Some(wrong) = beyond(opened, range) {
            picks.skip(range.end - range.start);
            return Some(wrong);
        }
        let path = opened.path.display();
        let width = opened.width as u64;
        let offset = |index| result_offset(&opened.large, index, opened.width);
        let (start, end) = (offset(range.start), offset(range.end));
        let met = picks.samples.len();
        let mut hasher = crc32fast::Hasher::new();
        let mut piece = Vec::new();
        let mut at = start;
        while at < end {
            piece.resize((end - at).min(PIECE / width * width) as usize, 0);
            if let Err(error) = opened.file.read_exact_at(&mut piece, at) {
                picks.skip(range.end - range.start - (at - start) / width);
                return Some(format!("{path} cannot be read at byte {at}: {error}"));
            }
            hasher.update(&piece);
            picks.meet(range.start + (at - start) / width, &piece);
            at += piece.len() as u64;
            self.bytes += piece.len() as u64;
            self.progress();
        }
        // What is known to be wrong need not be computed.
        (hasher.finalize() != crc).then(|| {
            picks.samples.truncate(met);
            format!("their checksum is wrong, at byte {start} of {path}")
        })
    }

    /// Looks at the inputs in a file.
    fn segments(&mut self, stored: &Stored, opened: &Opened, picks: &mut Picks) {
        let Opened { file, path, length, large, .. } = opened;
        let (path, mut start, mut layout) = (path.display(), 0, Vec::new());
        for segment in &large.segments {
            self.bytes += u64::from(segment.bytes);
            self.progress();
            let indices = start..segment.end;
            start = segment.end;
            let end = segment.offset + u64::from(segment.bytes);
            if end > *length {
                self.wrong(
                    stored,
                    format_args!("{path} ends at byte {length}, before byte {end}: inputs from {} on", indices.start),
                );
                return;
            }
            layout.resize(segment.bytes as usize, 0);
            let what = match file.read_exact_at(&mut layout, segment.offset) {
                Err(error) => error.to_string(),
                Ok(()) if crc32fast::hash(&layout) != segment.crc => "their checksum is wrong".into(),
                Ok(()) => match Blob::parse(&layout) {
                    Ok(blob) if !indices.is_empty() && blob.len() as u64 == indices.end - indices.start => {
                        self.rehash(stored, blob, &indices, picks);
                        continue;
                    }
                    Ok(blob) => format!("there are {} of them", blob.len()),
                    Err(error) => error.to_string(),
                },
            };
            let (first, past, offset) = (indices.start, indices.end, segment.offset);
            self.wrong(stored, format_args!("inputs {first}..{past}, at byte {offset} of {path}: {what}"));
        }
    }

    /// What was asked for, with a long key or salt.
    pub(super) fn whole(&self, stored: &Stored) -> rusqlite::Result<Arc<Terms>> {
        let Some(SecretRef { hash, .. }) = stored.terms.secret else { return Ok(Arc::clone(&stored.terms)) };
        let mut select = self.connection.prepare_cached("SELECT bytes FROM secrets WHERE hash = ?")?;
        let secret: Vec<u8> = select.query_row([hash], |row| row.get(0))?;
        Ok(Arc::new(stored.terms.whole(&secret)))
    }

    /// Computes again what was chosen of the inputs `indices`.
    fn rehash(&mut self, stored: &Stored, inputs: Blob<'_>, indices: &Range<u64>, picks: &mut Picks) {
        // What is missing has been told.
        let Ok(terms) = self.whole(stored) else { return };
        let kind = terms.kind();
        let (mut strings, mut at) = (inputs.iter(), indices.start);
        let chosen = |sample: &super::sample::Sample| indices.contains(&sample.index);
        let samples: Vec<_> = picks.samples.iter().filter(|sample| chosen(sample)).cloned().collect();
        for sample in samples {
            let Some(input) = strings.nth((sample.index - at) as usize) else { return };
            at = sample.index + 1;
            if !self.sampler.affords(picks, kind.cost(input.len() as u64)) {
                continue;
            }
            self.progress();
            let what = match kind.reference(input) {
                Some(right) if right == sample.result => continue,
                Some(_) => "its digest is another than what is stored",
                None => "it is not written in its encoding",
            };
            let input = drone::console::word(input);
            self.wrong(stored, format_args!("input {} ('{input}'): {what}", sample.index));
        }
    }
}

/// Whether a file ends before all results of a range.
fn beyond(opened: &Opened, range: &Range<u64>) -> Wrong {
    let (path, length) = (opened.path.display(), opened.length);
    let end = result_offset(&opened.large, range.end, opened.width);
    (end > length).then(|| format!("{path} ends at byte {length}, before byte {end}"))
}

/// Whether there are not as many results as in a range.
fn short_of(results: &[u8], range: &Range<u64>, width: usize) -> Wrong {
    let expected = (range.end - range.start).saturating_mul(width as u64);
    (results.len() as u64 != expected).then(|| format!("they have {} bytes", results.len()))
}

fn in_row(results: &[u8], range: &Range<u64>, width: usize, crc: u32, picks: &mut Picks) -> Wrong {
    let has_changed = || (crc32fast::hash(results) != crc).then(|| "their checksum is wrong".into());
    let wrong = short_of(results, range, width).or_else(has_changed);
    match wrong {
        None => picks.meet(range.start, results),
        Some(_) => picks.skip(range.end - range.start),
    }
    wrong
}
