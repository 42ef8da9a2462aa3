//! What is kept of who may do what: tokens, the Drones' secrets, the authority, and the Queen's names.
//!
//! Rows of what was revoked go. Their numbers are never used again, and that there once was one is
//! remembered, by SQLite's table of what `AUTOINCREMENT` has given out.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use web::access::{Scopes, TokenId};
use web::model::Timestamp;

use crate::access::{Authority, JoinSecret, JoinSecrets, Token};

/// A change of who may do what.
pub enum AccessChange {
    /// There is a new token.
    Token(Token),
    /// A token is not valid any more.
    RevokeToken(TokenId),
    /// Tokens were used last at these moments.
    Used(Vec<(TokenId, Timestamp)>),
    /// There is a new secret.
    Secret(Box<str>, JoinSecret),
    /// The secret with this number is not valid any more.
    RevokeSecret(u64),
    /// What signs the Queen's certificates.
    Authority(Authority),
    /// She has this name as well.
    Host(String),
}

impl AccessChange {
    /// Whether it ends something, which is not to wait for room on the disk.
    pub fn is_revocation(&self) -> bool {
        matches!(self, Self::RevokeToken(_) | Self::RevokeSecret(_))
    }
}

impl fmt::Debug for AccessChange {
    /// Keys are shown to nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessChange").finish_non_exhaustive()
    }
}

/// Who may do what, as a Queen finds it.
#[derive(Clone)]
pub struct StoredAccess {
    /// Those that were not revoked, by number.
    pub tokens: Vec<Token>,
    /// The smallest number that no token ever had.
    pub next_token: u64,
    /// Those that were not revoked.
    pub secrets: JoinSecrets,
    /// The smallest number that no secret ever had.
    pub next_secret: u64,
    /// What signs the Queen's certificates, if she ever needed one.
    pub authority: Option<Authority>,
    /// Her names besides those that she always has.
    pub hosts: Vec<String>,
}

impl Default for StoredAccess {
    /// Of a Hive that is new.
    fn default() -> Self {
        let (tokens, secrets, authority, hosts) = Default::default();
        Self { tokens, next_token: 1, secrets, next_secret: 1, authority, hosts }
    }
}

impl StoredAccess {
    /// Whether there was a token once, which may be revoked.
    pub fn has_token(&self) -> bool {
        self.next_token > 1
    }

    /// Whether there was a secret once, which may be revoked.
    pub fn has_secret(&self) -> bool {
        self.next_secret > 1
    }
}

/// Writes a change.
pub(super) fn apply(transaction: &Transaction<'_>, change: &AccessChange) -> rusqlite::Result<()> {
    let run =
        |statement, values: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(statement)?.execute(values).map(drop);
    match change {
        AccessChange::Token(token) => {
            let Token { id, hash, name, scopes, created_at, expires_at, last_used_at } = token;
            let insert = "INSERT INTO tokens (id, hash, name, scopes, created_at, expires_at, last_used_at) \
                          VALUES (?, ?, ?, ?, ?, ?, ?)";
            let [expires_at, last_used_at] = [expires_at, last_used_at].map(|time| time.map(|time| time.0));
            run(insert, params![id.0, hash, &**name, scopes.bits(), created_at.0, expires_at, last_used_at])
        }
        AccessChange::RevokeToken(id) => run("DELETE FROM tokens WHERE id = ?", params![id.0]),
        AccessChange::Used(used) => used
            .iter()
            .try_for_each(|(id, at)| run("UPDATE tokens SET last_used_at = ? WHERE id = ?", params![at.0, id.0])),
        AccessChange::Secret(name, JoinSecret { id, key, created_at }) => {
            let insert = "INSERT INTO join_secrets (id, name, key, created_at) VALUES (?, ?, ?, ?)";
            run(insert, params![id, name, key, created_at.0])
        }
        AccessChange::RevokeSecret(id) => run("DELETE FROM join_secrets WHERE id = ?", params![id]),
        AccessChange::Authority(Authority { certificate, key }) => {
            run("INSERT OR REPLACE INTO authority (id, certificate, key) VALUES (1, ?, ?)", params![certificate, key])
        }
        AccessChange::Host(name) => run("INSERT OR IGNORE INTO hosts (name) VALUES (?)", params![name]),
    }
}

