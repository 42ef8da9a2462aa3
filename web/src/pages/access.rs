//! Who may do what: tokens, the secrets of Drones, and sessions.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::done::done;
use super::drones::StartDrone;
use super::filters;
use super::form::{self, Form};
use super::viewer::Viewer;
use crate::access::{NAME_MAX, Scope, SecretView, TokenId, TokenView};
use crate::api::{secrets, submit, tokens};
use crate::app::App;
use crate::assets;
use crate::client::Client;
use crate::deeds::Administration;
use crate::entrance::Entrance;
use crate::error::Problem;
use crate::hive::{Access, Hive};
use crate::request::id::Id;
use crate::room::Room;
use crate::session::{Session, SessionId};
use crate::told::Did;

/// For how long a token may be valid, in seconds, and how that is said; the first one is what the form begins with.
const EXPIRIES: [(&str, &str); 5] = [
    ("", "never"),
    ("86400", "in a day"),
    ("2592000", "in 30 days"),
    ("7776000", "in 90 days"),
    ("31536000", "in a year"),
];

/// What the name of a join file begins with; that of its secret follows.
const JOIN_FILE: &str = "hive";

#[derive(Template, WebTemplate)]
#[template(path = "access.html")]
pub(super) struct Page {
    viewer: Viewer,
    tokens: Vec<TokenView>,
    secrets: Vec<SecretView>,
    sessions: Vec<Shown>,
    /// Nobody needs a token yet.
    is_open: bool,
    /// The token of who looks.
    own: Option<TokenId>,
    token: Form,
    /// The scopes that are chosen in the form.
    chosen: Vec<String>,
    secret: Form,
}

/// A session, as the page shows it.
struct Shown {
    id: u64,
    /// What its token is called.
    name: Arc<str>,
    /// Where it was begun.
    address: Option<IpAddr>,
    /// For how long it has been open, in seconds.
    age: f64,
    /// For how long nothing was asked in it, in seconds.
    idle: f64,
    /// It is that of who looks.
    is_own: bool,
}

/// Those that are open, the newest first.
fn sessions(entrance: &Entrance, client: &Client) -> Vec<Shown> {
    let shown = |session: Session| {
        Some(Shown {
            id: session.id.0,
            name: Arc::clone(&entrance.holder(session.token)?.name),
            address: session.address,
            age: session.begun.elapsed().as_secs_f64(),
            idle: session.used.elapsed().as_secs_f64(),
            is_own: client.session == Some(session.id),
        })
    };
    entrance.sessions().into_iter().rev().filter_map(shown).collect()
}

/// What was typed into one of the forms, and what is wrong with it.
#[derive(Default)]
struct Typed {
    token: Form,
    chosen: Vec<String>,
    secret: Form,
}

/// What the page is made of, for who sends a request.
pub(super) struct Viewed {
    access: Arc<dyn Access>,
    entrance: Arc<Entrance>,
    viewer: Viewer,
    client: Client,
}

impl FromRequestParts<App> for Viewed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let client = Client::from_request_parts(parts, app).await?;
        let viewer = Viewer::of(&client, app);
        Ok(Self { access: Arc::clone(&app.access), entrance: Arc::clone(&app.entrance), viewer, client })
    }
}

impl Viewed {
    /// The page, with what was typed into its forms.
    async fn page(self, typed: Typed) -> Result<Page, Problem> {
        let Self { access, entrance, viewer, client } = self;
        let Typed { token, mut chosen, secret } = typed;
        let is_open = !access.is_closed();
        if is_open && !token.is_refused() {
            chosen.push(Scope::Admin.name().to_owned());
        }
        Ok(Page {
            viewer,
            tokens: access.tokens().await?,
            secrets: access.secrets().await?,
            sessions: sessions(&entrance, &client),
            is_open,
            own: client.caller.holder().map(|holder| holder.id),
            token,
            chosen,
            secret,
        })
    }

    /// The page with what was typed, and what is wrong with that.
    async fn again(self, problem: Problem, typed: Typed) -> Result<Response, Problem> {
        match self.page(typed).await {
            Ok(page) => Ok(form::answer(&problem, page)),
            Err(_) => Err(problem),
        }
    }
}

impl Page {
    fn is_own(&self, token: &TokenView) -> bool {
        self.own == Some(token.id)
    }

    fn is_chosen(&self, scope: Scope) -> bool {
        self.chosen.iter().any(|chosen| chosen == scope.name())
    }

