//! Who may do what, as the control plane and the Queen's own machine say it.
//!
//! What is made is valid when it is on disk; what is revoked ends at once, and who asked is answered when that
//! is on disk.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drone::story;
use tokio::sync::watch;
use web::access::{Holder, LogFilter, LogPage, NewToken, Scope, Scopes, SecretView, TokenId, TokenView};
use web::hive::{Access, Action, By, Deed, HiveError, Open};
use wire::join;

use super::making::{Made, Making};
use super::refusal::stopping;
use super::shared::SharedHive;
use crate::access::grants::{MAX_SECRETS, MAX_TOKENS};
use crate::access::{JoinSecret, JoinSecrets};
use crate::store::{AccessChange, Ack, Change, publish_authority};

/// How often the times of tokens' last use are written, and it is told that some have expired.
const WRITTEN: Duration = Duration::from_secs(60);

/// How soon to look again whether the disk takes a change that it refused.
const DISK_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// What the first secret and the first token are called.
const FIRST_SECRET: &str = "drones";
const FIRST_TOKEN: &str = "admin";

impl SharedHive {
    /// The secrets that are valid.
    pub fn join_secrets(&self) -> watch::Receiver<Arc<JoinSecrets>> {
        self.inner.grants.secrets()
    }

    /// Leaves all tasks on disk as they are: only who may do what is to be changed.
    pub fn leave_tasks(&self) {
        self.lock().recovering = None;
    }

    /// Whether something was made since the Queen started that her ports know of from her next start on: TLS, or
    /// that Drones need a secret.
    pub async fn is_outdated(&self) -> bool {
        let making = self.inner.making.lock().await;
        making.authority.is_some() && !making.had_authority || making.next_secret > 1 && !making.had_secret
    }

    /// Makes what a new Hive needs: names, the authority, a secret for Drones, and a token that may do everything.
    /// Tells the audit trail, and returns the join file and the token.
    ///
    /// # Errors
    /// If any of it was ever made, a name cannot be one, or it cannot be written.
    pub async fn set_up(&self, hosts: &[String]) -> Result<(String, String), HiveError> {
        let mut making = self.inner.making.lock().await;
        if making.authority.is_some() || making.next_token > 1 || making.next_secret > 1 {
            return Err(HiveError::Conflict("it is set up already".into()));
        }
        let (mut made, now) = (Made::default(), self.now().at);
        hosts.iter().for_each(|host| made.write(AccessChange::Host(host.clone())));
        let (secret, file) = made.secret(&making, FIRST_SECRET, now)?;
        let scopes = Scopes::from_iter([Scope::Admin]);
        let admin = NewToken { name: FIRST_TOKEN.into(), scopes, expires_seconds: None };
        let (token, text) = made.token(&making, admin, now)?;
        self.persist(&mut making, made).await?;
        for (action, target) in
            [(Action::CreateSecret, format!("secret {}", secret.name)), (Action::CreateToken, token.label())]
        {
            self.log_deed(Deed { by: By::default(), action, target, refused: None });
        }
        Ok((file, text))
    }

    /// Makes a token; see [`Access::create_token`].
    async fn make_token(&self, new: NewToken) -> Result<(TokenView, String), HiveError> {
        let is_first = !self.inner.grants.is_closed();
        new.check(is_first).map_err(|error| HiveError::Invalid(error.to_string()))?;
        let mut making = self.inner.making.lock().await;
        let (mut made, now) = (Made::default(), self.now().at);
        let grants = &self.inner.grants;
        let valid = grants.tokens(now);
        if let Some(other) = valid.iter().find(|token| token.name == new.name) {
            let reason = format!("there is a token {:?} already, number {}: revoke it first", other.name, other.id);
            return Err(HiveError::Conflict(reason));
        }
        if valid.len() >= MAX_TOKENS {
            return Err(HiveError::Conflict(format!("there are {MAX_TOKENS} tokens already: revoke some")));
        }
        let expired = grants.expired(now);
        expired.iter().for_each(|id| made.write(AccessChange::RevokeToken(*id)));
        made.authority(&making, now)?;
        let (view, text) = made.token(&making, new, now)?;
        self.persist(&mut making, made).await?;
        expired.into_iter().for_each(|id| drop(grants.remove_token(id)));
        Ok((view, text))
    }