/// Reads all of it.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<StoredAccess> {
    let next = |table: &str| {
        let select = "SELECT seq + 1 FROM sqlite_sequence WHERE name = ?";
        connection.query_row(select, [table], |row| row.get(0)).optional().map(|next| next.unwrap_or(1))
    };
    let select = "SELECT certificate, key FROM authority";
    let authority =
        connection.query_row(select, [], |row| Ok(Authority { certificate: row.get(0)?, key: row.get(1)? }));
    let mut hosts = connection.prepare("SELECT name FROM hosts ORDER BY name")?;
    Ok(StoredAccess {
        tokens: tokens(connection)?,
        next_token: next("tokens")?,
        secrets: secrets(connection)?,
        next_secret: next("join_secrets")?,
        authority: authority.optional()?,
        hosts: hosts.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?,
    })
}

fn tokens(connection: &Connection) -> rusqlite::Result<Vec<Token>> {
    let select = "SELECT id, hash, name, scopes, created_at, expires_at, last_used_at FROM tokens ORDER BY id";
    let mut select = connection.prepare(select)?;
    let tokens = select.query_map([], |row| {
        let time = |time: Option<i64>| time.map(Timestamp);
        let name: String = row.get(2)?;
        Ok(Token {
            id: TokenId(row.get(0)?),
            hash: row.get(1)?,
            name: name.into(),
            scopes: Scopes::of_bits(row.get(3)?),
            created_at: Timestamp(row.get(4)?),
            expires_at: time(row.get(5)?),
            last_used_at: time(row.get(6)?),
        })
    })?;
    tokens.collect()
}

fn secrets(connection: &Connection) -> rusqlite::Result<JoinSecrets> {
    let mut select = connection.prepare("SELECT name, id, key, created_at FROM join_secrets")?;
    let secrets = select.query_map([], |row| {
        let secret = JoinSecret { id: row.get(1)?, key: row.get(2)?, created_at: Timestamp(row.get(3)?) };
        Ok((row.get::<_, Box<str>>(0)?, secret))
    })?;
    Ok(JoinSecrets { by_name: secrets.collect::<rusqlite::Result<_>>()? })
}

