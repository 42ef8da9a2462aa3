//! How what is on disk stands in columns.

use std::ops::Range;
use std::sync::Arc;

use rusqlite::types::{FromSqlError, ToSql, ToSqlOutput};
use rusqlite::{Row, types::Type};
use serde::{Deserialize, Serialize};
use web::access::{LogKind, Owner, TokenId};
use web::kinds::Specification;
use web::model::{TaskState, Timestamp, Verify};
use wire::ids::{DroneId, Instance, LeaseId, TaskId};

use super::change::Visit;
use super::migrations::{HAS_ACCESS, HAS_BATCHES, HAS_CLOCK, HAS_DRONES, HAS_SEARCHES, HAS_SECRETS};
use crate::clock::{HiveTime, Moment};
use crate::work::ending::{Ending, SearchCounts};
use crate::work::inputs::{Extent, Large};
use crate::work::results::Trust;
use crate::work::terms::{Room, SecretHash, SecretRef, Terms};

/// A task of a batch that has no row.
#[derive(Debug, Clone)]
pub struct StoredMember {
    /// The batch.
    pub batch: Stored,
    /// The task's index there.
    pub index: u64,
    /// Whether its result is on disk.
    pub has_result: bool,
    /// If it has left the batch: why it failed there, if it did.
    pub detached: Option<Option<Box<str>>>,
}

impl StoredMember {
    /// Whether the batch is where it is known: it has not left it, or has failed there.
    pub fn is_inside(&self) -> bool {
        !matches!(self.detached, Some(None))
    }
}

/// A task as its row has it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The task's id.
    pub id: TaskId,
    /// What was asked for.
    pub terms: Arc<Terms>,
    /// When the task was created.
    pub created: Moment,
    /// How many items it has.
    pub total: u64,
    /// When a Drone was first given a part of it, as far as it is known.
    pub started_at: Option<Timestamp>,
    /// How it ended, if it has.
    pub ending: Option<Ending>,
    /// Whether it waits until it is let go on; one that has ended does not.
    pub paused: bool,
    /// Whether it has ended, and some of its results are to be computed again.
    pub suspect: bool,
    /// Results that were suspect and wrong, and are right now.
    pub corrected: u64,
}

/// Drone processes that are known; the oldest are forgotten when there are more.
pub const KNOWN_DRONES: usize = 65_536;

/// A Drone process as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDrone {
    /// The Drone's id.
    pub id: DroneId,
    /// The random name of its process.
    pub instance: Instance,
    /// Its name, for people.
    pub name: Box<str>,
    /// Why it is given no work.
    pub quarantine: Option<Box<str>>,
    /// What is remembered of it.
    pub visit: Option<Visit>,
}

/// A lease as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The lease's number.
    pub lease: LeaseId,
    /// The task that it is of, which may have ended.
    pub task: TaskId,
    /// The Drone that has it.
    pub drone: DroneId,
    /// The indices that the Drone computes.
    pub range: Range<u64>,
}

/// The columns that [`Rows`] reads, in its order.
pub(super) const COLUMNS: &str = "id, state, priority, total, done, created_at, started_at, finished_at, instance, \
                                  name, error, specification, deadline, paused, suspect, corrected, batch, \
                                  created_on, finished_on, secret, secret_hash, \
                                  (SELECT length(bytes) FROM secrets WHERE hash = secret_hash), \
                                  owner, owner_name, address, found, marks";

/// The number of columns in [`COLUMNS`].
pub(super) const COLUMN_COUNT: usize = 27;

/// [`COLUMNS`] of a database of this version: what it does not have yet is as in a row that says nothing.
pub(super) fn columns_of(version: i64) -> String {
    let since = |first: i64, columns: &'static str, before: &'static str| match version >= first {
        true => columns,
        false => before,
    };
    [
        "id, state, priority, total, done, created_at, started_at, finished_at, instance, name, error, specification",
        since(HAS_DRONES, "deadline, paused, suspect, corrected", "NULL, 0, 0, 0"),
        since(HAS_BATCHES, "batch", "0"),
        since(HAS_CLOCK, "created_on, finished_on", "created_at, finished_at"),
        since(
            HAS_SECRETS,
            "secret, secret_hash, (SELECT length(bytes) FROM secrets WHERE hash = secret_hash)",
            "NULL, NULL, NULL",
        ),
        since(HAS_ACCESS, "owner, owner_name, address", "NULL, NULL, NULL"),
        since(HAS_SEARCHES, "found, marks", "0, 0"),
    ]
    .join(", ")
}

