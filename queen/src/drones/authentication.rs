//! Who wants to be let in proves that it knows a secret, where there are secrets.

use std::sync::Arc;

use tokio::sync::watch;
use wire::frame;
use wire::greeting::Greeting;
use wire::handshake::{FromDrone, FromQueen};
use wire::preface::Role;
use wire::proof::Keys;

use super::disconnect::Disconnect;
use super::frames::hear;
use crate::access::JoinSecrets;

/// What is proved on one connection.
pub(super) struct Authenticator<'a> {
    pub(super) secrets: &'a watch::Receiver<Arc<JoinSecrets>>,
    /// SHA-256 of the certificate that the Drone was shown.
    pub(super) leaf: [u8; 32],
}

/// A Drone that has proved to know a secret.
pub(super) struct Authenticated {
    /// The secret's number.
    pub(super) secret: u64,
    /// With which the Queen proves that she knows it, too.
    pub(super) keys: Keys,
}

impl Authenticator<'_> {
    /// Asks the Drone for its proof.
    pub(super) async fn challenge(&self, greeting: &mut Greeting) -> Result<Authenticated, Disconnect> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)?;
        greeting.say(&FromQueen::Challenge { nonce }).await?;
        let body = hear(greeting).await?;
        let FromDrone::Proof { secret, mac } = frame::decode(&body)? else {
            return Err(Disconnect::Refused("the second message has to be a proof".into()));
        };
        let known = self.secrets.borrow().by_name.get(secret).cloned();
        // A name that nobody has takes as long as a wrong mac, and is told the same.
        let keys = Keys { secret: known.as_ref().map_or([0; 32], |known| known.key), leaf: self.leaf };
        let proves = greeting.proves(&mac, Role::Drone, &keys);
        let known = known.filter(|_| proves).ok_or_else(unknown)?;
        Ok(Authenticated { secret: known.id, keys })
    }

    /// Whether a secret was not revoked meanwhile.
    ///
    /// # Errors
    /// If it was.
    pub(super) fn check(&self, secret: u64) -> Result<(), Disconnect> {
        if self.secrets.borrow().has(secret) { Ok(()) } else { Err(unknown()) }
    }
}

/// Why a Drone is not let in.
fn unknown() -> Disconnect {
    let reason = "the secret of its join file is not valid here: it was revoked, or the file is of another Hive; \
                  `queen secret create` makes another one, with which the drone is started again";
    Disconnect::Refused(reason.into())
}
