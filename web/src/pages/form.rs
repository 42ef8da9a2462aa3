//! Forms, as they are at first, and as they come back with what was typed and what is wrong with it.

use std::collections::BTreeMap;

use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use wire::ids::TaskId;

use super::again::{Again, FILLED_MAX};
use super::words;
use crate::access::Caller;
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::TaskView;
use crate::own;

/// What stands in a form's fields, and why it was refused.
#[derive(Debug, Default)]
pub(super) struct Form {
    values: BTreeMap<String, String>,
    fault: Option<Fault>,
    /// Where its deadline comes from, if it is another task's.
    deadline: Option<String>,
}

#[derive(Debug)]
struct Fault {
    /// Of which field; the form as a whole if `None`.
    field: Option<String>,
    /// In the words of the form.
    detail: String,
}

impl Form {
    /// That of a task, as it is.
    pub(super) fn of(task: &TaskView) -> Self {
        let values = [("name", task.name.clone().unwrap_or_default()), ("priority", task.priority.to_string())];
        Self::again(values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// One that is shown again, though nothing is wrong with it.
    pub(super) fn again(values: BTreeMap<String, String>) -> Self {
        Self { values, ..Self::default() }
    }

    /// One that was refused. `fields`: those that it has.
    pub(super) fn refused(problem: &Problem, values: BTreeMap<String, String>, fields: &[&str]) -> Self {
        let path = problem.members.get("path").and_then(|path| path.as_str());
        let field = path.filter(|path| fields.contains(path)).map(str::to_owned);
        Self { fault: Some(Fault { field, detail: words::spoken(&problem.detail) }), ..Self::again(values) }
    }

    /// What is wrong belongs beside this field, if to none in particular.
    pub(super) fn or_beside(mut self, field: &str) -> Self {
        if let Some(fault) = &mut self.fault {
            fault.field.get_or_insert_with(|| field.to_owned());
        }
        self
    }

    /// What stands in a field.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Whether a field has another value than the one that it has at first.
    pub(super) fn has(&self, name: &str, first: &str) -> bool {
        self.values.get(name).is_some_and(|value| value != first) || self.fault(name).is_some()
    }

    /// What is wrong with a field.
    pub(super) fn fault(&self, name: &str) -> Option<&str> {
        let fault = self.fault.as_ref().filter(|fault| fault.field.as_deref() == Some(name))?;
        Some(&fault.detail)
    }

    /// What a field is called where something is said of it.
    pub(super) fn words(&self, name: &str) -> Option<&'static str> {
        words::of(name)
    }

    /// Where its deadline comes from, as a sentence, if it is another task's.
    pub(super) fn deadline(&self) -> Option<&str> {
        self.deadline.as_deref()
    }

    /// What is wrong with no field in particular.
    pub(super) fn general(&self) -> Option<&str> {
        Some(&self.fault.as_ref().filter(|fault| fault.field.is_none())?.detail)
    }

    pub(super) fn is_refused(&self) -> bool {
        self.fault.is_some()
    }
}

/// The form that asks for the same as a task, and what could not be filled in.
pub(super) async fn again(hive: &dyn Hive, caller: &Caller, id: TaskId) -> Result<(Form, Option<String>), Problem> {
    let again = Again::of(&own::original(hive, caller, id, FILLED_MAX).await?);
    Ok((Form { deadline: again.deadline(id), ..Form::again(again.values()) }, again.missing()))
}

/// The page with the form that was refused.
pub(super) fn answer(problem: &Problem, page: impl IntoResponse) -> Response {
    let mut response = (problem.status, page).into_response();
    if let Some(seconds) = problem.retry_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
