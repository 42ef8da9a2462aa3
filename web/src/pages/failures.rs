//! Tasks that failed, by why.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;

use super::address::address_with;
use super::filters;
use super::viewer::Viewer;
use crate::assets;
use crate::bulk::RENEW;
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::{FailureGroup, TaskState};

#[derive(Template, WebTemplate)]
#[template(path = "failures.html")]
pub(super) struct Page {
    viewer: Viewer,
    failures: Vec<FailureGroup>,
}

impl Page {
    /// The list of the tasks of a group.
    fn tasks(group: &FailureGroup) -> String {
        let state = TaskState::Failed.name().to_owned();
        address_with("/admin/tasks", [("state", Some(state)), ("reason", Some(group.reason.clone()))])
    }
}

pub(super) async fn page(State(hive): State<Arc<dyn Hive>>, viewer: Viewer) -> Result<Page, Problem> {
    Ok(Page { viewer, failures: hive.failures().await? })
}
