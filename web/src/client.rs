//! Who sends a request, and from where.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri};

use crate::access::Caller;
use crate::config::Config;
use crate::entrance::{Entrance, LoginError, cookie};
use crate::error::{Problem, shown};
use crate::hive::{Action, By, Deed, Hive};
use crate::limits::{Allowance, Limiter};
use crate::places::Place;
use crate::proxies::{self, Start};
use crate::request_id::RequestId;
use crate::session::SessionId;
use crate::told::Told;

/// The connection that a request comes over; the default is none, of what comes over no network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// The other end.
    pub(crate) peer: Option<SocketAddr>,
    /// Its place.
    pub(crate) place: Place,
}

/// Who sends a request. Each request has one in its extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    /// Where it comes from, as far as that is known.
    pub(crate) address: Option<IpAddr>,
    /// It came over TLS, here or as far as a proxy that is trusted.
    pub(crate) is_secure: bool,
    /// The place of its connection.
    pub(crate) place: Place,
    /// What they have shown of who they are.
    pub(crate) caller: Caller,
    /// The session in which they ask.
    pub(crate) session: Option<SessionId>,
    /// What they may ask for.
    pub(crate) allowance: Allowance,
    /// How the request is called.
    pub(crate) request: RequestId,
    /// What the page that they ask for is to tell them.
    pub(crate) told: Option<Told>,
}

impl Client {
    /// Who sends a request over that connection, before it is known what they show.
    pub(crate) fn at(config: &Config, connection: &Connection, request: RequestId, headers: &HeaderMap) -> Self {
        let peer = connection.peer.map(|peer| peer.ip());
        let Start { address, is_secure } = proxies::start(&config.trusted_proxies, peer, config.tls.is_some(), headers);
        let told = Told::read(headers, is_secure);
        Self { address, is_secure, place: connection.place.clone(), request, told, ..Self::default() }
    }

    /// With what they show: a token, or the cookie of a session that was begun with one.
    ///
    /// # Errors
    /// If it is a token that is none.
    pub(crate) fn known(
        mut self,
        entrance: &Entrance,
        limiter: &Limiter,
        hive: &dyn Hive,
        request: &Request,
    ) -> Result<Self, Problem> {
        match bearer(request.headers())? {
            Some(token) => match entrance.authenticate(token) {
                Some(holder) => self.caller = Caller::Holder(holder),
                None => {
                    limiter.allowance(&Caller::Unknown, self.address).request(false)?;
                    let (request, detail) = ((request.method(), request.uri()), LoginError::NoToken.to_string());
                    return Err(self.refused(hive, request, StatusCode::UNAUTHORIZED, detail));
                }
            },
            None if !entrance.is_closed() => self.caller = Caller::Anyone,
            None => self.resume(entrance, request.headers()),
        }
        self.allowance = limiter.allowance(&self.caller, self.address);
        Ok(self)
    }

    /// Goes on with the session that a request's cookie names, if its token is still valid.
    fn resume(&mut self, entrance: &Entrance, headers: &HeaderMap) {
        let secret = cookie::read(headers, self.is_secure);
        let Some(session) = secret.and_then(|secret| entrance.session(&secret)) else { return };
        match entrance.holder(session.token) {
            Some(holder) => (self.caller, self.session) = (Caller::Holder(holder), Some(session.id)),
            None => _ = entrance.end(session.id),
        }
    }

    /// Whether what they showed still counts.
    pub(crate) fn is_still_known(&self, entrance: &Entrance) -> bool {
        match &self.caller {
            Caller::Unknown => false,
            Caller::Anyone => !entrance.is_closed(),
            Caller::Holder(holder) => {
                entrance.holder(holder.id).is_some() && self.session.is_none_or(|id| entrance.is_open(id))
            }
        }
    }

    /// Resolves when what they showed was revoked or ended. That it has expired is seen when it is looked.
    pub(crate) async fn forgotten(&self, entrance: &Entrance) {
        let mut changes = entrance.changes();
        while self.is_still_known(entrance) {
            changes.next().await;
        }
    }

    /// Who sends the request that has these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Who it is, in the words of the audit trail.
    pub(crate) fn by(&self) -> By {
        let name = self.caller.holder().map(|holder| Arc::clone(&holder.name));
        By { name, address: self.address, request: Some(self.request.text()) }
    }

    /// Refuses a request, of this method for this address, for which a scope lacks.
    pub(crate) fn lacks(&self, hive: &dyn Hive, request: (&Method, &Uri), scope: &str) -> Problem {
        let Some(holder) = self.caller.holder() else { return Problem::unauthorized() };
        let refused = format!("this needs {scope}; token `{}` has {}", holder.name, holder.scopes);
        self.refused(hive, request, StatusCode::FORBIDDEN, refused)
    }

    fn refused(&self, hive: &dyn Hive, (method, uri): (&Method, &Uri), status: StatusCode, refused: String) -> Problem {
        let target = format!("{method} {}", shown(uri.path()));
        hive.tell(Deed { by: self.by(), action: Action::Ask, target, refused: Some(refused.clone()) });
        Problem::new(status, refused)
    }
}

/// The token that a request shows (RFC 6750, 2.1). Other schemes than `Bearer` are somebody else's, such as a proxy's.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::malformed("a request has at most one `Authorization` header"));
    }
    let value = value.as_bytes();
    let token = match value.split_at_checked(BEARER.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(BEARER) => token.trim_ascii(),
        _ => return Ok(None),
    };
    // What is no text is no token.
    Ok(Some(std::str::from_utf8(token).unwrap_or_default()))
}

const BEARER: &[u8] = b"Bearer ";

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions).cloned().unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Client::of(&parts.extensions).map(|client| client.caller.clone()).unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for Allowance {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Client::of(&parts.extensions).map(|client| client.allowance.clone()).unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Client::of(&parts.extensions).map(Client::by).unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for Place {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Client::of(&parts.extensions).map(|client| client.place.clone()).unwrap_or_default())
    }
}
