//! Requests to the Queen, and sending them again.

mod backoff;
mod early;
mod host;
mod trust;
mod url;

use std::io::{self, Read};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue, Method, Request as Sent, Response};
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, SendBody};

pub use self::backoff::{Backoff, RequestError};
pub use self::early::Early;
use self::host::Hosts;
pub use self::trust::given as certificates;
pub use self::url::{DEFAULT as DEFAULT_URL, Url};
use crate::failure::Failure;
use crate::notes::Notes;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may move on a connection. The longest wait that is asked for, and the commit of a long upload, are
/// shorter.
const STALLED: Duration = Duration::from_secs(120);

/// What is read or written at once, in bytes.
const BUFFER: usize = 256 << 10;

/// The longest answer that is taken as a whole, in bytes: a page of a thousand tasks has a megabyte or two.
const ANSWER_MAX: u64 = 256 << 20;

/// The longest problem that is read, in bytes.
const PROBLEM_MAX: u64 = 1 << 20;

/// The query of an address, with what is given of these; nothing if nothing is.
pub fn query<'a>(named: impl IntoIterator<Item = &'a (&'a str, Option<String>)>) -> String {
    let given = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let given = given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    let given: Vec<_> = given.collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}

/// Whom to ask, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the Queen is.
    pub url: Url,
    /// The authority's certificate, in PEM; the system's authorities if there is none.
    pub ca: Option<String>,
    /// What says who asks.
    pub token: Option<String>,
}

/// For how long requests are sent again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Those that somebody waits for at a terminal.
    pub brief: Duration,
    /// Those of long work, which is to outlive a restart of the Queen.
    pub long: Duration,
}

/// The way to a Queen.
pub struct Connection {
    agent: Agent,
    target: Target,
    authorization: Option<HeaderValue>,
    retries: Retries,
    early: Early,
    /// What people are told.
    pub notes: Notes,
}

/// A request without a body, or with a short one.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    stalled: Duration,
    is_long: bool,
}

impl Request {
    fn new(method: Method, path: impl Into<String>) -> Self {
        let (headers, body) = (HeaderMap::new(), Vec::new());
        Self { method, path: path.into(), headers, body, stalled: STALLED, is_long: false }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        // What cannot be sent is not, which the Queen then says; none comes from outside.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = body.to_string().into_bytes();
        self
    }

    /// A body of this media type.
    pub fn body(mut self, media_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        if let Ok(media_type) = HeaderValue::from_str(media_type) {
            self.headers.insert(CONTENT_TYPE, media_type);
        }
        self
    }

    /// Nothing may come for so long before the connection counts as broken.
    pub fn stalled(mut self, after: Duration) -> Self {
        self.stalled = after;
        self
    }

    pub fn is_delete(&self) -> bool {
        self.method == Method::DELETE
    }

    /// It is a part of long work, and tried for as long as that.
    pub fn long(mut self) -> Self {
        self.is_long = true;
        self
    }
}

/// An answer of 2xx, as a whole.
#[derive(Debug)]
pub struct Answer {
    /// JSON, if there is anything.
    pub text: String,
}

impl Answer {
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text).map_err(|error| {
            Failure::Unreachable(format!(
                "the answer is not what a Queen of this version says ({error}): {}",
                version()
            ))
        })
    }
}

fn version() -> &'static str {
    concat!("this is hive ", env!("CARGO_PKG_VERSION"), "; compare `hive stats --output json`")
}

/// A long body, which can be sent more than once or cannot.
pub trait Upload {
    /// How long it is; chunks are sent if nobody knows.
    fn length(&self) -> Option<u64>;
    /// Begins it anew.
    fn begin(&mut self) -> Result<Box<dyn Read + '_>, Failure>;
    /// Whether it can begin anew.
    fn is_repeatable(&self) -> bool;
}

