//! Who may do what: tokens, the secrets of Drones, and sessions.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::drones::StartDrone;
use super::filters;
use super::form::{self, Form};
use super::viewer::Viewer;
use crate::App;
use crate::access::{NAME_MAX, Scope, SecretView, TokenId, TokenView};
use crate::api::{Id, secrets, submit, tokens};
use crate::assets;
use crate::client::Client;
use crate::error::Problem;
use crate::hive::By;
use crate::session::{Session, SessionId};

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
fn sessions(app: &App, client: &Client) -> Vec<Shown> {
    let shown = |session: Session| {
        Some(Shown {
            id: session.id.0,
            name: Arc::clone(&app.access.holder(session.token)?.name),
            address: session.address,
            age: session.begun.elapsed().as_secs_f64(),
            idle: session.used.elapsed().as_secs_f64(),
            is_own: client.session == Some(session.id),
        })
    };
    app.entrance.sessions().into_iter().rev().filter_map(shown).collect()
}

/// What was typed into one of the forms, and what is wrong with it.
#[derive(Default)]
struct Typed {
    token: Form,
    chosen: Vec<String>,
    secret: Form,
}

impl Page {
    async fn of(app: &App, client: &Client, typed: Typed) -> Result<Self, Problem> {
        let Typed { token, mut chosen, secret } = typed;
        let is_open = !app.access.is_closed();
        if is_open && !token.is_refused() {
            chosen.push(Scope::Admin.name().to_owned());
        }
        Ok(Self {
            viewer: Viewer::of(client, &app.config),
            tokens: app.access.tokens().await?,
            secrets: app.access.secrets().await?,
            sessions: sessions(app, client),
            is_open,
            own: client.caller.holder().map(|holder| holder.id),
            token,
            chosen,
            secret,
        })
    }

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

pub(super) async fn page(State(app): State<App>, client: Client) -> Result<Page, Problem> {
    Page::of(&app, &client, Typed::default()).await
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
    State(app): State<App>,
    client: Client,
    request: Request,
) -> Result<Response, Problem> {
    let values = submit::form_values(&app, request).await?;
    let (scopes, others): (Vec<_>, Vec<_>) = values.into_iter().partition(|(name, _)| name == "scopes");
    let chosen: Vec<_> = scopes.into_iter().map(|(_, scope)| scope).collect();
    let closes = !app.access.is_closed();
    let made = async {
        let scopes = ("scopes".to_owned(), Value::from(chosen.clone()));
        let new = tokens::new_token(&app, others.iter().map(submit::value).chain([scopes]).collect())?;
        Ok(app.create_token(client.by(), new).await?)
    };
    match made.await {
        Ok((view, token)) => Ok(once(MadeToken { viewer: Viewer::of(&client, &app.config), view, token, closes })),
        Err(problem) => {
            let token = refused(&problem, others, &["name", "scopes", "expires_seconds"]);
            again(&app, &client, problem, Typed { token, chosen, ..Typed::default() }).await
        }
    }
}

pub(super) async fn revoke_token(State(app): State<App>, by: By, Id(id): Id) -> Result<Redirect, Problem> {
    app.revoke_token(by, TokenId(id)).await?;
    Ok(back())
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
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let values = submit::form_values(&app, request).await?;
    // Its join file is the one that is made here.
    let start = StartDrone::of(&app.hive.overview().await?.drone_addr, &headers, false);
    let made = async {
        let name = secrets::name(values.iter().map(submit::value).collect())?;
        Ok(app.create_secret(client.by(), name).await?)
    };
    match made.await {
        Ok((view, join_file)) => {
            let file = format!("{JOIN_FILE}-{}.join", view.name);
            Ok(once(MadeSecret { viewer: Viewer::of(&client, &app.config), view, join_file, file, start }))
        }
        Err(problem) => {
            let secret = refused(&problem, values, &["name"]);
            again(&app, &client, problem, Typed { secret, ..Typed::default() }).await
        }
    }
}

pub(super) async fn revoke_secret(
    State(app): State<App>,
    by: By,
    Path(name): Path<String>,
) -> Result<Redirect, Problem> {
    app.revoke_secret(by, &name).await?;
    Ok(back())
}

pub(super) async fn end_session(State(app): State<App>, by: By, Id(id): Id) -> Result<Redirect, Problem> {
    let session = app.entrance.sessions().into_iter().find(|session| session.id == SessionId(id));
    let session = session.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no session {id}")))?;
    app.end_session(by, &session);
    Ok(back())
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

/// The page with what was typed, and what is wrong with that.
async fn again(app: &App, client: &Client, problem: Problem, typed: Typed) -> Result<Response, Problem> {
    match Page::of(app, client, typed).await {
        Ok(page) => Ok(form::answer(&problem, page)),
        Err(_) => Err(problem),
    }
}

fn back() -> Redirect {
    Redirect::to("/admin/access")
}
