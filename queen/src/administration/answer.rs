//! Doing what the commands ask for, by a Queen who runs or by the command itself.

use std::time::Duration;

use tokio::time::timeout;
use web::access::{NewToken, SecretView, TokenId, TokenView};
use web::hive::{Access, Action, By, Deed, Hive, HiveError};

use super::request::{Reply, Request};
use crate::hive::SharedHive;

/// How long it is waited until a revocation is on disk, before it is said that it is not.
const DURABLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Does what is asked for, and tells the operator and the audit trail. `is_serving`: her ports are in use.
pub async fn answer(hive: &SharedHive, request: Request, is_serving: bool) -> Reply {
    let done = match request {
        Request::CreateToken { name, scopes, expires_seconds } => {
            let new = NewToken { name, scopes: scopes.into_iter().collect(), expires_seconds };
            let about = format!("token {:?}", new.name);
            let made = hive.create_token(new).await.map(|(view, text)| (view.label(), text));
            made_of(hive, made, Action::CreateToken, about, is_serving).await
        }
        Request::ListTokens => hive.tokens().await.map(|tokens| Reply::List(token_list(tokens))),
        Request::RevokeToken(which) => revoke_token(hive, which).await,
        Request::CreateSecret(name) => {
            let about = format!("secret {name:?}");
            let made = hive.create_secret(name).await.map(|(view, file)| (format!("secret {}", view.name), file));
            made_of(hive, made, Action::CreateSecret, about, is_serving).await
        }
        Request::ListSecrets => hive.secrets().await.map(|secrets| Reply::List(secret_list(secrets))),
        Request::RevokeSecret(name) => {
            let revoking = async { hive.revoke_secret(&name).await.map(drop) };
            revoked(hive, Action::RevokeSecret, format!("secret {name}"), revoking).await
        }
    };
    done.unwrap_or_else(|error| Reply::Refused(error.to_string()))
}

async fn made_of(
    hive: &SharedHive,
    made: Result<(String, String), HiveError>,
    action: Action,
    about: String,
    is_serving: bool,
) -> Result<Reply, HiveError> {
    tell(hive, action, made.as_ref().map_or(about, |(what, _)| what.clone()), &made);
    let (what, text) = made?;
    Ok(Reply::Made { what, text, restart: is_serving && hive.is_outdated().await })
}

async fn revoke_token(hive: &SharedHive, which: String) -> Result<Reply, HiveError> {
    let mut tokens = hive.tokens().await?;
    tokens.extend(hive.tokens_being_revoked());
    let by_number = which.parse().ok().and_then(|id| tokens.iter().find(|token| token.id == TokenId(id)));
    let Some(token) = by_number.or_else(|| tokens.iter().find(|token| token.name == which)) else {
        return Err(HiveError::Invalid(format!(
            "there is no token {which:?}: `queen token list` names those there are"
        )));
    };
    let revoking = async { hive.revoke_token(token.id).await.map(drop) };
    revoked(hive, Action::RevokeToken, token.label(), revoking).await
}

/// What is revoked is not valid any more at once, though its record may wait for the disk.
async fn revoked(
    hive: &SharedHive,
    action: Action,
    what: String,
    revoking: impl Future<Output = Result<(), HiveError>>,
) -> Result<Reply, HiveError> {
    let Ok(done) = timeout(DURABLE_TIMEOUT, revoking).await else {
        tell(hive, action, what.clone(), &Ok(()));
        return Ok(Reply::Refused(format!(
            "{what} is revoked, but the disk takes no writes: it would be valid again if the Queen ended now. The same \
             command waits for the disk again"
        )));
    };
    tell(hive, action, what.clone(), &done);
    done.map(|()| Reply::Revoked(what))
}

/// Tells the operator and the audit trail. Who asks here has no token and no address.
fn tell<T>(hive: &SharedHive, action: Action, target: String, done: &Result<T, HiveError>) {
    let refused = done.as_ref().err().map(HiveError::to_string);
    hive.tell(Deed { by: By::default(), action, target, refused });
}

fn token_list(tokens: Vec<TokenView>) -> Vec<Vec<String>> {
    let heading = ["ID", "NAME", "SCOPES", "MADE", "EXPIRES", "LAST USED"].map(str::to_owned).to_vec();
    let line = |token: TokenView| {
        let or = |time: Option<_>, else_: &str| {
            time.map_or(else_.to_owned(), |time: web::model::Timestamp| time.to_string())
        };
        let (expires, used) = (or(token.expires_at, "never"), or(token.last_used_at, "never"));
        vec![token.id.to_string(), token.name, token.scopes.to_string(), token.created_at.to_string(), expires, used]
    };
    [heading].into_iter().chain(tokens.into_iter().map(line)).collect()
}

fn secret_list(secrets: Vec<SecretView>) -> Vec<Vec<String>> {
    let heading = ["NAME", "MADE", "DRONES"].map(str::to_owned).to_vec();
    let line = |secret: SecretView| vec![secret.name, secret.created_at.to_string(), secret.drones.to_string()];
    [heading].into_iter().chain(secrets.into_iter().map(line)).collect()
}
