//! `multipart/form-data`, as the page's form and `curl -F` send it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request};
use axum::http::StatusCode;
use hyper::body::Frame;

use super::asker::Asker;
use super::declared::{form_of_part, media_type};
use super::gunzip::Gunzip;
use super::intake::{Intake, Outcome, no_inputs};
use super::lines::Lines;
use super::resources::Resources;
use super::typed::Typed;
use crate::error::{BodyError, Problem, shown};
use crate::options::{self, Options};
use crate::room::Share;

/// The longest value of an option, in bytes: a key in hexadecimal.
const OPTION_MAX: usize = 2 * crate::kinds::digest::MAX_KEY;

/// The longest value of an option that is a list, in bytes: a hundred thousand digests, or masks.
const LIST_MAX: usize = 16 << 20;

/// The longest that may come before a field's value begins, in bytes: the parser keeps all of it.
const HEAD_MAX: usize = 64 << 10;

/// A form that is being read.
struct Fields {
    form: Multipart,
    /// How much may still come; shared with the body.
    left: Arc<AtomicUsize>,
}

/// A body whose frames come one at a time, since the parser would keep all that are there.
struct Paced {
    body: Body,
    is_given: bool,
    left: Arc<AtomicUsize>,
}

/// The form in a request. How long it may be is seen to elsewhere.
async fn form(request: Request) -> Result<Fields, Problem> {
    let left = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&left);
    let mut request = request.map(|body| Body::new(Paced { body, is_given: false, left: shared }));
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
    Ok(Fields { form: form.map_err(|error| Problem::malformed(error.body_text()))?, left })
}