/// Reads rows; consecutive ones that were asked for alike share their terms.
#[derive(Default)]
pub(super) struct Rows {
    last: Option<(Box<str>, Arc<Terms>)>,
}

impl Rows {
    pub(super) fn read(&mut self, row: &Row<'_>) -> rusqlite::Result<Stored> {
        let id = TaskId(row.get(0)?);
        let started_at = row.get::<_, Option<i64>>(6)?.map(Timestamp);
        let ending = match state_of(row.get(1)?) {
            None => None,
            Some(state) => Some(Ending {
                state,
                started_at,
                finished: Moment { at: Timestamp(row.get(7)?), on: HiveTime(row.get(18)?) },
                done: row.get(4)?,
                found: SearchCounts { findings: row.get(25)?, marks: row.get(26)? },
                error: row.get(10)?,
            }),
        };
        let created = Moment { at: Timestamp(row.get(5)?), on: HiveTime(row.get(17)?) };
        let terms = self.terms(row, id)?;
        let (paused, suspect, corrected) = (row.get(13)?, row.get(14)?, row.get(15)?);
        Ok(Stored { id, terms, created, total: row.get(3)?, started_at, ending, paused, suspect, corrected })
    }

    fn terms(&mut self, row: &Row<'_>, id: TaskId) -> rusqlite::Result<Arc<Terms>> {
        let base = Terms::base_of(Instance(row.get(8)?), id);
        let name = row.get_ref(9)?.as_str_or_null()?;
        let priority = row.get(2)?;
        let text = row.get_ref(11)?.as_str()?;
        let (deadline, batch) = (row.get(12)?, row.get(16)?);
        let short = row.get_ref(19)?.as_blob_or_null()?;
        let hash: Option<SecretHash> = row.get(20)?;
        let owner = row.get::<_, Option<u64>>(22)?.map(TokenId);
        let owner_name = row.get_ref(23)?.as_str_or_null()?.unwrap_or_default();
        // An address that cannot be read is left out: the task is worth more than that.
        let address = row.get_ref(24)?.as_str_or_null()?.and_then(|address| address.parse().ok());
        // A row without the length of its secret is damaged, which is found out when the secret is read.
        let bytes = row.get::<_, Option<u32>>(21)?.unwrap_or_default();
        let secret = hash.map(|hash| SecretRef { hash, bytes });
        let fits = |terms: &Terms| {
            terms.base == base
                && terms.secret == secret
                && short.unwrap_or_default() == terms.specification.secret()
                && terms.name.as_deref() == name
                && terms.priority == priority
                && terms.deadline == deadline
                && terms.batch == batch
                && terms.owner_id() == owner
                && terms.address == address
        };
        if let Some((_, terms)) = self.last.as_ref().filter(|(last, terms)| **last == *text && fits(terms)) {
            return Ok(Arc::clone(terms));
        }
        let Asked { mut specification, verify } = asked(text)?;
        if let Some(short) = short {
            specification.set_secret(short.to_vec());
        }
        let (name, room) = (name.map(Into::into), Room::default());
        let owner = owner.map(|token| Owner { token, name: owner_name.into() });
        let terms =
            Terms { specification, secret, name, priority, deadline, batch, verify, owner, address, base, room };
        let terms = Arc::new(terms);
        self.last = Some((text.into(), Arc::clone(&terms)));
        Ok(terms)
    }
}

/// What stands in the column `specification`: what is to be computed, and how it is looked at.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked<S = Specification> {
    #[serde(flatten)]
    pub(super) specification: S,
    /// Rows of older versions say nothing of it.
    #[serde(default, skip_serializing_if = "is_default")]
    verify: Verify,
}

impl<'a> Asked<&'a Specification> {
    pub(super) fn of(terms: &'a Terms) -> Self {
        Self { specification: &terms.specification, verify: terms.verify }
    }
}

fn is_default(verify: &Verify) -> bool {
    *verify == Verify::default()
}

/// The same as a row has it.
pub(super) fn asked(text: &str) -> rusqlite::Result<Asked> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(11, Type::Text, Box::new(error)))
}