impl Connection {
    pub fn new(target: Target, retries: Retries, notes: Notes) -> Result<Self, Failure> {
        let authorization = target.token.as_ref().map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| Failure::Here("the token has characters that no token has".to_owned()))?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        });
        let early = Early::default();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("hive/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(STALLED))
            .timeout_per_write(Some(STALLED))
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER);
        // What is for this machine does not go to another one, whatever the environment says of proxies.
        let config = if target.url.is_loopback() { config.proxy(None) } else { config };
        let config = match target.url.is_tls() {
            true => config.tls_config(trust::config(target.ca.as_ref().map(String::as_bytes))?),
            false => config,
        };
        let connector = DefaultConnector::default().chain(early.clone());
        let agent = Agent::with_parts(config.build(), connector, <Hosts>::default());
        Ok(Self { agent, authorization: authorization.transpose()?, target, retries, early, notes })
    }

    /// The tries of something, which may be a part of long work.
    pub fn backoff(&self, is_long: bool) -> Backoff {
        let limit = if is_long { self.retries.long } else { self.retries.brief };
        Backoff::new(self.notes.clone(), limit)
    }

    /// Sends a request until it is answered with 2xx.
    pub fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        self.ask_and_count(request).map(|(answer, _)| answer).map_err(|(failure, _)| failure)
    }

    /// The same, with the number of tries whose answer was lost: she may have done what they asked for.
    pub fn ask_and_count(&self, request: &Request) -> Result<(Answer, u32), (Failure, u32)> {
        let mut backoff = self.backoff(request.is_long);
        let mut lost = 0;
        loop {
            match self.try_ask(request) {
                Ok(answer) => return Ok((answer, lost)),
                Err(error) => {
                    // By these a proxy says that her answer did not reach it.
                    lost += u32::from(matches!(error.status, None | Some(502 | 504)));
                    backoff.wait(error).map_err(|failure| (failure, lost))?;
                }
            }
        }
    }

    fn try_ask(&self, request: &Request) -> Result<Answer, RequestError> {
        let body = self.try_open(request)?;
        let text = body.into_with_config().limit(ANSWER_MAX).read_to_string();
        Ok(Answer { text: text.map_err(|error| self.request_error(error))? })
    }

    /// Sends a request once; the body of an answer of 2xx.
    pub fn try_open(&self, request: &Request) -> Result<Body, RequestError> {
        let sent = Sent::builder().method(&request.method).uri(format!("{}{}", self.target.url, request.path));
        let has_body = request.method == Method::POST || request.method == Method::PATCH;
        let body: &[u8] = &request.body;
        let answer = match has_body {
            true => self.run(sent.body(body), &request.headers, request.stalled),
            false => self.run(sent.body(()), &request.headers, request.stalled),
        };
        self.look(answer?)
    }

    /// Sends a long body once; `went` says how many bytes of it did.
    pub fn try_upload(
        &self,
        path: &str,
        headers: &HeaderMap,
        upload: &mut dyn Upload,
        went: &mut u64,
    ) -> Result<Body, RequestError> {
        let (length, is_repeatable) = (upload.length(), upload.is_repeatable());
        let mut reader =
            Reading { inner: upload.begin()?, early: self.early.clone(), left: length, went: 0, error: None };
        let mut headers = headers.clone();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let sent = Sent::builder().method(Method::POST).uri(format!("{}{path}", self.target.url));
        self.early.begin();
        let answer = self.run(sent.body(SendBody::from_reader(&mut reader)), &headers, STALLED);
        self.early.end();
        *went = reader.went;
        if let Some(error) = reader.error.take() {
            return Err(Failure::here("the inputs cannot be read", &error).into());
        }
        answer
            .and_then(|answer| self.look(answer))
            .map_err(|error| RequestError { is_transient: error.is_transient && is_repeatable, ..error })
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        sent: Result<Sent<B>, ureq::http::Error>,
        headers: &HeaderMap,
        stalled: Duration,
    ) -> Result<Response<Body>, RequestError> {
        let mut sent = sent.map_err(|error| Failure::here("the request cannot be made", &error))?;
        sent.headers_mut().extend(headers.clone());
        if let Some(authorization) = &self.authorization {
            sent.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        // A configuration of its own costs a request a TLS configuration of its own, too.
        if stalled != STALLED {
            sent = self.agent.configure_request(sent).timeout_per_read(Some(stalled)).build();
        }
        self.agent.run(sent).map_err(|error| self.request_error(error))
    }

    /// What an answer says by its status.
    fn look(&self, answer: Response<Body>) -> Result<Body, RequestError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.into_body().into_with_config().limit(PROBLEM_MAX).read_to_vec().unwrap_or_default();
        Err(RequestError {
            failure: Failure::of_answer(status.as_u16(), &body, self.authorization.is_some()),
            status: Some(status.as_u16()),
            is_transient: matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504),
            after: seconds.map(Duration::from_secs),
        })
    }

    /// What a connection that fails means.
    pub fn request_error(&self, error: ureq::Error) -> RequestError {
        let url = &self.target.url;
        let tls = match &error {
            ureq::Error::Rustls(error) => Some(error),
            ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
            _ => None,
        };
        let (why, is_transient) = match (&error, tls) {
            (_, Some(error)) => (of_tls(error), false),
            (ureq::Error::HostNotFound, _) => ("her host is not found any more".to_owned(), true),
            (ureq::Error::Other(error), _) => (error.to_string(), false),
            (ureq::Error::Io(error), _) if error.kind() == io::ErrorKind::ConnectionRefused => {
                ("nobody listens there; is the Queen running? --url or HIVE_URL says where she is".to_owned(), true)
            }
            (ureq::Error::Timeout(_), _) => ("she does not answer in time".to_owned(), true),
            (ureq::Error::Io(error), _) => (error.to_string(), true),
            (error, _) => (error.to_string(), false),
        };
        let failure = Failure::Unreachable(format!("cannot reach {url}: {why}"));
        RequestError { failure, status: None, is_transient, after: None }
    }
}

/// What a person can do about TLS.
fn of_tls(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "her certificate is of an authority that is not known here: give its certificate, the file authority.pem of \
             her data directory, with --ca FILE or HIVE_CA"
                .to_owned()
        }
        Error::InvalidCertificate(
            error @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
        ) => format!("her certificate has other names ({error}): ask her by one of them, or start her with this one as --host"),
        Error::InvalidCertificate(error) => format!("her certificate is not right: {error}"),
        Error::InvalidMessage(_) => "she speaks no TLS there: is it http:// and not https://?".to_owned(),
        error => format!("TLS failed: {error}"),
    }
}

/// A body on its way; what is left of it when the answer has come is not read.
struct Reading<'a> {
    inner: Box<dyn Read + 'a>,
    early: Early,
    left: Option<u64>,
    went: u64,
    error: Option<io::Error>,
}

impl Reading<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.left.map_or(buffer.len(), |left| buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        if self.early.has_come() {
            // Whatever is in the buffer goes nowhere.
            return Ok(if self.left.is_some() { most } else { 0 });
        }
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 && most > 0 && self.left.is_some() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there is less of it than there was"));
        }
        Ok(read)
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.next(buffer).map_err(|error| {
            let kind = error.kind();
            self.error = Some(error);
            io::Error::from(kind)
        })?;
        self.left = self.left.map(|left| left.saturating_sub(read as u64));
        self.went += read as u64;
        Ok(read)
    }
}
