//! The log.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;

use super::address::address_with;
use super::filters;
use super::viewer::Viewer;
use crate::access::{LogEntry, LogFilter, LogKind};
use crate::api::log;
use crate::assets;
use crate::error::Problem;
use crate::hive::{Access, Hive};
use crate::model::Timestamp;
use crate::request::query::Query;

/// Lines a page.
const PAGE: usize = 100;

#[derive(Template, WebTemplate)]
#[template(path = "log.html")]
pub(super) struct Page {
    viewer: Viewer,
    entries: Vec<LogEntry>,
    filter: LogFilter,
    next: Option<u64>,
    /// The Queen keeps a log.
    is_kept: bool,
}

/// Where on the page something leads that a line is about: `drone 3 (meadow)`, or `task 7` of those that are there.
fn address_of(target: &str) -> Option<String> {
    let (what, rest) = target.split_once(' ')?;
    let id: u64 = rest.split(' ').next()?.parse().ok()?;
    match what {
        "task" => Some(format!("/admin/tasks/{id}")),
        "drone" => Some(format!("/admin/drones/{id}")),
        _ => None,
    }
}

impl Page {
    /// Whether more than the kind was asked for.
    fn is_narrow(&self) -> bool {
        let LogFilter { who, target, since, until, .. } = &self.filter;
        who.is_some() || target.is_some() || since.is_some() || until.is_some()
    }

    /// The kinds of lines that the viewer sees.
    fn kinds(&self) -> &'static [LogKind] {
        LogKind::seen_by(self.viewer.caller())
    }

    /// The one kind that was asked for.
    fn kind(&self) -> Option<LogKind> {
        asked_for(&self.filter)
    }

    /// The address of the same with another kind.
    fn with_kind(&self, kind: Option<LogKind>) -> String {
        let kinds = kind.into_iter().collect();
        address(&LogFilter { kinds, before: None, ..self.filter.clone() })
    }

    /// The address of what one token did.
    fn of_who(&self, who: &str) -> String {
        address(&LogFilter { who: Some(who.to_owned()), before: None, ..self.filter.clone() })
    }

    /// The address of what follows.
    fn before(&self, before: &u64) -> String {
        address(&LogFilter { before: Some(*before), ..self.filter.clone() })
    }

    /// The address of the newest ones.
    fn newest(&self) -> String {
        address(&LogFilter { before: None, ..self.filter.clone() })
    }

    /// The address of all that is chosen, as a file.
    fn download(&self, format: &str) -> String {
        let all = address(&LogFilter { before: None, ..self.filter.clone() });
        let chosen = all.strip_prefix("/admin/log").unwrap_or_default();
        format!("/log{chosen}{}format={format}&download=1", if chosen.is_empty() { '?' } else { '&' })
    }
}

fn asked_for(filter: &LogFilter) -> Option<LogKind> {
    match filter.kinds[..] {
        [kind] => Some(kind),
        _ => None,
    }
}

fn address(filter: &LogFilter) -> String {
    let LogFilter { kinds: _, who, target, since, until, before, limit: _ } = filter;
    let moment = |at: &Option<Timestamp>| at.map(|at| at.to_string());
    let values = [
        ("kind", asked_for(filter).map(|kind| kind.name().to_owned())),
        ("who", who.clone()),
        ("target", target.clone()),
        ("since", moment(since)),
        ("until", moment(until)),
        ("cursor", before.map(|before| before.to_string())),
    ];
    address_with("/admin/log", values)
}

pub(super) async fn page(
    State(access): State<Arc<dyn Access>>,
    State(hive): State<Arc<dyn Hive>>,
    viewer: Viewer,
    mut query: Query,
) -> Result<Page, Problem> {
    let before = query.number("cursor", 0..=u64::MAX)?;
    let filter = LogFilter { before, limit: PAGE, ..log::filter(&mut query, viewer.caller())? };
    let page = access.log(filter.clone()).await?;
    // Where there are lines, one is kept.
    let is_kept = !page.entries.is_empty() || hive.overview().await?.data.is_some();
    Ok(Page { viewer, entries: page.entries, filter, next: page.next, is_kept })
}
