//! Pages that are open read themselves again when something changes, all at once. Those that show the same address to
//! the same caller share one rendering, which begins after each of them has asked, so that none shows what is old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, HOST};
use axum::http::{self, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::{Instant, sleep_until};

use crate::access::{Caller, TokenId};
use crate::client::Client;
use crate::error::Problem;
use crate::request::REFRESH;

/// Between the beginnings of two renderings of the same page.
const PAUSE: Duration = Duration::from_millis(250);

/// Pages that are known at once; beyond them each reader has a rendering to itself.
const PAGES_MAX: usize = 1024;

/// The longest address, name of a host, and codings of a reading that is shared, in bytes: it is copied.
const READING_MAX: usize = 2 << 10;

/// What makes two readings the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reading {
    /// The address with its query; then the host, since pages say under which they were reached; then the codings in
    /// which it may be answered. Each ends with a line feed, which none of them has.
    text: Vec<u8>,
    is_secure: bool,
    /// The token; `None` where none is needed.
    token: Option<TokenId>,
    has_session: bool,
}

impl Reading {
    /// What a request reads again, if that is what it does.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let headers = request.headers();
        // That of access says which session is the reader's own.
        let path = request.uri().path();
        let is_page = path.starts_with("/admin") && !path.starts_with("/admin/access");
        if request.method() != Method::GET || !is_page || !headers.contains_key(REFRESH) {
            return None;
        }
        let Client { caller, session, is_secure, .. } = Client::of(request.extensions())?;
        if *caller == Caller::Unknown {
            return None;
        }
        let address = request.uri().path_and_query().map_or(&b""[..], |address| address.as_str().as_bytes());
        let values = headers.get(HOST).into_iter().chain(headers.get_all(ACCEPT_ENCODING)).map(HeaderValue::as_bytes);
        let text: Vec<u8> =
            [address].into_iter().chain(values).flat_map(|part| [part, b"\n"]).flatten().copied().collect();
        let token = caller.holder().map(|holder| holder.id);
        let reading = Self { text, is_secure: *is_secure, token, has_session: session.is_some() };
        Some(reading).filter(|reading| reading.text.len() <= READING_MAX)
    }
}

type Rendering = BoxFuture<'static, http::Response<Bytes>>;

/// When a page was rendered last, and who waits for the next time.
struct Page {
    began: Instant,
    /// Gone when nobody waits.
    next: Option<WeakShared<Rendering>>,
}

impl Page {
    fn is_idle(&self, now: Instant) -> bool {
        let next = self.next.as_ref().and_then(WeakShared::upgrade);
        next.is_none() && now.duration_since(self.began) >= PAUSE
    }
}

/// Renderings that are shared. Clones share everything.
#[derive(Clone, Default)]
pub(crate) struct Renderings {
    pages: Arc<Mutex<HashMap<Reading, Page>>>,
}

impl Renderings {
    /// An answer to a reading by `render`, or by that of another one which begins after this was called.
    pub(crate) async fn answer<F>(&self, reading: Reading, render: F) -> Response
    where
        F: Future<Output = Response> + Send + 'static,
    {
        match self.join(reading, render) {
            Ok(rendering) => rendering.await.map(Body::from),
            Err(render) => render.await,
        }
    }

