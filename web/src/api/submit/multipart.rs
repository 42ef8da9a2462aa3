//! `multipart/form-data`, as the page's form and `curl -F` send it.

use axum::extract::multipart::Field;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request};

use super::asker::Asker;
use super::intake::Intake;
use super::lines::{Form, Lines};
use crate::App;
use crate::error::Problem;
use crate::hive::Submitted;
use crate::kinds::{OPTION_NAMES, Options};

/// The longest value of an option, in bytes: a key in hexadecimal.
const OPTION_MAX: usize = 2 * crate::kinds::digest::MAX_KEY;

/// The form in a request. How long it may be is seen to elsewhere.
pub(super) async fn form(mut request: Request) -> Result<Multipart, Problem> {
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
    form.map_err(|error| Problem::malformed(error.body_text()))
}

/// Options first, then `text` and `file`, of whose lines each is an input.
pub(super) async fn read(
    app: &App,
    mut options: Options,
    asker: Asker,
    request: Request,
) -> Result<Submitted, Problem> {
    let mut form = form(request).await?;
    let mut field = form.next_field().await?;
    while let Some(option) = field.take_if(|field| !is_inputs(field)) {
        set(&mut options, option).await?;
        field = form.next_field().await?;
    }
    let mut intake = Intake::new(app, options.new_task()?, asker)?;
    while let Some(inputs) = field {
        let name = name_of(&inputs);
        if !is_inputs(&inputs) {
            let detail = format!("`{name}` comes after the inputs; options go before `text` and `file`");
            return Err(Problem::invalid(detail).with("path", name));
        }
        lines(&mut intake, inputs).await.map_err(|problem| match problem.members.contains_key("line") {
            true => Problem { detail: format!("`{name}`, {}", problem.detail), ..problem }.with("path", name),
            false => problem,
        })?;
        field = form.next_field().await?;
    }
    intake.finish().await
}

fn name_of(field: &Field<'_>) -> String {
    field.name().unwrap_or_default().to_owned()
}

fn is_inputs(field: &Field<'_>) -> bool {
    matches!(field.name(), Some("text" | "file"))
}

async fn set(options: &mut Options, mut option: Field<'_>) -> Result<(), Problem> {
    let name = name_of(&option);
    if !OPTION_NAMES.contains(&name.as_str()) {
        let known = OPTION_NAMES.join(", ");
        let detail = format!("there is no field `{name}`; there are: {known}, and then text, file");
        return Err(Problem::invalid(detail).with("path", name));
    }
    let mut value = Vec::new();
    while let Some(part) = option.chunk().await? {
        if value.len() + part.len() > OPTION_MAX {
            return Err(Problem::invalid(format!("`{name}` is longer than {OPTION_MAX} bytes")).with("path", name));
        }
        value.extend_from_slice(&part);
    }
    options.set_text(&name, &value)
}

async fn lines(intake: &mut Intake<'_>, mut inputs: Field<'_>) -> Result<(), Problem> {
    let mut lines = Lines::new(Form::Text);
    while let Some(part) = inputs.chunk().await? {
        lines.feed(&part, &mut intake.pieces)?;
        intake.pass_on(lines.held()).await?;
    }
    lines.end(&mut intake.pieces)
}