    /// What a scope is for, in words.
    fn about(scope: Scope) -> &'static str {
        match scope {
            Scope::Read => "see everything: all tasks and results, drones, events",
            Scope::Submit => "submit tasks; see and change its own",
            Scope::Control => "read and submit; change all tasks and drones",
            Scope::Admin => "control; say who may do what, and read the log",
        }
    }
}

pub(super) async fn page(viewed: Viewed) -> Result<Page, Problem> {
    viewed.page(Typed::default()).await
}

/// The page with the token that was made, which is shown once.
#[derive(Template, WebTemplate)]
#[template(path = "made-token.html")]
struct MadeToken {
    viewer: Viewer,
    view: TokenView,
    token: String,
    /// It is the first one.
    closes: bool,
}

pub(super) async fn create_token(
    viewed: Viewed,
    administration: Administration,
    State(room): State<Room>,
    request: Request,
) -> Result<Response, Problem> {
    let values = submit::form_values(&room, request).await?;
    let (scopes, others): (Vec<_>, Vec<_>) = values.into_iter().partition(|(name, _)| name == "scopes");
    let chosen: Vec<_> = scopes.into_iter().map(|(_, scope)| scope).collect();
    let closes = !viewed.access.is_closed();
    let made = async {
        let scopes = ("scopes".to_owned(), Value::from(chosen.clone()));
        let new = tokens::new_token(&*viewed.access, others.iter().map(submit::value).chain([scopes]).collect())?;
        Ok(administration.create_token(new).await?)
    };
    match made.await {
        Ok((view, token)) => Ok(once(MadeToken { viewer: viewed.viewer, view, token, closes })),
        Err(problem) => {
            let token = refused(&problem, others, &["name", "scopes", "expires_seconds"]);
            viewed.again(problem, Typed { token, chosen, ..Typed::default() }).await
        }
    }
}

pub(super) async fn revoke_token(administration: Administration, Id(id): Id) -> Result<Response, Problem> {
    administration.revoke_token(TokenId(id)).await?;
    Ok(back(Did::RevokeToken, id))
}

/// The page with the join file that was made, which is offered once.
#[derive(Template, WebTemplate)]
#[template(path = "made-secret.html")]
struct MadeSecret {
    viewer: Viewer,
    view: SecretView,
    join_file: String,
    /// What it is to be called.
    file: String,
    start: StartDrone,
}

impl MadeSecret {
    /// What keeps the file from others.
    fn keep(&self) -> String {
        format!("chmod 600 {}", self.file)
    }

    /// What starts a Drone with it.
    fn start(&self) -> String {
        format!("{} --join {}", self.start.command, self.file)
    }

    /// The file as an address (RFC 2397), so that it can be saved without being kept here.
    fn address(&self) -> String {
        format!("data:application/octet-stream;base64,{}", STANDARD.encode(&self.join_file))
    }
}

pub(super) async fn create_secret(
    viewed: Viewed,
    administration: Administration,
    State(hive): State<Arc<dyn Hive>>,
    State(room): State<Room>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let values = submit::form_values(&room, request).await?;
    // Its join file is the one that is made here.
    let start = StartDrone::of(&hive.overview().await?.drone_addr, &headers, false);
    let made = async {
        let name = secrets::name(values.iter().map(submit::value).collect())?;
        Ok(administration.create_secret(name).await?)
    };
    match made.await {
        Ok((view, join_file)) => {
            let file = format!("{JOIN_FILE}-{}.join", view.name);
            Ok(once(MadeSecret { viewer: viewed.viewer, view, join_file, file, start }))
        }
        Err(problem) => {
            let secret = refused(&problem, values, &["name"]);
            viewed.again(problem, Typed { secret, ..Typed::default() }).await
        }
    }
}

pub(super) async fn revoke_secret(
    administration: Administration,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    administration.revoke_secret(&name).await?;
    Ok(back(Did::RevokeSecret, 0))
}

pub(super) async fn end_session(
    administration: Administration,
    State(entrance): State<Arc<Entrance>>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let session = entrance.sessions().into_iter().find(|session| session.id == SessionId(id));
    let session = session.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no session {id}")))?;
    administration.end_session(&session);
    Ok(back(Did::EndSession, id))
}

/// A page that nobody keeps, since it is not to be seen again.
fn once(page: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, "no-store")], page).into_response()
}

fn refused(problem: &Problem, values: Vec<(String, String)>, fields: &[&str]) -> Form {
    let form = Form::refused(problem, values.into_iter().collect(), fields);
    // What is there already has the same name.
    if problem.status == StatusCode::CONFLICT { form.or_beside("name") } else { form }
}

fn back(did: Did, to: u64) -> Response {
    done(did, to, "/admin/access")
}
