//! Who may do what: scopes, tokens, and who asks.
//!
//! A Hive without tokens is open: whoever reaches it may do everything. Once a token was made she is closed
//! for good, and every request says by a token, or by a session that was begun with one, who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::watch;
use utoipa::ToSchema;
use wire::text::is_hidden;

use crate::hive::HiveError;
use crate::model::Timestamp;

/// A token's number; no other one ever has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u64);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a token may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See everything: tasks and results of all, Drones, statistics, events.
    Read,
    /// Submit tasks; see its own ones and their results; cancel, pause, resume, retry, change and delete them.
    Submit,
    /// [`Read`](Self::Read) and [`Submit`](Self::Submit), and do to everybody's tasks and to Drones what can be done.
    Control,
    /// [`Control`](Self::Control), and say who may do what: tokens, the Drones' secrets, sessions, the audit trail.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Control, Self::Admin];

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Control => "control",
            Self::Admin => "admin",
        }
    }

    /// Its own bit, and those of the scopes that it includes.
    fn bits(self) -> u8 {
        match self {
            Self::Read => 0b0001,
            Self::Submit => 0b0010,
            Self::Control => 0b0111,
            Self::Admin => 0b1111,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that is no [`Scope`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is read, submit, control or admin")]
pub struct ScopeError;

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(name: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.name() == name).ok_or(ScopeError)
    }
}

/// A set of scopes, with all that they include.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self(0b1111);

    /// Whether `scope` is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bits() == scope.bits()
    }

    /// Those that are not included in another one, which say all there is to say.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        let included = move |scope: Scope| {
            let wider = |other: Scope| other != scope && other.bits() & scope.bits() == scope.bits();
            Scope::ALL.into_iter().any(|other| wider(other) && self.has(other))
        };
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope) && !included(*scope))
    }

    /// As a number, for a row.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Of what [`bits`](Self::bits) gave; bits without a meaning are dropped.
    pub fn of_bits(bits: u8) -> Self {
        Scope::ALL.into_iter().filter(|scope| bits & scope.bits() == scope.bits()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bits()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.pad(&names.join(", "))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Scope>::deserialize(deserializer).map(|scopes| scopes.into_iter().collect())
    }
}

/// Whose a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The token that it was submitted with.
    pub token: TokenId,
    /// What that is called.
    pub name: Arc<str>,
}

/// A token that is valid, as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub id: TokenId,
    /// For people.
    pub name: Arc<str>,
    /// What it may be used for.
    pub scopes: Scopes,
}

/// Who sends a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who showed no token, where one is needed.
    #[default]
    Unknown,
    /// Anybody at all, where no token is needed.
    Anyone,
    /// Who has this token.
    Holder(Arc<Holder>),
}

impl Caller {
    /// Whether they may do what `scope` is for.
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Unknown => false,
            Self::Anyone => true,
            Self::Holder(holder) => holder.scopes.has(scope),
        }
    }

    /// The token that they showed.
    pub fn holder(&self) -> Option<&Arc<Holder>> {
        match self {
            Self::Holder(holder) => Some(holder),
            Self::Unknown | Self::Anyone => None,
        }
    }

    /// Whose the tasks are that they submit.
    pub fn owner(&self) -> Option<Owner> {
        self.holder().map(|holder| Owner { token: holder.id, name: Arc::clone(&holder.name) })
    }

    /// The token whose tasks are all that they may see; `None` if they see everybody's.
    pub fn only_own(&self) -> Option<TokenId> {
        self.holder().filter(|holder| !holder.scopes.has(Scope::Read)).map(|holder| holder.id)
    }

    /// Whether they may see a task of this owner.
    pub fn sees(&self, owner: Option<TokenId>) -> bool {
        *self != Self::Unknown && self.only_own().is_none_or(|own| owner == Some(own))
    }

    /// Whether they may change a task of this owner: everybody's by `control`, their own by `submit`.
    pub fn controls(&self, owner: Option<TokenId>) -> bool {
        let is_own = || owner.is_some() && owner == self.holder().map(|holder| holder.id);
        self.may(Scope::Control) || self.may(Scope::Submit) && is_own()
    }
}

/// The longest name of a token or a secret, in characters.
pub const NAME_MAX: usize = 64;