    /// Makes a secret; see [`Access::create_secret`].
    async fn make_secret(&self, name: &str) -> Result<(SecretView, String), HiveError> {
        join::check_name(name).map_err(|error| HiveError::Invalid(error.to_string()))?;
        let mut making = self.inner.making.lock().await;
        let (mut made, now) = (Made::default(), self.now().at);
        let secrets = Arc::clone(&self.join_secrets().borrow());
        if secrets.by_name.contains_key(name) {
            return Err(HiveError::Conflict(format!("there is a secret {name:?} already: revoke it first")));
        }
        if secrets.by_name.len() >= MAX_SECRETS {
            return Err(HiveError::Conflict(format!("there are {MAX_SECRETS} secrets already: revoke some")));
        }
        let made_secret = made.secret(&making, name, now)?;
        self.persist(&mut making, made).await?;
        Ok(made_secret)
    }

    /// Tokens that were revoked, which is not on disk yet.
    pub fn tokens_being_revoked(&self) -> Vec<TokenView> {
        self.lock().revoking.tokens.values().cloned().collect()
    }

    /// Revokes a token; see [`Access::revoke_token`]. What was revoked already is revoked once more until that is on
    /// disk, so that nobody is told before that it is done.
    async fn end_token(&self, id: TokenId) -> Result<TokenView, HiveError> {
        let revoked = {
            let mut state = self.lock();
            if let Some(view) = self.inner.grants.remove_token(id) {
                state.revoking.tokens.insert(id, view);
            }
            state.revoking.tokens.get(&id).cloned().ok_or(HiveError::NoToken(id))?
        };
        self.write_revocation(AccessChange::RevokeToken(id)).await?;
        self.lock().revoking.tokens.remove(&id);
        Ok(revoked)
    }

    /// Revokes a secret, as [`end_token`](Self::end_token) does a token; see [`Access::revoke_secret`].
    async fn end_secret(&self, name: &str) -> Result<SecretView, HiveError> {
        let secret = self.join_secrets().borrow().by_name.get(name).map(|secret| secret.id);
        let drones = secret.map_or(0, |id| self.drones_of_secret(id));
        let (id, view) = {
            let mut state = self.lock();
            if let Some(JoinSecret { id, created_at, .. }) = self.inner.grants.remove_secret(name) {
                let view = SecretView { name: name.into(), created_at, drones };
                state.revoking.secrets.insert(name.into(), (id, view));
            }
            state.revoking.secrets.get(name).cloned().ok_or_else(|| HiveError::NoSecret(name.into()))?
        };
        self.write_revocation(AccessChange::RevokeSecret(id)).await?;
        self.lock().revoking.secrets.retain(|_, (revoked, _)| *revoked != id);
        Ok(view)
    }

    /// Writes when tokens were used, and tells of those that have expired, until the future is dropped.
    pub async fn run_token_upkeep(&self) {
        loop {
            self.pass(WRITTEN).await;
            self.inner.grants.tell_expired(self.now().at);
            let used = self.inner.grants.take_used();
            if !used.is_empty()
                && let Ok(slot) = self.slot(0).await
            {
                // Nobody waits for it: what is lost with the Queen is a minute.
                self.change_durably(slot, |state, _| {
                    state.outgoing.push(Change::Access(Box::new(AccessChange::Used(used))));
                });
            }
        }
    }

    /// Writes what was made; when it is on disk it is valid. What the disk does not take now it may take later,
    /// when nobody has it: then it is revoked.
    async fn persist(&self, making: &mut Making, made: Made) -> Result<(), HiveError> {
        self.admit_change()?;
        let slot = self.prompt_slot().await?;
        made.enter(making);
        let Made { changes, token, secret, authority } = made;
        let ((), ack) =
            self.change_durably(slot, |state, _| changes.into_iter().for_each(|change| state.outgoing.push(change)));
        if let Err(error) = self.durable(ack).await {
            let hive = self.clone();
            let ended = token.map(|token| AccessChange::RevokeToken(token.id));
            let ended = ended.into_iter().chain(secret.map(|(_, secret)| AccessChange::RevokeSecret(secret.id)));
            let ended: Vec<_> = ended.collect();
            tokio::spawn(async move {
                if hive.settle(None).await.is_ok() {
                    for change in ended {
                        // If the Queen stops before that, it is in the list of tokens, and people can revoke it.
                        let _ = hive.write_revocation(change).await;
                    }
                }
            });
            return Err(error);
        }
        if let Some(token) = token {
            self.inner.grants.add_token(token);
        }
        if let Some((name, secret)) = secret {
            self.inner.grants.add_secret(name, secret);
        }
        if let (Some(authority), Some(directory)) = (authority, self.inner.disk.directory.clone()) {
            let published = tokio::task::spawn_blocking(move || publish_authority(&directory, &authority.pem())).await;
            if let Ok(Err(error)) = published {
                tracing::warn!(%error, "the authority's certificate is not there for others to find");
            }
        }
        Ok(())
    }

