//! The tables of the database, by what each version of them adds to the one before.

use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;

/// The number in the file's header that says whose it is: "HIVE" in ASCII.
pub const APPLICATION_ID: i32 = 0x4849_5645;

/// What each version of the schema adds to the one before. Never changed, only added to.
pub const MIGRATIONS: [&str; 12] = [
    "
    -- One row: what must not be derived from tasks, since tasks go.
    CREATE TABLE hive (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch INTEGER NOT NULL,
        next_task INTEGER NOT NULL,
        bulk_bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO hive VALUES (1, 0, 1, 0);

    -- How many tasks there are in each state.
    CREATE TABLE counts (
        state INTEGER PRIMARY KEY,
        tasks INTEGER NOT NULL
    ) STRICT;
    INSERT INTO counts VALUES (0, 0), (1, 0), (2, 0), (3, 0);

    -- state: 0 has not ended, 1 done, 2 failed, 3 cancelled. Times are milliseconds since 1970.
    -- Inputs lie here if they are small, else in the bulk file of that number, which takes so
    -- many bytes when all results are there, and whose segments are listed in `segments`.
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY,
        state INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        total INTEGER NOT NULL,
        done INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        started_at INTEGER,
        finished_at INTEGER,
        file INTEGER,
        bytes INTEGER NOT NULL,
        instance BLOB NOT NULL,
        name TEXT,
        error TEXT,
        specification TEXT NOT NULL,
        inputs BLOB
    ) STRICT;
    CREATE INDEX tasks_by_state ON tasks (state, id);
    CREATE INDEX tasks_by_end ON tasks (finished_at) WHERE finished_at IS NOT NULL;

    CREATE TABLE segments (
        task INTEGER PRIMARY KEY,
        extents BLOB NOT NULL
    ) STRICT;

    -- Ranges of indices that are done. Results lie here if the inputs do, else in the file.
    CREATE TABLE results (
        task INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        bytes BLOB,
        PRIMARY KEY (task, first)
    ) STRICT, WITHOUT ROWID;
    ",
    "
    -- Idempotency keys: SHA-256 of the key, SHA-256 of what was asked for, and what came of it.
    CREATE TABLE keys (
        key BLOB PRIMARY KEY,
        fingerprint BLOB NOT NULL,
        task INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX keys_by_expiry ON keys (expires_at);
    ",
    "
    -- The deadline is in seconds behind created_at. Where suspect is 1, a task that has ended has
    -- results that are to be computed again; corrected is how many of such were wrong.
    ALTER TABLE tasks ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN deadline INTEGER;
    ALTER TABLE tasks ADD COLUMN suspect INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN corrected INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX tasks_suspect ON tasks (id) WHERE suspect = 1;

    -- drone computed them; null is unknown. checked: 0 at most a sample of them, 1 all of them were
    -- computed a second time and agreed, 2 suspect: their Drone gave a wrong one elsewhere. The
    -- checksum of suspect ones means nothing, since those that replace them may be in the file.
    ALTER TABLE results ADD COLUMN drone INTEGER;
    ALTER TABLE results ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX results_suspect ON results (task, first, past) WHERE checked = 2;

    -- Drone processes. quarantine: why this one is given no work.
    ALTER TABLE hive ADD COLUMN next_drone INTEGER NOT NULL DEFAULT 1;
    CREATE TABLE drones (
        id INTEGER PRIMARY KEY,
        instance BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        quarantine TEXT
    ) STRICT;

    -- The epoch's open leases; those of tasks that have ended mean nothing.
    CREATE TABLE leases (
        lease INTEGER PRIMARY KEY,
        task INTEGER NOT NULL,
        drone INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL
    ) STRICT;
    ",
    "
    -- Where batch is 1, each input is a task of its own: that of index n has the id behind the
    -- batch's by 1 + n, which no other task has, and a row only when it has left the batch.
    ALTER TABLE tasks ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX tasks_batch ON tasks (id) WHERE batch = 1;

    -- Those that have left their batch, where they count as done: error is why they failed there;
    -- null if they have rows of their own, or had, or are forgotten.
    CREATE TABLE detached (
        batch INTEGER NOT NULL,
        item INTEGER NOT NULL,
        error TEXT,
        PRIMARY KEY (batch, item)
    ) STRICT, WITHOUT ROWID;
    ",
    "
    -- What people are shown of a Drone that is gone, in JSON; null if it was never here since.
    ALTER TABLE drones ADD COLUMN visit TEXT;
    ",
    "
    -- The Hive's own clock, in milliseconds, as it stood at the last commit, and what the wall clock
    -- showed then. Columns with names in _on are by that clock, and expires_at of keys is.
    ALTER TABLE hive ADD COLUMN clock INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE hive ADD COLUMN wall INTEGER NOT NULL DEFAULT 0;
    UPDATE hive SET wall = CAST(unixepoch('subsec') * 1000 AS INTEGER);
    UPDATE hive SET clock = wall;
    ALTER TABLE tasks ADD COLUMN created_on INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN finished_on INTEGER;
    UPDATE tasks SET created_on = created_at, finished_on = finished_at;
    DROP INDEX tasks_by_end;
    CREATE INDEX tasks_by_finish ON tasks (finished_on) WHERE finished_on IS NOT NULL;
    ",
    "
    -- Keys and salts were hexadecimal in specifications. Short ones stand in their rows, long ones
    -- once for all tasks that have them, by their SHA-256; null is none.
    ALTER TABLE tasks ADD COLUMN secret BLOB;
    ALTER TABLE tasks ADD COLUMN secret_hash BLOB;
    CREATE INDEX tasks_by_secret ON tasks (secret_hash) WHERE secret_hash IS NOT NULL;
    CREATE TABLE secrets (
        hash BLOB PRIMARY KEY,
        bytes BLOB NOT NULL
    ) STRICT;
    ",
    "
    -- The token that a task was submitted with, what that is called, and from which address.
    ALTER TABLE tasks ADD COLUMN owner INTEGER;
    ALTER TABLE tasks ADD COLUMN owner_name TEXT;
    ALTER TABLE tasks ADD COLUMN address TEXT;
    CREATE INDEX tasks_by_owner ON tasks (owner, state, id) WHERE owner IS NOT NULL;

    -- The audit trail. kind: 0 control, 1 administration, 2 refusals, 3 sessions, 4 guesses. A row may stand for
    -- many that were alike.
    CREATE TABLE log (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        who TEXT,
        address TEXT,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        outcome TEXT NOT NULL,
        count INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX log_by_kind ON log (kind, id);
    CREATE INDEX log_by_who ON log (who, id) WHERE who IS NOT NULL;
    CREATE INDEX log_by_target ON log (target, id);
    CREATE INDEX log_by_time ON log (at, id);

    -- Tokens, by the SHA-256 of their texts; scopes is a sum of bits. Times are milliseconds since 1970.
    -- Rows of what was revoked go, and numbers are never used again.
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hash BLOB NOT NULL,
        name TEXT NOT NULL,
        scopes INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        last_used_at INTEGER
    ) STRICT;

    -- What Drones prove to know: 32 random bytes each.
    CREATE TABLE join_secrets (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        key BLOB NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;

    -- What signs the Queen's certificates: its own certificate in DER, and its key in PKCS #8.
    CREATE TABLE authority (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        certificate BLOB NOT NULL,
        key BLOB NOT NULL
    ) STRICT;

    -- The Queen's names, besides those that she always has.
    CREATE TABLE hosts (
        name TEXT PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
    ",
    "
    -- How the request was called that a line of the audit trail is about.
    ALTER TABLE log ADD COLUMN request TEXT;
    ",
    "
    -- Candidates of a search that were searched, without overlap. bytes: which of them are marks, as they travel;
    -- verdict: what checked is of results; spent: nanoseconds of one thread; at: when the last of it came.
    CREATE TABLE searched (
        task INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        drone INTEGER NOT NULL,
        verdict INTEGER NOT NULL,
        marks INTEGER NOT NULL,
        spent INTEGER NOT NULL,
        at INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (task, first)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX searched_suspect ON searched (task, first, past) WHERE verdict = 2;

    -- Candidates whose digests are sought.
    CREATE TABLE findings (
        task INTEGER NOT NULL,
        item INTEGER NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (task, item)
    ) STRICT, WITHOUT ROWID;

    -- Findings and marks of a search that has ended.
    ALTER TABLE tasks ADD COLUMN found INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN marks INTEGER NOT NULL DEFAULT 0;
    ",
    "
    -- By what tasks are found. kind and algorithm are as in specification; null if that is damaged.
    ALTER TABLE tasks ADD COLUMN kind TEXT GENERATED ALWAYS AS
        (CASE WHEN json_valid(specification) THEN specification ->> '$.kind' END) VIRTUAL;
    ALTER TABLE tasks ADD COLUMN algorithm TEXT GENERATED ALWAYS AS
        (CASE WHEN json_valid(specification) THEN specification ->> '$.algorithm' END) VIRTUAL;
    CREATE INDEX tasks_by_name ON tasks (name, id) WHERE name IS NOT NULL;
    CREATE INDEX tasks_by_owner_name ON tasks (owner_name, id) WHERE owner_name IS NOT NULL;
    CREATE INDEX tasks_by_kind ON tasks (kind, algorithm, id);
    CREATE INDEX tasks_by_creation ON tasks (created_at, id);
    CREATE INDEX tasks_by_reason ON tasks (error, id, state) WHERE error IS NOT NULL;
    CREATE INDEX tasks_by_ending ON tasks (state, finished_at, id) WHERE finished_at IS NOT NULL;
    ",
    "
    -- What was changed, from what to what; null of what changes no value, and of older lines.
    ALTER TABLE log ADD COLUMN changes TEXT;
    ",
];

/// From this version on there are idempotency keys.
pub const HAS_KEYS: i64 = 2;

/// From this version on it is known who computed what, and what of it is suspect.
pub const HAS_DRONES: i64 = 3;

/// From this version on tasks come in batches.
pub const HAS_BATCHES: i64 = 4;

/// From this version on the Hive has a clock of its own.
pub const HAS_CLOCK: i64 = 6;

/// From this version on keys and salts stand apart from specifications.
pub const HAS_SECRETS: i64 = 7;

/// From this version on tasks have owners, and there are an audit trail, tokens and the Drones' secrets.
pub const HAS_ACCESS: i64 = 8;

/// From this version on there are searches.
pub const HAS_SEARCHES: i64 = 10;

/// The version that this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// Refuses what is newer than this program.
///
/// # Errors
/// If it is.
pub fn check_version(database: &Path, found: i64) -> Result<(), StoreError> {
    match found > VERSION {
        true => Err(StoreError::Newer { path: database.to_owned(), found, known: VERSION }),
        false => Ok(()),
    }
}

/// The version of the tables that are there.
pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
