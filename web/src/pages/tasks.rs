//! The list of tasks: found, filtered and sorted.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use percent_encoding::utf8_percent_encode;
use wire::ids::TaskId;

use super::done::done;
use super::reasons::Reasons;
use super::viewer::Viewer;
use super::{filters, overview};
use crate::api::submit::{self, Outcome, Resources};
use crate::api::{cursor, list};
use crate::assets;
use crate::bulk::{Bulk, RENEW};
use crate::config::Config;
use crate::error::Problem;
use crate::hive::{Counted, DEADLINE_MAX, Hive, LineCounts, Order, Position, SortBy, TaskFilter, TaskPage, TaskQuery};
use crate::kinds::KINDS;
use crate::kinds::digest::ALGORITHMS;
use crate::model::{BulkAction, BulkState, BulkView, TaskState, TaskView};
use crate::own;
use crate::request::form::VALUE;
use crate::request::query::Query;
use crate::told::Did;

/// What stands in the address of a list from which something was to be done to many, of which none was ticked.
pub(super) const UNTICKED: &str = "unticked";

/// Tasks a page.
const PAGE: usize = 50;

/// In which orders a list can be shown, and how that is said.
const SORTS: [(&str, &str); 8] = [
    ("id", "newest first"),
    ("-id", "oldest first"),
    ("ended", "last to end first"),
    ("-ended", "first to end first"),
    ("progress", "most done first"),
    ("-progress", "least done first"),
    ("priority", "most urgent first"),
    ("-priority", "least urgent first"),
];

/// Which list is shown: what stands in its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) filter: TaskFilter,
    pub(super) order: Order,
}

impl Shown {
    /// The address of the list, from its beginning on.
    pub(super) fn address(&self) -> String {
        self.address_with(&[])
    }

    /// The same with more in its query.
    pub(super) fn address_with(&self, more: &[(&str, String)]) -> String {
        let sort = (self.order != Order::default()).then(|| ("sort", self.order.to_string()));
        let values = list::values(&self.filter).into_iter().chain(sort).chain(more.iter().cloned());
        let query: Vec<_> =
            values.map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, VALUE))).collect();
        if query.is_empty() { "/admin/tasks".to_owned() } else { format!("/admin/tasks?{}", query.join("&")) }
    }

    /// What is to be said again by a form that is sent from the list.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let sort = (self.order != Order::default()).then(|| ("sort", self.order.to_string()));
        list::values(&self.filter).into_iter().chain(sort).collect()
    }

    fn state(&self) -> Option<TaskState> {
        self.filter.states.first().copied()
    }

    /// With another state, or any; sorted as before if that is possible.
    fn with_state(&self, state: Option<TaskState>) -> Self {
        let filter = TaskFilter { states: state.into_iter().collect(), ..self.filter.clone() };
        let order =
            if state.is_none_or(|state| self.order.by.has_state(state)) { self.order } else { Order::default() };
        Self { filter, order }
    }
}

/// The head of a column.
struct Head {
    words: &'static str,
    /// Of the list sorted by it, if that is possible.
    address: Option<String>,
    /// How the list is sorted by it, in ARIA's words, if it is.
    direction: Option<&'static str>,
    is_number: bool,
}

#[derive(Template, WebTemplate)]
#[template(path = "tasks.html")]
pub(super) struct Page {
    viewer: Viewer,
    /// How many lines the list has in each state.
    lines: LineCounts,
    shown: Shown,
    is_first: bool,
    tasks: Vec<TaskView>,
    /// Why several of them wait.
    reasons: Reasons,
    next: Option<Position>,
    /// What is done to many of them, or was just now.
    bulk: Option<BulkView>,
    /// Something was to be done, and nothing was ticked.
    is_unticked: bool,
}

impl Page {
    /// How many lines there are in the list with this state, or any.
    fn count(&self, state: Option<TaskState>) -> Counted {
        let order = self.shown.with_state(state).order;
        self.lines.of(|one| state.is_none_or(|state| state == one) && order.by.has_state(one))
    }

    /// Whether more than the state is asked for.
    fn is_narrow(&self) -> bool {
        !self.shown.filter.is_plain()
    }

    /// Whether more than the name is asked for: what stands in the part of the form that may be closed.
    fn is_detailed(&self) -> bool {
        let TaskFilter { name: _, ref owner, kind, algorithm, since, until, ref reason, .. } = self.shown.filter;
        let texts = owner.is_some() || reason.is_some();
        texts || kind.is_some() || algorithm.is_some() || since.is_some() || until.is_some()
    }

    /// The address of the list with this state, or any.
    fn of_state(&self, state: Option<TaskState>) -> String {
        self.shown.with_state(state).address()
    }

    /// The address of what follows.
    fn behind(&self, next: &Position) -> String {
        self.shown.address_with(&[("cursor", cursor::of_place(self.shown.order, *next))])
    }

