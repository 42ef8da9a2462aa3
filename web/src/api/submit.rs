//! What a request says of a task, in every form that a body may have.

mod amend;
mod asker;
mod declared;
mod frames;
mod gunzip;
mod intake;
mod json;
mod keyed;
mod lines;
mod members;
mod multipart;
mod resources;
mod scalar;
mod search;
mod typed;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;

pub(crate) use self::amend::{amendment, amendment_of_form, renewal, renewal_of_form};
use self::asker::Asker;
use self::declared::{is_ndjson, media_type, unsupported};
use self::frames::{Frames, Start};
pub(crate) use self::intake::Outcome;
use self::intake::{Intake, Pieces, encoding, no_inputs};
use self::lines::Form;
pub(crate) use self::members::{form_values, members, value};
pub(crate) use self::resources::Resources;
pub(crate) use self::typed::Typed;
use crate::error::Problem;
use crate::options::{self, Options};
use crate::request::form;
use crate::room::Share;

/// The longest body that is read as a whole, in bytes; longer ones are streamed in other forms.
const WHOLE_MAX: u64 = 64 << 20;

/// The longest that passes for the name of a form's field, in bytes.
const FIELD_NAME_MAX: usize = 50;

const ACCEPTED: &str = "application/json, application/x-ndjson, text/plain, multipart/form-data, \
                        application/x-www-form-urlencoded";

/// Creates the task that a request asks for, or finds the one that its idempotency key created; or says what it would
/// take.
/// `waits`: for what comes of it.
///
/// Futures of bodies that are long or rare have boxes of their own, so that the others' are small.
pub(crate) async fn submit(resources: &Resources, request: Request, waits: bool) -> Result<Outcome, Problem> {
    let request = gunzip::undone(request, resources.max_body);
    let media_type = media_type(request.headers())?;
    let options = Options::of_head(request.uri().query().unwrap_or_default(), request.headers())?;
    let asker = Asker::of(&request, waits).claim(&*resources.hive, request.headers()).await?;
    match media_type.as_str() {
        "application/json" => whole_json(resources, options, asker, Frames::new(request.into_body())).await,
        "text/plain" => {
            Box::pin(lines::read(resources, options, asker, Form::Text, Frames::new(request.into_body()))).await
        }
        ndjson if is_ndjson(ndjson) => {
            Box::pin(lines::read(resources, options, asker, Form::Ndjson, Frames::new(request.into_body()))).await
        }
        "multipart/form-data" => {
            Box::pin(multipart::read(resources, options, asker, request, &mut Typed::nothing())).await
        }
        "application/x-www-form-urlencoded" => {
            let mut frames = Frames::new(request.into_body());
            // A bare `curl -d '{…}'` calls its JSON a form.
            match frames.start().await? {
                Start::Json => whole_json(resources, options, asker, frames).await,
                Start::Utf16 => Err(utf16()),
                Start::Other => Box::pin(whole_form(resources, options, asker, frames)).await,
            }
        }
        "" => {
            let mut frames = Frames::new(request.into_body());
            match frames.start().await? {
                Start::Json => whole_json(resources, options, asker, frames).await,
                Start::Utf16 => Err(utf16()),
                Start::Other => Box::pin(lines::read(resources, options, asker, Form::Text, frames)).await,
            }
        }
        "application/octet-stream" => Err(unsupported(
            "bytes without a meaning cannot be cut into inputs; say text/plain if every line is one".to_owned(),
        )),
        other => Err(unsupported(format!("`{other}` is not a type that can be read here; {ACCEPTED} are"))),
    }
}

/// Creates the task that a form of a page asks for: option fields first, then `text` and `file`, of whose lines each
/// is an input. Also gives what the form said, to be shown again.
pub(crate) async fn page_form(resources: &Resources, request: Request) -> (Result<Outcome, Problem>, Typed) {
    let mut typed = Typed::begin(resources.room.share());
    // Without scripts it sends the fields of all algorithms.
    let asker = Asker::of(&request, false);
    let outcome = multipart::read(resources, Options::of_page(), asker, request, &mut typed).await;
    (outcome, typed)
}