    /// # Errors
    /// Gives `render` back if there are too many pages.
    fn join<F>(&self, reading: Reading, render: F) -> Result<Shared<Rendering>, F>
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let now = Instant::now();
        let mut pages = self.pages();
        if !pages.contains_key(&reading) {
            pages.retain(|_, page| !page.is_idle(now));
        }
        let begun = pages.get(&reading);
        if begun.is_none() && pages.len() >= PAGES_MAX {
            return Err(render);
        }
        if let Some(next) = begun.and_then(|page| page.next.as_ref()).and_then(WeakShared::upgrade) {
            return Ok(next);
        }
        let (began, due) = begun.map_or((now, now), |page| (page.began, page.began + PAUSE));
        let rendering = Self::render(self.clone(), reading.clone(), due, render).boxed().shared();
        pages.insert(reading, Page { began, next: rendering.downgrade() });
        Ok(rendering)
    }

    async fn render(
        self,
        reading: Reading,
        due: Instant,
        render: impl Future<Output = Response>,
    ) -> http::Response<Bytes> {
        sleep_until(due).await;
        // Who asks from here on may know of something that this does not see.
        if let Some(page) = self.pages().get_mut(&reading) {
            (page.began, page.next) = (Instant::now(), None);
        }
        let (head, body) = render.await.into_parts();
        match to_bytes(body, usize::MAX).await {
            Ok(bytes) => http::Response::from_parts(head, bytes),
            Err(error) => {
                tracing::error!("a page broke off while it was rendered: {error}");
                let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered");
                problem.into_response().map(|_| Bytes::new())
            }
        }
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<Reading, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    fn anyone() -> Client {
        Client { caller: Caller::Anyone, ..Client::default() }
    }

    fn reading(uri: &str) -> Reading {
        let request = Request::get(uri).header(REFRESH, "1").extension(anyone()).body(Body::empty());
        Reading::of(&request.unwrap()).unwrap()
    }

    async fn number(response: Response) -> usize {
        let bytes = to_bytes(response.into_body(), 16).await.unwrap();
        std::str::from_utf8(&bytes).unwrap().parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_at_once_shares_a_rendering_that_begins_later() {
        let (renderings, count) = (Renderings::default(), Arc::new(AtomicUsize::new(0)));
        let read = async |uri| {
            let count = Arc::clone(&count);
            let render = async move { count.fetch_add(1, Ordering::Relaxed).to_string().into_response() };
            number(renderings.answer(reading(uri), render).await).await
        };
        assert_eq!(read("/admin").await, 0);
        let began = Instant::now();
        // These come after the first has begun, so that another one is due, after the pause.
        assert_eq!(join_all((0..200).map(|_| read("/admin"))).await, [1; 200]);
        assert_eq!(began.elapsed(), PAUSE);
        assert_eq!(join_all(["/admin", "/admin/tasks", "/admin"].map(read)).await.iter().max(), Some(&3));
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_holds_up_nobody() {
        let renderings = Renderings::default();
        let render = || async { "1".into_response() };
        assert_eq!(number(renderings.answer(reading("/admin"), render()).await).await, 1);
        let gone = renderings.join(reading("/admin"), render()).ok().unwrap();
        drop(gone);
        assert_eq!(number(renderings.answer(reading("/admin"), render()).await).await, 1);
        let gone = renderings.join(reading("/admin"), render()).ok().unwrap();
        assert!(gone.now_or_never().is_none());
        assert_eq!(number(renderings.answer(reading("/admin"), render()).await).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn pages_are_bounded() {
        let renderings = Renderings::default();
        let read = |page: usize| {
            let reading = reading(&format!("/admin/{page}"));
            renderings.join(reading, async { "1".into_response() }).ok()
        };
        let held: Vec<_> = (0..PAGES_MAX).map(|page| read(page).unwrap()).collect();
        assert!(read(PAGES_MAX).is_none());
        drop(held);
        tokio::time::advance(PAUSE).await;
        assert!(read(PAGES_MAX).is_some());
        assert_eq!(renderings.pages().len(), 1);
    }

    #[test]
    fn only_a_page_that_is_read_again_is_shared() {
        let of_client = |request: http::request::Builder, client: Client| {
            let request = request.extension(client).body(Body::empty()).unwrap();
            Reading::of(&request).is_some()
        };
        let of = |request| of_client(request, anyone());
        assert!(of(Request::get("/admin").header(REFRESH, "1")));
        assert!(!of(Request::get("/admin")));
        assert!(!of(Request::get("/tasks").header(REFRESH, "1")));
        assert!(!of(Request::post("/admin").header(REFRESH, "1")));
        assert!(!of(Request::get(format!("/admin?find={}", "a".repeat(READING_MAX))).header(REFRESH, "1")));
        assert!(!of_client(Request::get("/admin").header(REFRESH, "1"), Client::default()), "who showed nothing");
    }
}
