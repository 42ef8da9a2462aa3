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
    REFERRER_POLICY, SET_COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::client::Client;
use crate::config::Config;
use crate::error::{Problem, shown};
use crate::pages::{self, Viewer};
use crate::request_id::RequestId;
use crate::told::Told;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// No page elsewhere gets hold of a window, or of an answer, of ours.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// For a year, a browser that came over TLS comes without it no more (RFC 6797).
const PINNED: &str = "max-age=31536000";

/// Everybody's name for their own machine.
const LOCALHOST: &[u8] = b"localhost";

/// The longest text of an error that is not ours, in bytes.
const DETAIL_MAX: usize = 4 << 10;

/// Refuses requests that are not meant for us, or that another site makes a browser send. `is_secure`: the browser
/// came over TLS.
pub(crate) fn admit(config: &Config, is_secure: bool, request: &Request) -> Result<(), Problem> {
    if is_probe(request) {
        return Ok(());
    }
    let headers = request.headers();
    let host = host(headers)?;
    // Most name the address itself, which need not be taken apart.
    let is_address = host.to_str().ok().and_then(|host| host.parse().ok()) == Some(config.address);
    let is_served = is_address || is_ours(&authority(host)?, config);
    let foreign = match request.uri().authority().filter(|authority| !is_ours(authority, config)) {
        Some(authority) => Some(authority.as_str().into()),
        None => (!is_served).then(|| String::from_utf8_lossy(host.as_bytes())),
    };
    if let Some(foreign) = foreign {
        return Err(misdirected(&foreign, config));
    }
    if is_read(request) {
        return Ok(());
    }
    let is_same_site = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none");
    let is_own = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        // What came without TLS may have come over it to a proxy that does not say so.
        let over_tls = origin.strip_prefix(b"https://");
        let authority = over_tls.or_else(|| origin.strip_prefix(b"http://").filter(|_| !is_secure));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
    };
    if is_same_site && headers.get_all(ORIGIN).iter().all(is_own) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "another site's page made the browser send this; only pages from here may"))
}

fn misdirected(foreign: &str, config: &Config) -> Problem {
    let (foreign, port) = (shown(foreign), config.address.port());
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let mut own =
        [config.shown_address(), format!("localhost:{port}")].map(|own| format!("{scheme}://{own}/")).to_vec();
    own.dedup();
    let own = own.join(" and ");
    let detail = format!(
        "`{foreign}` is not served here; this is {own}. A Queen with \
         `--host {foreign}` serves that name too"
    );
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
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

/// Whether a `Host` is served. A name is, if it is known to be one of ours: others may have been rebound to this
/// address. An address is where somebody came to, which beyond loopback nobody here need know.
fn is_ours(host: &Authority, config: &Config) -> bool {
    let (name, address) = (host.host(), config.address);
    let usual = if config.tls.is_some() { 443 } else { 80 };
    // Beyond loopback, ports are often mapped to others.
    let is_port = || !address.ip().is_loopback() || host.port_u16().unwrap_or(usual) == address.port();
    match name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>() {
        Ok(ip) => (ip == address.ip() || ip.is_loopback() || !address.ip().is_loopback()) && is_port(),
        Err(_) if name.eq_ignore_ascii_case("localhost") => is_port(),
        Err(_) => config.hosts.iter().any(|host| name.eq_ignore_ascii_case(host)),
    }
}

/// Gives every answer the headers that keep a browser from doing too much with it, and those by which a page tells what
/// was done, once.
pub(crate) fn headers(asker: &Asker, response: &mut Response) {
    let told = response.extensions_mut().remove::<Told>();
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Under `no-referrer` a browser would send `Origin: null` with our own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    if asker.is_pinned {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(PINNED));
    }
    // What needed a token is not to be seen by whoever goes back in the browser after it was logged out.
    let is_told = asker.has_told && is_html(headers);
    let may_keep = asker.is_page && asker.viewer.is_anyone() && !is_told;
    match told {
        Some(told) => _ = headers.append(SET_COOKIE, told.given(asker.is_secure)),
        None if is_told => _ = headers.append(SET_COOKIE, Told::taken(asker.is_secure)),
        None => {}
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static(if may_keep { "no-cache" } else { "no-store" }));
}

/// What an answer has to know of who asked.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// For a page, and not by a program.
    is_page: bool,
    is_read: bool,
    /// Over TLS.
    is_secure: bool,
    /// For a page that tells what was done, if it is one.
    has_told: bool,
    /// Over TLS, by a name that is to be asked over it from now on.
    is_pinned: bool,
    /// Which page.
    uri: Option<Uri>,
    viewer: Viewer,
}

impl Asker {
    /// Who sent a request.
    pub(crate) fn of<B>(request: &http::Request<B>, client: &Client) -> Self {
        let path = request.uri().path();
        let is_page = path == "/admin" || path.starts_with("/admin/") || matches!(path, "/login" | "/logout");
        // A browser would pin it for all that anybody serves there.
        let is_localhost = || {
            let host = request.headers().get(HOST).map_or(&[][..], HeaderValue::as_bytes);
            let name = host.split(|byte| *byte == b':').next().unwrap_or_default();
            name.eq_ignore_ascii_case(LOCALHOST)
        };
        Self {
            is_page,
            is_read: request.method() == Method::GET,
            is_secure: client.is_secure,
            has_told: is_page && client.told.is_some(),
            is_pinned: client.is_secure && !is_localhost(),
            uri: is_page.then(|| request.uri().clone()),
            viewer: Viewer::default(),
        }
    }

    /// It is known now who it is.
    pub(crate) fn is_known(&mut self, client: &Client, app: &App) {
        if self.is_page {
            self.viewer = Viewer::of(client, app);
        }
    }
}

/// Makes a [`Problem`] of every error that is none yet, a page of each that is for people, and a login of what only
/// lacks one.
pub(crate) async fn problems(asker: &Asker, request: &RequestId, response: Response) -> Response {
    let Asker { is_page, is_read, .. } = *asker;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    // A form that came back says what is wrong.
    if is_page && is_html(response.headers()) {
        return response;
    }
    if is_page && status == StatusCode::UNAUTHORIZED {
        let mut login = pages::to_login(asker.uri.as_ref().filter(|_| is_read));
        login.extensions_mut().extend(response.into_parts().0.extensions);
        return login;
    }
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None => Problem::new(status, detail(status, &parts.headers, body).await),
    };
    let problem = problem.with("request_id", request.to_string());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(request = %request, "a request failed: {problem}");
    }
    let mut response = match is_page {
        true => pages::problem(asker.viewer.clone(), &problem, is_read),
        false => problem.answer(),
    };
    *response.status_mut() = status;
    // What else was said, such as `Allow`, stays; what described the old body goes.
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        parts.headers.remove(name);
    }
    response.headers_mut().extend(parts.headers);
    *response.extensions_mut() = parts.extensions;
    response
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
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
pub(crate) fn panicked(request: &RequestId, cause: &(dyn Any + Send)) -> Response {
    let message = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
    tracing::error!(%request, "a request's handler panicked: {}", message.unwrap_or("for an unknown reason"));
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the Queen failed at this; her log says more").into_response()
}