/// Whether this may be a token's name: 1 to [`NAME_MAX`] characters that can be seen, as it stands beside what is done
/// with the token; without spaces around it, and no number, which would be taken for another token's.
pub fn is_token_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.chars().count())
        && !name.chars().any(|char| char.is_control() || is_hidden(char))
        && name.trim() == name
        && name.parse::<u64>().is_err()
}

/// The longest that a token may be valid if it expires, in seconds: ten years.
pub const EXPIRES_MAX: u64 = 315_360_000;

/// A token that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// For people, see [`is_token_name`]; another valid one of this name is a conflict.
    pub name: String,
    /// What it may be used for; not empty.
    pub scopes: Scopes,
    /// After how many seconds it is not valid any more, at most [`EXPIRES_MAX`]; never if `None`.
    pub expires_seconds: Option<u64>,
}

/// A token as users see it: not what it is, which is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Its number.
    #[schema(value_type = u64)]
    pub id: TokenId,
    /// For people.
    pub name: String,
    /// What it may be used for.
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not valid any more.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

/// A secret that Drones prove to know, as users see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Secret)]
pub struct SecretView {
    /// By which Drones name it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many connected Drones came with it.
    pub drones: u64,
}

/// What something in the audit trail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Somebody did something to a task or a Drone.
    Control,
    /// Somebody changed who may do what.
    Administration,
    /// A session was begun or ended.
    Session,
    /// A token was refused for which a scope lacks.
    Refusal,
    /// Somebody showed what is no token, at the login or with a request.
    Guess,
}

impl LogKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Control, Self::Administration, Self::Session, Self::Refusal, Self::Guess];

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Administration => "administration",
            Self::Session => "session",
            Self::Refusal => "refusal",
            Self::Guess => "guess",
        }
    }
}

/// A line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// When; of those that were alike, the last one.
    pub at: Timestamp,
    /// What it is about.
    pub kind: LogKind,
    /// The name of the token; `None` where there was none.
    pub who: Option<String>,
    /// The address that the request came from; `None` on the Queen's own machine.
    pub address: Option<String>,
    /// What was done, such as `cancel`.
    pub action: String,
    /// To what, such as `task 7 (bees)`.
    pub target: String,
    /// What came of it: `done`, or why not.
    pub outcome: String,
    /// How the request was called that did it; `None` if it was none of HTTP.
    pub request_id: Option<String>,
    /// How many that were alike, within ten minutes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

/// Which lines of the audit trail are to be shown, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only these.
    pub kind: Option<LogKind>,
    /// Only those of the token with this name.
    pub who: Option<String>,
    /// Only those whose target is this, or begins so and goes on behind a space: `task 7` finds `task 7 (bees)`.
    pub target: Option<String>,
    /// Only those at this moment or later.
    pub since: Option<Timestamp>,
    /// Only those before this moment.
    pub until: Option<Timestamp>,
    /// Only those with a smaller number, which a page gave as [`LogPage::next`].
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A part of the audit trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Newest first.
    pub entries: Vec<LogEntry>,
    /// Where the next part begins, if there is more.
    pub next: Option<u64>,
}

/// Says who may do what, and keeps it.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// Whether requests need a token: one was made once.
    fn is_closed(&self) -> bool;

    /// Who shows this token; `None` if it is none, or none any more. It counts as used.
    fn authenticate(&self, token: &str) -> Option<Arc<Holder>>;

    /// The token with this number, as long as it is valid.
    fn holder(&self, id: TokenId) -> Option<Arc<Holder>>;

    /// Changes whenever a token or a secret is made or revoked: what was asked of [`holder`](Self::holder)
    /// may be otherwise then.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The valid tokens, the oldest first.
    async fn tokens(&self) -> Result<Vec<TokenView>, HiveError>;

    /// Makes a token: how it is seen, and itself, which is not kept. Answers when it is on disk.
    async fn create_token(&self, new: NewToken) -> Result<(TokenView, String), HiveError>;

    /// Revokes a token, at once; answers when that is on disk.
    async fn revoke_token(&self, id: TokenId) -> Result<TokenView, HiveError>;

    /// The Drones' secrets, by name.
    async fn secrets(&self) -> Result<Vec<SecretView>, HiveError>;

    /// Makes a secret: how it is seen, and the join file that Drones need. Answers when it is on disk.
    async fn create_secret(&self, name: String) -> Result<(SecretView, String), HiveError>;

    /// Revokes a secret, at once: connections that came with it end, and so do their leases. Answers when
    /// that is on disk.
    async fn revoke_secret(&self, name: &str) -> Result<SecretView, HiveError>;

    /// The audit trail.
    async fn log(&self, filter: LogFilter) -> Result<LogPage, HiveError>;
}