    /// Writes that something was revoked; returns when that is on disk, however long the disk takes no writes.
    async fn write_revocation(&self, change: AccessChange) -> Result<(), HiveError> {
        let slot = self.inner.disk.journal.relief_slot().await.map_err(|_| stopping())?;
        let ((), ack) = self.change_durably(slot, |state, _| state.outgoing.push(Change::Access(Box::new(change))));
        self.settle(ack).await
    }

    /// Waits until all that was to be written so far is on disk, however long the disk takes no writes.
    async fn settle(&self, mut ack: Option<Ack>) -> Result<(), HiveError> {
        loop {
            if let Some(ack) = ack.take() {
                match ack.await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(_)) => tokio::time::sleep(DISK_RETRY_INTERVAL).await,
                    Err(_) => return Err(stopping()),
                }
            }
            // The journal keeps what it could not write, and writes it before an entry that comes now.
            let slot = self.slot(0).await.map_err(|_| stopping())?;
            ack = Some(slot.enter(Vec::new(), None));
        }
    }

    /// Carries `work` out to its end, also when who asked for it is gone, so that what is known agrees with the disk.
    async fn surely<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, HiveError>> + Send + 'static,
    ) -> Result<T, HiveError> {
        drop(self.serving()?);
        let done = tokio::spawn(work).await.map_err(|_| stopping())?;
        if done.is_ok() && self.is_outdated().await {
            story!("🔐", "Start the Queen again: what was made counts in full from her next start on (TLS, secrets)");
        }
        done
    }
}

#[async_trait]
impl Access for SharedHive {
    fn is_closed(&self) -> bool {
        self.inner.grants.is_closed()
    }

    fn authenticate(&self, token: &str) -> Option<Arc<Holder>> {
        self.inner.grants.authenticate(token, self.now().at)
    }

    fn holder(&self, id: TokenId) -> Option<Arc<Holder>> {
        self.inner.grants.holder(id, self.now().at)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.grants.changes()
    }

    async fn tokens(&self) -> Result<Vec<TokenView>, HiveError> {
        Ok(self.inner.grants.tokens(self.now().at))
    }

    async fn create_token(&self, new: NewToken) -> Result<(TokenView, String), HiveError> {
        if self.inner.disk.directory.is_none() {
            return Open.create_token(new).await;
        }
        let hive = self.clone();
        self.surely(async move { hive.make_token(new).await }).await
    }

    async fn revoke_token(&self, id: TokenId) -> Result<TokenView, HiveError> {
        let hive = self.clone();
        self.surely(async move { hive.end_token(id).await }).await
    }

    async fn secrets(&self) -> Result<Vec<SecretView>, HiveError> {
        let secrets = Arc::clone(&self.join_secrets().borrow());
        let views = secrets.by_name.iter().map(|(name, secret)| SecretView {
            name: name.to_string(),
            created_at: secret.created_at,
            drones: self.drones_of_secret(secret.id),
        });
        Ok(views.collect())
    }

    async fn create_secret(&self, name: String) -> Result<(SecretView, String), HiveError> {
        if self.inner.disk.directory.is_none() {
            return Open.create_secret(name).await;
        }
        let hive = self.clone();
        self.surely(async move { hive.make_secret(&name).await }).await
    }

    async fn revoke_secret(&self, name: &str) -> Result<SecretView, HiveError> {
        let (hive, name) = (self.clone(), name.to_owned());
        self.surely(async move { hive.end_secret(&name).await }).await
    }

    async fn log(&self, filter: LogFilter) -> Result<LogPage, HiveError> {
        self.read_log(filter).await
    }
}