/// What is JSON in its row.
pub(super) fn in_row(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// What a state is in a row.
pub(super) fn state_number(state: TaskState) -> i64 {
    match state {
        TaskState::Pending | TaskState::Running | TaskState::Paused => 0,
        TaskState::Done => 1,
        TaskState::Failed => 2,
        TaskState::Cancelled => 3,
    }
}

/// The state of a task that has ended, by its number.
pub(super) fn state_of(number: i64) -> Option<TaskState> {
    [TaskState::Done, TaskState::Failed, TaskState::Cancelled].into_iter().find(|state| state_number(*state) == number)
}

/// What trust in results is in a row.
pub(super) fn trust_number(trust: Trust) -> i64 {
    match trust {
        Trust::Sampled => 0,
        Trust::Checked => 1,
        Trust::Suspect => 2,
    }
}

/// Trust in results, by its number.
pub(super) fn trust_of(number: i64) -> Option<Trust> {
    [Trust::Sampled, Trust::Checked, Trust::Suspect].into_iter().find(|trust| trust_number(*trust) == number)
}

/// What a kind of line of the audit trail is in a row.
pub(super) fn log_kind_number(kind: LogKind) -> i64 {
    match kind {
        LogKind::Control => 0,
        LogKind::Administration => 1,
        LogKind::Refusal => 2,
        LogKind::Session => 3,
        LogKind::Guess => 4,
        LogKind::Drone => 5,
        LogKind::Task => 6,
        LogKind::Queen => 7,
    }
}

/// The kind of a line, by its number.
pub(super) fn log_kind_of(number: i64) -> Option<LogKind> {
    LogKind::ALL.into_iter().find(|kind| log_kind_number(*kind) == number)
}

/// The table of segments: for each, as little-endian integers, its items (`u32`), bytes
/// (`u32`), CRC-32 (`u32`) and cost (`u64`).
pub(super) struct Extents<'a>(pub(super) &'a [Extent]);

const EXTENT: usize = 20;

impl ToSql for Extents<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let mut table = Vec::with_capacity(self.0.len() * EXTENT);
        let mut start = 0;
        for extent in self.0 {
            table.extend_from_slice(&((extent.end - start) as u32).to_le_bytes());
            table.extend_from_slice(&extent.bytes.to_le_bytes());
            table.extend_from_slice(&extent.crc.to_le_bytes());
            table.extend_from_slice(&extent.cost.to_le_bytes());
            start = extent.end;
        }
        Ok(table.into())
    }
}

/// The segments of the bulk file `number`, as a row has them.
pub(super) fn large(number: u64, table: &[u8]) -> rusqlite::Result<Large> {
    let (rows, rest) = table.as_chunks::<EXTENT>();
    if !rest.is_empty() || rows.is_empty() {
        return Err(FromSqlError::InvalidBlobSize { expected_size: EXTENT, blob_size: table.len() }.into());
    }
    let (mut end, mut offset) = (0, 0);
    let segments = rows.iter().map(|row| {
        let word = |at: usize| row[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let cost = row[12..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        end += u64::from(word(0));
        let extent = Extent { end, offset, bytes: word(4), crc: word(8), cost };
        offset += u64::from(extent.bytes);
        extent
    });
    Ok(Large { segments: segments.collect(), file: Some(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_segments_comes_back() {
        let extent = |end, offset, bytes| Extent { end, offset, bytes, crc: 0xdead_beef, cost: 1 << 40 };
        let extents = [extent(3, 0, 100), extent(10, 100, 7)];
        let ToSqlOutput::Owned(rusqlite::types::Value::Blob(table)) = Extents(&extents).to_sql().unwrap() else {
            panic!("a blob");
        };
        assert_eq!(*large(9, &table).unwrap().segments, extents);
        assert!(large(9, &table[1..]).is_err() && large(9, &[]).is_err());
    }

    #[test]
    fn a_specification_comes_back() {
        use web::kinds::digest::{Algorithm, Digest, Encoding};
        let algorithms = [
            Algorithm::Sha256,
            Algorithm::Sha256d,
            Algorithm::HmacSha256 { key: vec![0, 255] },
            Algorithm::Pbkdf2HmacSha256 { salt: b"salt".into(), iterations: 7 },
        ];
        for algorithm in algorithms {
            for verify in [Verify::Sample, Verify::All] {
                let specification =
                    Specification::Digest(Digest { algorithm: algorithm.clone(), encoding: Encoding::Hex });
                let secret = specification.secret().to_vec();
                let given = Asked { specification, verify };
                let text = in_row(&given).unwrap();
                let mut found = asked(&text).unwrap();
                assert!(found.specification.secret().is_empty(), "{text}");
                found.specification.set_secret(secret);
                assert_eq!(found, given, "{text}");
            }
        }
        // What is in databases of older versions.
        let text = r#"{"kind":"digest","algorithm":"hmac-sha256","key":"00ff","encoding":"utf8"}"#;
        let key = Algorithm::HmacSha256 { key: vec![0, 255] };
        let specification = Specification::Digest(Digest { algorithm: key, encoding: Encoding::Utf8 });
        assert_eq!(asked(text).unwrap(), Asked { specification, verify: Verify::Sample });
    }
}