/// Nobody needs a token, and none can be made: nothing is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

/// Why no token or secret is made.
fn unkept() -> HiveError {
    HiveError::Conflict("this Queen keeps nothing on disk, so that there are no tokens and no secrets".into())
}

#[async_trait]
impl Access for Open {
    fn is_closed(&self) -> bool {
        false
    }

    fn authenticate(&self, _: &str) -> Option<Arc<Holder>> {
        None
    }

    fn holder(&self, _: TokenId) -> Option<Arc<Holder>> {
        None
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn tokens(&self) -> Result<Vec<TokenView>, HiveError> {
        Ok(Vec::new())
    }

    async fn create_token(&self, _: NewToken) -> Result<(TokenView, String), HiveError> {
        Err(unkept())
    }

    async fn revoke_token(&self, id: TokenId) -> Result<TokenView, HiveError> {
        Err(HiveError::NoToken(id))
    }

    async fn secrets(&self) -> Result<Vec<SecretView>, HiveError> {
        Ok(Vec::new())
    }

    async fn create_secret(&self, _: String) -> Result<(SecretView, String), HiveError> {
        Err(unkept())
    }

    async fn revoke_secret(&self, name: &str) -> Result<SecretView, HiveError> {
        Err(HiveError::NoSecret(name.to_owned()))
    }

    async fn log(&self, _: LogFilter) -> Result<LogPage, HiveError> {
        Ok(LogPage::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(names: &str) -> Scopes {
        names.split(',').map(|name| name.parse::<Scope>().unwrap()).collect()
    }

    #[test]
    fn scopes_include_others() {
        assert!(scopes("admin").has(Scope::Control) && scopes("control").has(Scope::Submit));
        assert!(scopes("control").has(Scope::Read) && !scopes("control").has(Scope::Admin));
        assert!(!scopes("submit").has(Scope::Read) && !scopes("read").has(Scope::Submit));
        assert!(!scopes("read,submit").has(Scope::Control), "two small ones are not the wide one");
        assert_eq!(scopes("read,admin").to_string(), "admin");
        assert_eq!(scopes("submit,read").to_string(), "read, submit");
        for each in [scopes("read"), scopes("submit"), scopes("read,submit"), scopes("control"), Scopes::ALL] {
            assert_eq!(Scopes::of_bits(each.bits()), each);
        }
        assert_eq!(Scopes::of_bits(0b1000), Scopes::default(), "no scope is its own bit alone");
    }

    #[test]
    fn names_of_tokens_can_be_told_apart() {
        for name in ["ci", "Maja's laptop", "büro 2", &"x".repeat(NAME_MAX)] {
            assert!(is_token_name(name), "{name}");
        }
        for name in ["", " ci", "ci ", "7", "a\nb", "c\u{200b}i", "\u{202e}ci", &"x".repeat(NAME_MAX + 1)] {
            assert!(!is_token_name(name), "{name:?}");
        }
    }

    #[test]
    fn who_submits_sees_and_controls_their_own() {
        let caller =
            |names: &str| Caller::Holder(Arc::new(Holder { id: TokenId(7), name: "ci".into(), scopes: scopes(names) }));
        let (own, other) = (Some(TokenId(7)), Some(TokenId(8)));
        let sees = |caller: &Caller| [own, other, None].map(|owner| caller.sees(owner));
        let controls = |caller: &Caller| [own, other, None].map(|owner| caller.controls(owner));
        assert_eq!(sees(&caller("submit")), [true, false, false]);
        assert_eq!(controls(&caller("submit")), [true, false, false]);
        assert_eq!(sees(&caller("read")), [true; 3]);
        assert_eq!(controls(&caller("read")), [false; 3]);
        assert_eq!(controls(&caller("read,submit")), [true, false, false]);
        assert_eq!(controls(&caller("control")), [true; 3]);
        assert_eq!((sees(&Caller::Anyone), controls(&Caller::Anyone)), ([true; 3], [true; 3]));
        assert_eq!((sees(&Caller::Unknown), controls(&Caller::Unknown)), ([false; 3], [false; 3]));
    }
}