impl Fields {
    /// The next field, whose value can be read then; the one before was read to its end.
    async fn next(&mut self) -> Result<Option<Field<'_>>, MultipartError> {
        self.left.store(HEAD_MAX, Relaxed);
        let field = self.form.next_field().await;
        self.left.store(usize::MAX, Relaxed);
        field
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if std::mem::take(&mut self.is_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let left = self.left.load(Relaxed);
        if left == 0 {
            return Poll::Ready(Some(Err(axum::Error::new(BodyError::LongHead { limit: HEAD_MAX }))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.is_given = true;
        let length = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        self.left.store(left.saturating_sub(length), Relaxed);
        Poll::Ready(frame)
    }
}

/// Options first, then `text` and `file`, of whose lines each is an input. `typed` keeps what is
/// read, and of a form that is refused what follows, too.
pub(super) async fn read(
    resources: &Resources,
    options: Options,
    asker: Asker,
    request: Request,
    typed: &mut Typed,
) -> Result<Outcome, Problem> {
    let mut form = form(request).await?;
    let submitted = fields(resources, options, asker, &mut form, typed).await;
    if submitted.is_err() {
        keep_rest(&mut form, typed).await;
    }
    submitted
}

async fn fields(
    resources: &Resources,
    mut options: Options,
    asker: Asker,
    form: &mut Fields,
    typed: &mut Typed,
) -> Result<Outcome, Problem> {
    let mut kept = Kept { share: resources.room.share(), bytes: 0 };
    let mut field = form.next().await?;
    while let Some(option) = field.take_if(|field| !is_inputs(field)) {
        set(&mut options, &mut kept, option, typed).await?;
        field = form.next().await?;
    }
    let mut intake = match options.new_task().map(|wanted| Intake::new(resources, wanted, asker)) {
        Ok(intake) => intake,
        Err(problem) => {
            if let Some(inputs) = field {
                keep_inputs(inputs, typed).await;
            }
            return Err(problem);
        }
    };
    // How many bytes may still come out of compressed files, all of them together.
    let mut unpacked = resources.max_body;
    while let Some(inputs) = field {
        let name = name_of(&inputs);
        if !is_inputs(&inputs) {
            let detail = format!("`{name}` comes after the inputs; options go before `text` and `file`");
            return Err(Problem::invalid(detail).with("path", name));
        }
        if !intake.has_inputs() {
            refuse(inputs).await?;
            field = form.next().await?;
            continue;
        }
        let (written, is_packed) = form_of_part(inputs.headers()).map_err(|problem| in_field(&name, problem))?;
        let gunzip = is_packed.then(|| Gunzip::with_left(unpacked, resources.max_body));
        lines(&mut intake, Lines::new(written), gunzip.map(|gunzip| (gunzip, &mut unpacked)), inputs, typed)
            .await
            .map_err(|problem| match () {
                () if problem.members.contains_key("line") => in_field(&name, problem),
                // It is not compressed as it should be.
                () if is_packed && problem.status == StatusCode::BAD_REQUEST => problem.with("path", name),
                () => problem,
            })?;
        field = form.next().await?;
    }
    if intake.has_inputs() && intake.pieces.is_empty() {
        return Err(Problem::invalid("there is nothing to hash: give `text`, or `file`").with("path", "text"));
    }
    intake.finish().await
}

/// Keeps what follows of a form that is refused, as far as it is one of ours.
async fn keep_rest(form: &mut Fields, typed: &mut Typed) {
    for _ in 0..options::flat().count() {
        if !typed.has_room() {
            return;
        }
        match form.next().await {
            Ok(Some(field)) if is_inputs(&field) => keep_inputs(field, typed).await,
            Ok(Some(field)) if field.file_name().is_some() => {
                if is_chosen(&field) {
                    typed.add_file();
                }
            }
            Ok(Some(mut field)) => match value(&mut field, OPTION_MAX, |_| Ok(())).await {
                Ok(value) => typed.add_option(&name_of(&field), &value),
                Err(_) => return,
            },
            // It is refused already, for a better reason.
            Ok(None) | Err(_) => return,
        }
    }
}

/// Keeps what is left of a field with inputs: a file, which can be long, is only noted.
async fn keep_inputs(mut inputs: Field<'_>, typed: &mut Typed) {
    if inputs.name() == Some("file") {
        if is_chosen(&inputs) {
            typed.add_file();
        }
        return;
    }
    while typed.has_room()
        && let Ok(Some(part)) = inputs.chunk().await
    {
        typed.add_text(&part);
    }
}

/// A field's name, to speak of it.
fn name_of(field: &Field<'_>) -> String {
    shown(field.name().unwrap_or_default()).into_owned()
}

/// A fault that is in a field.
fn in_field(name: &str, problem: Problem) -> Problem {
    Problem { detail: format!("`{name}`, {}", problem.detail), ..problem }.with("path", name)
}

fn is_inputs(field: &Field<'_>) -> bool {
    matches!(field.name(), Some("text" | "file"))
}

async fn set(options: &mut Options, kept: &mut Kept, mut option: Field<'_>, typed: &mut Typed) -> Result<(), Problem> {
    let name = name_of(&option);
    if !options::flat().any(|known| known == name) {
        let known = options::flat_text();
        let detail = format!("there is no field `{name}`; there are: {known}, and then text, file");
        return Err(Problem::invalid(detail).with("path", name));
    }
    media_type(option.headers()).map_err(|problem| in_field(&name, problem))?;
    let value = match options::LISTS.contains(&name.as_str()) {
        true => value(&mut option, LIST_MAX, |length| kept.cover(length)).await?,
        false => value(&mut option, OPTION_MAX, |_| Ok(())).await?,
    };
    kept.bytes += value.len();
    match is_chosen(&option) {
        true => typed.add_file(),
        false if option.file_name().is_some() => {}
        false => typed.add_option(&name, &value),
    }
    options.set_text(&name, &value)
}

/// What options take of the room.
struct Kept {
    share: Share,
    bytes: usize,
}

impl Kept {
    /// Makes sure that there is room for one more of this length.
    fn cover(&mut self, length: usize) -> Result<(), Problem> {
        self.share.cover(self.bytes + length)
    }
}

/// Whether it is a file that was chosen; where none was, browsers send an empty one without a name.
fn is_chosen(field: &Field<'_>) -> bool {
    field.file_name().is_some_and(|name| !name.is_empty())
}

/// The value of an option, of at most so many bytes; `cover` is told how many there are so far.
async fn value(
    option: &mut Field<'_>,
    most: usize,
    mut cover: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<Vec<u8>, Problem> {
    let mut value = Vec::new();
    while let Some(part) = option.chunk().await? {
        if value.len() + part.len() > most {
            let name = name_of(option);
            return Err(Problem::invalid(format!("`{name}` is longer than {most} bytes")).with("path", name));
        }
        cover(value.len() + part.len())?;
        value.extend_from_slice(&part);
    }
    Ok(value)
}

/// Refuses inputs that a search does not have; the page's form sends empty ones.
async fn refuse(mut inputs: Field<'_>) -> Result<(), Problem> {
    while let Some(part) = inputs.chunk().await? {
        if !part.is_empty() {
            return Err(no_inputs(&name_of(&inputs)));
        }
    }
    Ok(())
}

async fn lines(
    intake: &mut Intake<'_>,
    lines: Lines,
    gunzip: Option<(Gunzip, &mut u64)>,
    mut inputs: Field<'_>,
    typed: &mut Typed,
) -> Result<(), Problem> {
    let read = match gunzip {
        Some((gunzip, left)) => feed_packed(intake, lines, gunzip, left, &mut inputs).await,
        None => feed(intake, lines, &mut inputs, typed).await,
    };
    if read.is_err() {
        keep_inputs(inputs, typed).await;
    }
    read
}

/// Lines of a file that is compressed; says how many bytes may still come out of others.
async fn feed_packed(
    intake: &mut Intake<'_>,
    mut lines: Lines,
    mut gunzip: Gunzip,
    left: &mut u64,
    inputs: &mut Field<'_>,
) -> Result<(), Problem> {
    let broken = |error: BodyError| Problem::of_body(&error);
    while let Some(packed) = inputs.chunk().await? {
        gunzip.feed(packed);
        while let Some(part) = gunzip.step().map_err(broken)? {
            lines.feed(&part, &mut intake.pieces)?;
            intake.pass_on(lines.held()).await?;
        }
    }
    if let Some(part) = gunzip.end().map_err(broken)? {
        lines.feed(&part, &mut intake.pieces)?;
    }
    *left = gunzip.left();
    lines.end(&mut intake.pieces)
}

async fn feed(
    intake: &mut Intake<'_>,
    mut lines: Lines,
    inputs: &mut Field<'_>,
    typed: &mut Typed,
) -> Result<(), Problem> {
    let is_typed = inputs.name() == Some("text");
    while let Some(part) = inputs.chunk().await? {
        if is_typed {
            typed.add_text(&part);
        }
        lines.feed(&part, &mut intake.pieces)?;
        intake.pass_on(lines.held()).await?;
    }
    lines.end(&mut intake.pieces)
}
