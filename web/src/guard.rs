//! What stands before and behind every handler: who may ask, and how every answer looks.
//!
//! A web page anywhere can make its reader's browser send requests to this machine, so that
//! being reachable from loopback alone protects nothing. Two checks do: a `Host` that is
//! not ours is a name that was rebound to this address, and a write that the browser says
//! comes from elsewhere is a forgery.

use std::any::Any;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::error::{Problem, shown};
use crate::{Config, pages};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The longest text of an error that is not ours, in bytes.
const DETAIL_MAX: usize = 4 << 10;

/// Refuses requests that are not meant for us, or that another site makes a browser send.
pub(crate) fn admit(config: &Config, request: &Request) -> Result<(), Problem> {
    if is_probe(request) {
        return Ok(());
    }
    let headers = request.headers();
    let host = host(headers)?;
    let is_served = |host: &Authority| config.any_host || is_ours(host, config);
    // Most name the address itself, which need not be taken apart.
    let is_address = host.to_str().ok().and_then(|host| host.parse().ok()) == Some(config.address);
    let is_served_as = is_address || is_served(&authority(host)?);
    let foreign = match request.uri().authority().filter(|authority| !is_served(authority)) {
        Some(authority) => Some(authority.as_str().into()),
        None => (!is_served_as).then(|| String::from_utf8_lossy(host.as_bytes())),
    };
    if let Some(foreign) = foreign {
        let (foreign, address) = (shown(&foreign), config.address);
        let port = address.port();
        let detail = format!("`{foreign}` is not served here; this is http://{address}/ and http://localhost:{port}/");
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    if is_read(request) {
        return Ok(());
    }
    let is_same_site = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none");
    let is_own = |origin: &HeaderValue| {
        let authority = origin.as_bytes().strip_prefix(b"http://").or(origin.as_bytes().strip_prefix(b"https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
    };
    if is_same_site && headers.get_all(ORIGIN).iter().all(is_own) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "another site's page made the browser send this; only pages from here may"))
}

fn is_read(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether it asks how the Queen is: load balancers and the like do by whatever name they have, or none, and what
/// they are told is no secret.
pub(crate) fn is_probe(request: &Request) -> bool {
    is_read(request) && matches!(request.uri().path(), "/healthz" | "/readyz")
}

/// The one `Host`.
fn host(headers: &HeaderMap) -> Result<&HeaderValue, Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(Problem::malformed("a request has exactly one `Host` header")),
    }
}

/// What a `Host` is.
fn authority(host: &HeaderValue) -> Result<Authority, Problem> {
    let authority = Authority::try_from(host.as_bytes()).ok();
    authority
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| Problem::malformed("the `Host` header is not a host and a port"))
}

fn is_ours(host: &Authority, config: &Config) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let is_name = match name.parse::<std::net::IpAddr>() {
        Ok(ip) => ip == config.address.ip() || ip.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    };
    is_name && host.port_u16().unwrap_or(80) == config.address.port()
}

/// Gives every answer the headers that keep a browser from doing too much with it.
pub(crate) fn headers(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Under `no-referrer` a browser would send `Origin: null` with our own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// What an answer has to know of who asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    is_page: bool,
    is_read: bool,
}

impl Asker {
    /// Who sent a request.
    pub(crate) fn of<B>(request: &http::Request<B>) -> Self {
        let path = request.uri().path();
        let is_page = path == "/admin" || path.starts_with("/admin/");
        let is_read = request.method() == Method::GET;
        Self { is_page, is_read }
    }
}

/// Makes a [`Problem`] of every error that is none yet, and a page of each under `/admin`.
pub(crate) async fn problems(asker: Asker, response: Response) -> Response {
    let Asker { is_page, is_read } = asker;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions().get::<Problem>().cloned();
    let is_shown = match is_page {
        // A form that came back says what is wrong.
        true => response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")),
        false => problem.is_some(),
    };
    if is_shown {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem = match problem {
        Some(problem) => problem,
        None => Problem::new(status, detail(status, &parts.headers, body).await),
    };
    let mut response = if is_page { pages::problem(&problem, is_read) } else { problem.clone().into_response() };
    *response.status_mut() = status;
    // What else was said, such as `Allow`, stays; what described the old body goes.
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        parts.headers.remove(name);
    }
    response.headers_mut().extend(parts.headers);
    response.extensions_mut().insert(problem);
    response
}

async fn detail(status: StatusCode, headers: &HeaderMap, body: Body) -> String {
    let text = to_bytes(body, DETAIL_MAX).await.unwrap_or_default();
    match (status, headers.get("allow").and_then(|allow| allow.to_str().ok())) {
        (StatusCode::METHOD_NOT_ALLOWED, Some(allow)) => format!("this address takes {}", allow.replace(',', ", ")),
        _ if !text.is_empty() => String::from_utf8_lossy(&text).into_owned(),
        _ => status.canonical_reason().unwrap_or_default().to_owned(),
    }
}

/// No such address.
pub(crate) async fn nothing_here(request: Request) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", request.uri().path()))
}

/// What a panic becomes; its message is in the log alone.
pub(crate) fn panicked(cause: &(dyn Any + Send)) -> Response {
    let message = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
    tracing::error!("a request's handler panicked: {}", message.unwrap_or("for an unknown reason"));
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the Queen failed at this; her log says more").into_response()
}
