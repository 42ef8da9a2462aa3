//! What is done to many tasks of the list: asked for by its form, confirmed where it cannot be undone or where not all
//! of them are seen.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::filters;
use super::tasks::{Shown, UNTICKED};
use super::viewer::Viewer;
use crate::api::{list, submit};
use crate::assets;
use crate::bulk::{Asked, Bulk};
use crate::error::Problem;
use crate::hive::DEADLINE_MAX;
use crate::model::{BulkAction, BulkView};
use crate::request::query::Query;
use crate::room::Room;

#[derive(Template, WebTemplate)]
#[template(path = "bulk.html")]
struct Page {
    viewer: Viewer,
    asked: Asked,
    /// Which tasks are meant.
    words: String,
    counted: BulkView,
    /// What the form said, to be sent again: all but the deadline, which the question has a field for.
    fields: Vec<(String, String)>,
    /// The list that it came from.
    back: String,
}

impl Page {
    /// What the field for a new deadline has, if there is one.
    fn deadline(&self) -> Option<Option<u32>> {
        self.asked.deadline_seconds.filter(|_| self.counted.changed > 0)
    }

    /// What is to be done, as a question would begin.
    fn verb(&self) -> &'static str {
        match self.asked.action {
            BulkAction::Pause => "Pause",
            BulkAction::Resume => "Resume",
            BulkAction::Cancel => "Cancel",
            BulkAction::Retry => "Retry",
            BulkAction::Delete => "Delete",
            BulkAction::Priority => "Give another priority to",
        }
    }
}

/// `POST /admin/tasks/bulk`
pub(super) async fn change(
    bulk: Bulk,
    viewer: Viewer,
    State(room): State<Room>,
    request: Request,
) -> Result<Response, Problem> {
    let values = submit::form_values(&room, request).await?;
    let shown = shown(&values)?;
    let Some(asked) = Asked::of_form(&values)? else {
        return Ok(Redirect::to(&shown.address_with(&[(UNTICKED, "1".to_owned())])).into_response());
    };
    let is_confirmed = values.iter().any(|(name, _)| name == "confirmed");
    if asked.is_to_be_confirmed() && !is_confirmed {
        let counted = bulk.count(asked.clone()).await?;
        let is_again = |(name, value): &(String, String)| !value.is_empty() && name != "deadline_seconds";
        let fields = values.into_iter().filter(is_again).collect();
        let words = asked.words();
        return Ok(Page { viewer, asked, words, counted, fields, back: shown.address() }.into_response());
    }
    let view = bulk.begin(asked).await?;
    let reports: Vec<_> = view.id.iter().map(|id| ("bulk", id.to_string())).collect();
    Ok(Redirect::to(&shown.address_with(&reports)).into_response())
}

/// The list that the form came from.
fn shown(values: &[(String, String)]) -> Result<Shown, Problem> {
    let of_list = |name: &str| list::FILTERS.contains(&name) || name == "sort";
    let mut query = Query::of_fields(values.iter().filter(|(name, _)| of_list(name)).cloned());
    let filter = list::filter(&mut query)?;
    let (order, _) = list::order(&mut query, &filter)?;
    Ok(Shown { filter, order })
}
