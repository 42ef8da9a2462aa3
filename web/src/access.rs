//! Who may do what: scopes, tokens, and who asks.
//!
//! A Hive without tokens is open: whoever reaches it may do everything. Once a token was made she is closed
//! for good, and every request says by a token, or by a session that was begun with one, who asks.

mod caller;
mod log;
mod scope;
mod secret;
mod token;

pub use self::caller::{Caller, Holder, Owner};
pub use self::log::{LogEntry, LogFilter, LogKind, LogPage};
pub use self::scope::{Scope, ScopeError, Scopes};
pub use self::secret::SecretView;
pub use self::token::{EXPIRES_MAX, NAME_MAX, NewToken, NewTokenError, TokenId, TokenView};
