//! The way in, and out again.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Request, State};
use axum::http::header::{SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::viewer::Viewer;
use super::{filters, form};
use crate::access::Caller;
use crate::api::submit;
use crate::assets;
use crate::client::Client;
use crate::entrance::{Entrance, LoginError, cookie};
use crate::error::{CHALLENGE, Problem};
use crate::hive::{Action, By, Deed, Hive};
use crate::request::form::VALUE;
use crate::request::query::Query;
use crate::room::Room;

/// Where one gets to who wanted to get nowhere in particular.
const HOME: &str = "/admin";

/// The longest address that a login leads on to, in bytes.
const NEXT_MAX: usize = 1 << 10;

/// What is escaped in the address that a login leads on to: its slashes stay, for people.
const NEXT: &AsciiSet = &VALUE.remove(b'/');

#[derive(Template, WebTemplate)]
#[template(path = "login.html")]
pub(super) struct Page {
    viewer: Viewer,
    /// Where the login leads on to.
    next: String,
    /// Why the last one failed.
    fault: Option<String>,
}

/// Where one logs in who wants to see a page.
pub(super) fn address(wanted: Option<&Uri>) -> String {
    let wanted = wanted.and_then(Uri::path_and_query).map_or(HOME, |wanted| wanted.as_str());
    match wanted {
        HOME => "/login".to_owned(),
        wanted => format!("/login?next={}", utf8_percent_encode(wanted, NEXT)),
    }
}

/// A page of this site, whatever a link to the login says.
fn local(next: Option<String>) -> String {
    let is_page = |next: &String| {
        let rest = next.strip_prefix(HOME);
        next.len() <= NEXT_MAX
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            && !next.contains("/.")
            && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(is_page).unwrap_or_else(|| HOME.to_owned())
}

/// `GET /login`
pub(super) async fn page(caller: Caller, viewer: Viewer, mut query: Query) -> Result<Response, Problem> {
    let next = local(query.text("next")?);
    query.end()?;
    Ok(match caller {
        Caller::Unknown => Page { viewer, next, fault: None }.into_response(),
        Caller::Anyone | Caller::Holder(_) => Redirect::to(&next).into_response(),
    })
}

/// `POST /login`
pub(super) async fn log_in(
    State(hive): State<Arc<dyn Hive>>,
    State(entrance): State<Arc<Entrance>>,
    State(room): State<Room>,
    client: Client,
    viewer: Viewer,
    request: Request,
) -> Result<Response, Problem> {
    let (mut token, mut next) = (String::new(), None);
    for (name, value) in submit::form_values(&room, request).await? {
        match name.as_str() {
            "token" => token = value,
            "next" => next = Some(value),
            _ => {}
        }
    }
    let next = local(next);
    if client.caller == Caller::Anyone {
        return Ok(Redirect::to(&next).into_response());
    }
    let tell = |by, refused| hive.tell(Deed { by, action: Action::LogIn, target: "session".to_owned(), refused });
    match entrance.log_in(token.trim(), client.address) {
        Ok((holder, secret)) => {
            // A browser has one session: this one goes on with nothing of what it had before.
            client.session.map(|before| entrance.end(before));
            tell(By { name: Some(holder.name.clone()), ..client.by() }, None);
            Ok(([(SET_COOKIE, cookie::given(&secret, client.is_secure))], Redirect::to(&next)).into_response())
        }
        Err(error) => {
            tell(By { name: None, ..client.by() }, Some(error.to_string()));
            let problem = Problem::from(error);
            let mut answer = form::answer(&problem, Page { viewer, next, fault: Some(problem.detail.clone()) });
            if problem.status == StatusCode::UNAUTHORIZED {
                answer.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
            }
            Ok(answer)
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let detail = error.to_string();
        match error {
            LoginError::NoToken => Self::new(StatusCode::UNAUTHORIZED, detail),
            LoginError::TooEarly(wait) => {
                Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
            }
            LoginError::Random(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

/// `POST /logout`
pub(super) async fn log_out(
    State(hive): State<Arc<dyn Hive>>,
    State(entrance): State<Arc<Entrance>>,
    client: Client,
) -> Response {
    if client.session.is_some_and(|session| entrance.end(session)) {
        let target = "session".to_owned();
        hive.tell(Deed::done(client.by(), Action::LogOut, target));
    }
    ([(SET_COOKIE, cookie::taken(client.is_secure))], Redirect::to("/login")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_on_to_a_page_of_this_site_alone() {
        for page in ["/admin", "/admin/tasks/7", "/admin?state=done", "/admin/tasks?state=done&cursor=7"] {
            assert_eq!(local(Some(page.to_owned())), page);
        }
        let long = format!("/admin/{}", "x".repeat(NEXT_MAX));
        for other in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/admin",
            "/adminx",
            "/admin/\\evil",
            "/admin/../evil",
            "/admin/\r\nx: y",
            &long,
        ] {
            assert_eq!(local(Some(other.to_owned())), HOME, "{other}");
        }
        assert_eq!(local(None), HOME);
    }

    #[test]
    fn what_was_wanted_comes_back_as_it_was() {
        assert_eq!(address(None), "/login");
        assert_eq!(address(Some(&Uri::from_static("/admin"))), "/login");
        let wanted = Uri::from_static("/admin/tasks?state=done&cursor=7%20+");
        assert_eq!(address(Some(&wanted)), "/login?next=/admin/tasks%3Fstate%3Ddone%26cursor%3D7%2520%2B");
    }
}