/// What cannot be right.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut find = |select: &str, what: &str| {
        let mut select = connection.prepare(select)?;
        let mut rows = select.query_map([], |row| row.get::<_, i64>(0))?;
        rows.try_for_each(|id| id.map(|id| findings.push(format!("{what} {id} cannot be one"))))
    };
    // Who was made before one that there is has a smaller number.
    let unsound = "id < 1 OR id > coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)";
    let unsound = |table: &str| unsound.replace('?', &format!("'{table}'"));
    let of_tokens = format!("length(hash) <> 32 OR scopes NOT BETWEEN 1 AND 15 OR {}", unsound("tokens"));
    find(&format!("SELECT id FROM tokens WHERE {of_tokens}"), "the token")?;
    let of_secrets = format!("length(key) <> 32 OR name = '' OR {}", unsound("join_secrets"));
    find(&format!("SELECT id FROM join_secrets WHERE {of_secrets}"), "the secret")?;
    // One is made with the first token or secret.
    let select = "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name IN ('tokens', 'join_secrets'))";
    let is_needed: bool = connection.query_row(select, [], |row| row.get(0))?;
    let select = "SELECT certificate, key FROM authority";
    let read = |row: &rusqlite::Row<'_>| Ok(Authority { certificate: row.get(0)?, key: row.get(1)? });
    match connection.query_row(select, [], read).optional()? {
        None if is_needed => findings.push("the authority is missing that signs the Queen's certificates".into()),
        Some(authority) if authority.issue(&[], Timestamp::now()).is_err() => {
            findings.push("the authority's certificate or key is damaged".into());
        }
        _ => {}
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use web::access::Scope;

    use super::*;
    use crate::store::{Change, Location, check as look};

    fn write(path: &Path, changes: Vec<AccessChange>) -> StoredAccess {
        let mut store = Location::new(path.into()).open().unwrap();
        let changes: Vec<_> = changes.into_iter().map(|change| Change::Access(Box::new(change))).collect();
        store.write(&changes);
        drop(store);
        assert!(look::run(path, &mut Vec::new()).unwrap());
        Location::new(path.into()).open().unwrap().access
    }

    fn token(id: u64) -> AccessChange {
        AccessChange::Token(Token {
            id: TokenId(id),
            hash: [id as u8; 32],
            name: "bees".into(),
            scopes: Scopes::from_iter([Scope::Control]),
            created_at: Timestamp(10),
            expires_at: Some(Timestamp(20)),
            last_used_at: None,
        })
    }

    #[test]
    fn it_is_found_again_as_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let found = write(folder.path(), Vec::new());
        assert!(!found.has_token() && !found.has_secret() && found.authority.is_none() && found.hosts.is_empty());
        let authority = Authority::generate(Timestamp(0)).unwrap();
        let secret = JoinSecret { id: 1, key: [7; 32], created_at: Timestamp(11) };
        let found = write(
            folder.path(),
            vec![
                AccessChange::Host("hive.example".into()),
                AccessChange::Host("hive.example".into()),
                AccessChange::Authority(authority.clone()),
                AccessChange::Secret("drones".into(), secret.clone()),
                token(1),
                token(2),
                AccessChange::Used(vec![(TokenId(1), Timestamp(12)), (TokenId(9), Timestamp(13))]),
            ],
        );
        assert!(found.authority == Some(authority) && found.hosts == ["hive.example"]);
        assert!(found.secrets.by_name.get("drones") == Some(&secret));
        let AccessChange::Token(first) = token(1) else { return };
        assert!(found.tokens[0] == Token { last_used_at: Some(Timestamp(12)), ..first });
        assert_eq!((found.tokens.len(), found.next_token, found.next_secret), (2, 3, 2));
        // That there was one is remembered, and its number is not given again.
        let revoked = [AccessChange::RevokeToken(TokenId(1)), AccessChange::RevokeToken(TokenId(2))];
        let revoked = revoked.into_iter().chain([AccessChange::RevokeSecret(1)]);
        let found = write(folder.path(), revoked.collect());
        assert!(found.tokens.is_empty() && found.secrets.by_name.is_empty());
        assert!((found.has_token(), found.next_token, found.has_secret(), found.next_secret) == (true, 3, true, 2));
    }

    #[test]
    fn what_cannot_be_right_is_found() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), vec![AccessChange::Authority(Authority::generate(Timestamp(0)).unwrap()), token(1)]);
        let database = Connection::open(folder.path().join("hive.db")).unwrap();
        for (damage, said) in [
            ("UPDATE tokens SET hash = x'00'", "the token 1 cannot be one"),
            ("UPDATE sqlite_sequence SET seq = 0", "the token 1 cannot be one"),
            ("UPDATE authority SET certificate = x'00'", "the authority's certificate or key is damaged"),
            ("UPDATE authority SET key = x'00'", "the authority's certificate or key is damaged"),
            ("DELETE FROM authority", "the authority is missing"),
        ] {
            database.execute_batch(damage).unwrap();
            let mut found = Vec::new();
            assert!(!look::run(folder.path(), &mut found).unwrap(), "{damage}");
            assert!(String::from_utf8(found).unwrap().contains(said), "{damage}");
        }
    }
}
