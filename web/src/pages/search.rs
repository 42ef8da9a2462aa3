//! The form that begins a search.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use wire::ids::TaskId;

use super::done::done;
use super::filters;
use super::form::{self, Form};
use super::viewer::Viewer;
use crate::api::submit::{self, Outcome, Resources};
use crate::assets;
use crate::error::Problem;
use crate::hive::{DEADLINE_MAX, Estimate, Hive};
use crate::kinds::search::MAX_FINDINGS;
use crate::options::CHARSETS;
use crate::request::query::Query;
use crate::told::Did;

/// Fields of what stands around candidates.
const AROUND: [&str; 4] = ["prefix", "prefix_hex", "suffix", "suffix_hex"];

/// Fields that are seldom needed.
const MORE: [&str; 4] = ["name", "priority", "deadline_seconds", "max_findings"];

/// The other fields.
const FIELDS: [&str; 15] = [
    "mask",
    "min_length",
    "masks",
    "counter_from",
    "counter_to",
    "counter_format",
    "targets",
    "leading_zero_bits",
    "digest_prefix",
    "digest_prefix_bits",
    "digest_at_most",
    "digest_at_least",
    "digest_order",
    "algorithm",
    "stop",
];

#[derive(Template, WebTemplate)]
#[template(path = "search.html")]
pub(super) struct Page {
    viewer: Viewer,
    form: Form,
    /// What has to be given again in the form.
    missing: Option<String>,
    /// What it would take, if that was asked for.
    estimate: Option<Estimate>,
}

impl Page {
    fn new(viewer: Viewer) -> Self {
        Self { viewer, form: Form::default(), missing: None, estimate: None }
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.form.has(name, ""))
    }

    fn has_charsets(&self) -> bool {
        self.has(&CHARSETS)
    }

    fn has_around(&self) -> bool {
        self.has(&AROUND)
    }

    fn has_more(&self) -> bool {
        self.has(&MORE)
    }

    /// Which candidates the form is about.
    fn candidates(&self) -> &'static str {
        match () {
            () if self.has(&["counter_from", "counter_to"]) => "counter",
            () if self.has(&["masks"]) && !self.has(&["mask"]) => "masks",
            () => "mask",
        }
    }

    /// What the form says that is sought.
    fn sought(&self) -> &'static str {
        match () {
            () if self.has(&["leading_zero_bits"]) => "zeros",
            () if self.has(&["digest_prefix", "digest_prefix_bits"]) => "prefix",
            () if self.has(&["digest_at_most", "digest_at_least"]) => "interval",
            () => "targets",
        }
    }
}

pub(super) async fn page(State(hive): State<Arc<dyn Hive>>, viewer: Viewer, mut query: Query) -> Result<Page, Problem> {
    let Some(id) = query.number("clone", 0..=u64::MAX)? else { return Ok(Page::new(viewer)) };
    let (form, missing) = form::again(&*hive, viewer.caller(), TaskId(id)).await?;
    Ok(Page { form, missing, ..Page::new(viewer) })
}

pub(super) async fn submit(State(resources): State<Resources>, viewer: Viewer, request: Request) -> Response {
    let (outcome, typed) = submit::page_form(&resources, request).await;
    let missing = typed.missing().map(str::to_owned);
    let estimated = match outcome {
        Ok(Outcome::Submitted(task)) => return done(Did::Submit, task.id().0, &format!("/admin/tasks/{}", task.id())),
        Ok(Outcome::Estimated(estimate)) => Ok(estimate),
        Err(problem) => Err(problem),
    };
    let page = Page::new(viewer);
    match estimated {
        Ok(estimate) => {
            Page { form: Form::again(typed.values()), missing, estimate: Some(estimate), ..page }.into_response()
        }
        Err(problem) => {
            let fields = [&FIELDS[..], &CHARSETS, &AROUND, &MORE].concat();
            let form = Form::refused(&problem, typed.values(), &fields);
            form::answer(&problem, Page { form, missing, ..page })
        }
    }
}
