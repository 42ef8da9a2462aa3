//! Who may do what, kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::sync::watch;
use web::access::{Holder, LogEntry, LogFilter, LogPage, NewToken, Scope, SecretView, TokenId, TokenView};
use web::hive::{Access, HiveError};
use web::model::Timestamp;

/// When every token and secret is made.
const MADE: Timestamp = Timestamp(1_700_000_000_000);

/// What it keeps.
#[derive(Default)]
pub struct Kept {
    /// Every token that was made, and itself; that with id 1 is the first. Revoked ones are `None`.
    pub tokens: Vec<Option<(TokenView, String)>>,
    /// The secrets that are valid.
    pub secrets: BTreeMap<String, SecretView>,
    /// The audit trail, oldest first; the number of a line is its index.
    pub log: Vec<LogEntry>,
    /// What every call answers, if anything.
    pub error: Option<HiveError>,
}

/// Tokens and secrets in memory; closed once a token was made.
pub struct FakeAccess {
    kept: Mutex<Kept>,
    changes: watch::Sender<u64>,
}

impl FakeAccess {
    /// Without tokens, and so open.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), changes: watch::Sender::new(0) })
    }

    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// A new token with these scopes, such as `read,submit`: itself.
    pub fn token(&self, name: &str, scopes: &str) -> String {
        let scopes = scopes.split(',').map(|scope| scope.parse::<Scope>().unwrap()).collect();
        self.make(NewToken { name: name.to_owned(), scopes, expires_seconds: None }).unwrap().1
    }

    /// As if its time were over, or somebody else had revoked it.
    pub fn end(&self, id: u64) {
        self.kept().tokens[id as usize - 1] = None;
        self.changed();
    }

    fn make(&self, new: NewToken) -> Result<(TokenView, String), HiveError> {
        self.fails()?;
        let mut kept = self.kept();
        if kept.tokens.iter().flatten().any(|(view, _)| view.name == new.name) {
            return Err(HiveError::Conflict(format!("there is a token {:?} already", new.name)));
        }
        let id = TokenId(kept.tokens.len() as u64 + 1);
        let view = TokenView {
            id,
            name: new.name,
            scopes: new.scopes,
            created_at: MADE,
            expires_at: new.expires_seconds.map(|seconds| Timestamp(MADE.0 + seconds as i64 * 1000)),
            last_used_at: None,
        };
        let token = format!("hive_{id}_{}", "t".repeat(43));
        kept.tokens.push(Some((view.clone(), token.clone())));
        drop(kept);
        self.changed();
        Ok((view, token))
    }

    fn find(&self, is_it: impl Fn(&TokenView, &str) -> bool) -> Option<Arc<Holder>> {
        let kept = self.kept();
        let (view, _) = kept.tokens.iter().flatten().find(|(view, token)| is_it(view, token))?;
        Some(Arc::new(Holder { id: view.id, name: view.name.as_str().into(), scopes: view.scopes }))
    }

    fn fails(&self) -> Result<(), HiveError> {
        self.kept().error.clone().map_or(Ok(()), Err)
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

fn is_wanted(filter: &LogFilter, number: u64, entry: &LogEntry) -> bool {
    let is_target = |target: &String| {
        entry.target.strip_prefix(target.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    (filter.kinds.is_empty() || filter.kinds.contains(&entry.kind))
        && (filter.who.is_none() || filter.who == entry.who)
        && filter.target.as_ref().is_none_or(is_target)
        && filter.since.is_none_or(|since| entry.at >= since)
        && filter.until.is_none_or(|until| entry.at < until)
        && filter.before.is_none_or(|before| number < before)
}

#[async_trait]
impl Access for FakeAccess {
    fn is_closed(&self) -> bool {
        !self.kept().tokens.is_empty()
    }

    fn authenticate(&self, token: &str) -> Option<Arc<Holder>> {
        self.find(|_, one| one == token)
    }

    fn holder(&self, id: TokenId) -> Option<Arc<Holder>> {
        self.find(|view, _| view.id == id)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn tokens(&self) -> Result<Vec<TokenView>, HiveError> {
        self.fails()?;
        Ok(self.kept().tokens.iter().flatten().map(|(view, _)| view.clone()).collect())
    }

    async fn create_token(&self, new: NewToken) -> Result<(TokenView, String), HiveError> {
        self.make(new)
    }

    async fn revoke_token(&self, id: TokenId) -> Result<TokenView, HiveError> {
        self.fails()?;
        let at = (id.0 as usize).checked_sub(1);
        let revoked = at.and_then(|at| self.kept().tokens.get_mut(at)?.take());
        let (view, _) = revoked.ok_or(HiveError::NoToken(id))?;
        self.changed();
        Ok(view)
    }

    async fn secrets(&self) -> Result<Vec<SecretView>, HiveError> {
        self.fails()?;
        Ok(self.kept().secrets.values().cloned().collect())
    }

    async fn create_secret(&self, name: String) -> Result<(SecretView, String), HiveError> {
        self.fails()?;
        let view = SecretView { name: name.clone(), created_at: MADE, drones: 0 };
        let mut kept = self.kept();
        if kept.secrets.contains_key(&name) {
            return Err(HiveError::Conflict(format!("there is a secret {name:?} already")));
        }
        kept.secrets.insert(name.clone(), view.clone());
        drop(kept);
        self.changed();
        Ok((view, format!("# A join file.\nhive-join 1\nsecret {name} {}\n", "5".repeat(64))))
    }

    async fn revoke_secret(&self, name: &str) -> Result<SecretView, HiveError> {
        self.fails()?;
        let revoked = self.kept().secrets.remove(name);
        let view = revoked.ok_or_else(|| HiveError::NoSecret(name.to_owned()))?;
        self.changed();
        Ok(view)
    }

    async fn log(&self, filter: LogFilter) -> Result<LogPage, HiveError> {
        self.fails()?;
        let kept = self.kept();
        let numbered = kept.log.iter().enumerate().rev().map(|(at, entry)| (at as u64, entry));
        let mut found: Vec<_> = numbered.filter(|(number, entry)| is_wanted(&filter, *number, entry)).collect();
        let has_more = found.len() > filter.limit;
        found.truncate(filter.limit);
        let next = found.last().filter(|_| has_more).map(|(number, _)| *number);
        Ok(LogPage { entries: found.into_iter().map(|(_, entry)| entry.clone()).collect(), next })
    }
}