    /// The heads of the table's columns.
    fn heads(&self) -> Vec<Head> {
        let sorted = |words, by| {
            let Order { by: now, reversed } = self.shown.order;
            let direction = (now == by).then_some(if reversed { "ascending" } else { "descending" });
            let is_possible = self.shown.state().is_none_or(|state| by.has_state(state));
            // Once more is the other way round.
            let order = Order { by, reversed: now == by && !reversed };
            let address = is_possible.then(|| Shown { order, ..self.shown.clone() }.address());
            Head { words, address, direction, is_number: by == SortBy::Priority }
        };
        vec![
            sorted("Task", SortBy::Id),
            Head { words: "State", address: None, direction: None, is_number: false },
            sorted("Progress", SortBy::Progress),
            sorted("Priority", SortBy::Priority),
            sorted("Ended", SortBy::Ended),
        ]
    }

    /// The address of the list as it is sorted at first.
    fn of_id(&self) -> String {
        Shown { order: Order::default(), ..self.shown.clone() }.address()
    }

    /// Whether there is anything that its reader may change.
    fn can_change(&self) -> bool {
        self.tasks.iter().any(|task| self.viewer.changes(task))
    }

    /// What can be done to tasks that are shown.
    fn actions(&self) -> Vec<BulkAction> {
        let actions = BulkAction::ALL.into_iter().filter(|action| *action != BulkAction::Priority);
        actions.filter(|action| self.concerns(*action)).collect()
    }

    fn has_retries(&self) -> bool {
        self.concerns(BulkAction::Retry)
    }

    /// Whether tasks may be shown whose priority can be changed.
    fn has_priorities(&self) -> bool {
        self.concerns(BulkAction::Priority)
    }

    /// Whether tasks may be shown to which this can be done.
    fn concerns(&self, action: BulkAction) -> bool {
        let Shown { filter, order } = &self.shown;
        TaskState::ALL
            .into_iter()
            .any(|state| filter.has_state(state) && order.by.has_state(state) && action.concerns(state))
    }

    /// What the list leaves out because of its order.
    fn restriction(&self) -> Option<&'static str> {
        match self.shown.order.by {
            SortBy::Id => None,
            SortBy::Ended => Some("Sorted by their end, these are the tasks that have ended."),
            SortBy::Progress | SortBy::Priority => Some("Sorted so, these are the tasks that have not ended."),
        }
    }

    /// What is done to many of them, or was, is told as something that went wrong.
    fn is_bad(bulk: &BulkView) -> bool {
        bulk.state == BulkState::Stopped || bulk.state == BulkState::Done && bulk.changed == 0
    }

    /// What has become of tasks to which something was done.
    fn past(action: &BulkAction) -> &'static str {
        match action {
            BulkAction::Pause => "paused",
            BulkAction::Resume => "resumed",
            BulkAction::Cancel => "cancelled",
            BulkAction::Retry => "begun again",
            BulkAction::Delete => "deleted",
            BulkAction::Priority => "given the new priority",
        }
    }
}

pub(super) async fn page(
    State(hive): State<Arc<dyn Hive>>,
    viewer: Viewer,
    bulk: Bulk,
    mut query: Query,
) -> Result<Response, Problem> {
    let mut filter = list::filter(&mut query)?;
    if let Some(sought) = query.text("find")? {
        let id = sought.trim().trim_start_matches('#').parse().ok().map(TaskId);
        if let Some(id) = id
            && let Ok(task) = own::task(&*hive, viewer.caller(), id).await
        {
            return Ok(Redirect::to(&format!("/admin/tasks/{}", task.id)).into_response());
        }
        filter.name = Some(sought);
    }
    let (order, after) = list::order(&mut query, &filter)?;
    // What is not known any more is nothing to be told.
    let bulk = query.number("bulk", 1..=u64::MAX)?.and_then(|id| bulk.find(id).ok());
    let is_unticked = query.flag(UNTICKED)?;
    let asked = TaskFilter { token: viewer.caller().only_own(), ..filter.clone() };
    let lines = hive.lines(TaskFilter { states: Vec::new(), ..asked.clone() }).await?;
    let TaskPage { tasks, next } = hive.tasks(TaskQuery { filter: asked, order, after, limit: PAGE }).await?;
    let shown = Shown { filter, order };
    let reasons = Reasons::of(tasks.iter().map(|task| task.waiting_because.as_deref()));
    Ok(Page { viewer, lines, shown, is_first: after.is_none(), tasks, reasons, next, bulk, is_unticked }
        .into_response())
}

pub(super) async fn submit(
    State(resources): State<Resources>,
    State(config): State<Arc<Config>>,
    viewer: Viewer,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let (outcome, typed) = submit::page_form(&resources, request).await;
    let problem = match outcome {
        Ok(Outcome::Submitted(task)) => {
            return Ok(done(Did::Submit, task.id().0, &format!("/admin/tasks/{}", task.id())));
        }
        Ok(Outcome::Estimated(_)) => Problem::invalid("this form submits; what a search would take is told by another"),
        Err(problem) => problem,
    };
    overview::refused(&*resources.hive, &config, viewer, &headers, problem, typed).await
}