fn utf16() -> Problem {
    unsupported(
        "the body begins with a byte order mark of UTF-16; send UTF-8, or say text/plain to have its bytes taken as \
         they are"
            .to_owned(),
    )
}

async fn whole(resources: &Resources, frames: Frames, share: &mut Share) -> Result<Bytes, Problem> {
    frames.whole(WHOLE_MAX, share).await.map_err(|problem| match problem.status {
        StatusCode::PAYLOAD_TOO_LARGE if resources.max_body > WHOLE_MAX => Problem {
            detail: format!("{}; more goes as text/plain or application/x-ndjson", problem.detail),
            ..problem
        },
        _ => problem,
    })
}

async fn whole_json(resources: &Resources, options: Options, asker: Asker, frames: Frames) -> Result<Outcome, Problem> {
    let (mut options, mut share) = (options.for_json(), resources.room.share());
    let body = whole(resources, frames, &mut share).await?;
    let (pieces, given) = json::request(&body, &mut options)?;
    drop(body);
    let wanted = options.new_task()?;
    match (encoding(&wanted.new), given) {
        (Some(encoding), Some(member)) => pieces.check(encoding).map_err(|(index, error)| {
            let path = if member == "inputs" { format!("inputs[{index}]") } else { member.to_owned() };
            Problem::invalid(format!("{path}: {error}")).with("path", path)
        })?,
        (Some(_), None) => return Err(Problem::invalid("give the string to hash as `input`, or several as `inputs`")),
        (None, Some(member)) => return Err(no_inputs(member)),
        (None, None) => {}
    }
    Intake::of_pieces(resources, wanted, asker, pieces, share).finish().await
}

async fn whole_form(
    resources: &Resources,
    mut options: Options,
    asker: Asker,
    frames: Frames,
) -> Result<Outcome, Problem> {
    let mut share = resources.room.share();
    let body = whole(resources, frames, &mut share).await?;
    let mut pieces = Pieces::default();
    for (name, value) in form::pairs(&body) {
        match &*name {
            b"input" => {
                pieces.add(&value).map_err(|error| Problem::invalid(error.to_string()).with("path", "input"))?
            }
            name => match std::str::from_utf8(name).ok().and_then(|name| options::flat().find(|it| *it == name)) {
                Some(name) => options.set_text(name, &value)?,
                None => return Err(unknown_field(name)),
            },
        }
    }
    drop(body);
    let wanted = options.new_task()?;
    match encoding(&wanted.new) {
        Some(encoding) => pieces.check(encoding).map_err(|(index, error)| {
            Problem::invalid(format!("`input` number {}: {error}", index + 1)).with("path", format!("input[{index}]"))
        })?,
        None if !pieces.is_empty() => return Err(no_inputs("input")),
        None => {}
    }
    Intake::of_pieces(resources, wanted, asker, pieces, share).finish().await
}

/// What is no field's name is likely to be no form at all: `curl --data-binary @lines` calls it one.
fn unknown_field(name: &[u8]) -> Problem {
    let is_name = |name: &&str| name.len() <= FIELD_NAME_MAX && !name.chars().any(char::is_control);
    let Some(name) = std::str::from_utf8(name).ok().filter(is_name) else {
        return Problem::invalid(
            "this body says that it is a form, and is none: if it is lines to hash, send it with \
             `Content-Type: text/plain`, as curl does with `-H 'content-type: text/plain'`",
        );
    };
    let known = options::flat_text();
    Problem::invalid(format!(
        "there is no field `{name}` in this form; there are: input, {known}. \
         If the body is not a form but lines to hash, send it with `Content-Type: text/plain`"
    ))
    .with("path", name)
}
