//! The whole at a glance, and the form that submits.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wire::ids::TaskId;

use super::drones::{Reach, StartDrone, reached_at};
use super::filters;
use super::form::{self, Form};
use super::measured::Measured;
use super::reasons::Reasons;
use super::viewer::Viewer;
use crate::access::{LogEntry, LogFilter, LogKind, TokenId};
use crate::api::submit::Typed;
use crate::assets;
use crate::config::Config;
use crate::error::Problem;
use crate::hive::{Access, Counted, DEADLINE_MAX, DronePage, DroneQuery, Hive, TaskFilter, TaskQuery};
use crate::kinds::digest::MAX_ITERATIONS;
use crate::model::{DroneView, Overview, TaskCounts, TaskState, TaskView, Timestamp};
use crate::request::query::Query;

/// Tasks and Drones that are shown here; the rest has its own pages.
const SHOWN_MAX: usize = 8;

/// Lines of the log that are shown here.
const EVENTS: usize = 5;

/// Of the form that submits.
const FIELDS: [&str; 13] = [
    "algorithm",
    "key",
    "key_hex",
    "salt",
    "salt_hex",
    "iterations",
    "name",
    "priority",
    "deadline_seconds",
    "encoding",
    "verify",
    "text",
    "file",
];

/// What failed so long ago, in milliseconds, is told of at once: a day.
const LATELY: i64 = 24 * 60 * 60 * 1000;

/// From this part of a limit on, the page warns.
const HIGH: f64 = 0.9;

#[derive(Template, WebTemplate)]
#[template(path = "overview.html")]
pub(super) struct Page {
    viewer: Viewer,
    /// For who sees everything.
    whole: Option<Whole>,
    tasks: Vec<TaskView>,
    /// Why several of these wait.
    reasons: Reasons,
    /// Tasks that are pending, of those that they see.
    waiting: Counted,
    max_iterations: u32,
    deadline_max: u32,
    curl_one: String,
    curl_file: String,
    form: Form,
    /// What has to be given again in the form.
    missing: Option<String>,
}

impl Page {
    /// Strings that are to be computed, as far as that is shown.
    fn queued(&self) -> u64 {
        self.whole.as_ref().map_or(0, |whole| whole.overview.items_queued)
    }

    /// Whether tasks wait, or failed lately.
    fn has_news(&self) -> bool {
        self.waiting.count > 0 || self.whole.as_ref().is_some_and(|whole| whole.failed.count > 0)
    }

    /// For how long the oldest pending task has waited, in seconds.
    fn oldest_waits(&self) -> Option<f64> {
        self.whole.as_ref()?.overview.oldest_pending_seconds
    }
}

/// The whole at a glance.
struct Whole {
    overview: Overview,
    health: Health,
    /// Not that of a Queen with a disk: there, what is full is a cache.
    is_memory_high: bool,
    is_disk_high: bool,
    drones: Vec<DroneView>,
    /// Some Drone is here, or was.
    has_known_drones: bool,
    start: StartDrone,
    measured: Measured,
    /// Tasks that failed lately.
    failed: Counted,
    /// The latest lines of the log, as far as they see it.
    events: Vec<LogEntry>,
}

impl Whole {
    async fn of(hive: &dyn Hive, config: &Config, headers: &HeaderMap, events: Vec<LogEntry>) -> Result<Self, Problem> {
        let overview = hive.overview().await?;
        let mut now = hive.drone_rates().await?;
        let shown = DroneQuery { is_connected: true, limit: SHOWN_MAX, ..DroneQuery::default() };
        let DronePage { drones, has_known: has_known_drones, .. } = hive.drones(shown).await?;
        // The chart's legend says of each what the table says.
        now.extend(drones.iter().map(|drone| (drone.id, drone.compressions_per_second)));
        Ok(Self {
            health: Health::of(&overview, has_known_drones),
            has_known_drones,
            is_memory_high: overview.data.is_none() && is_high(overview.memory_used, overview.memory_limit),
            is_disk_high: overview.data.as_ref().is_some_and(|data| {
                is_high(if data.removes_early { data.unfinished } else { data.used.max(data.unfinished) }, data.limit)
            }),
            drones,
            measured: Measured::of(hive, &now).await?,
            failed: hive.failed_since(Timestamp(Timestamp::now().0 - LATELY)).await?,
            events,
            start: StartDrone::of(&overview.drone_addr, headers, config.tls.is_some()),
            overview,
        })
    }

    /// What becomes of a task that comes now.
    fn next_task(&self) -> &'static str {
        match self.overview.drones > self.overview.quarantined {
            true => "The next task starts at once.",
            false => "The next task waits until a drone is there that may work.",
        }
    }
}

/// What the operator should know first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Fault,
    Working,
    Ready,
    NoDrones,
    AllGone,
    Paused,
    Stuck,
}

impl Health {
    fn of(overview: &Overview, has_known_drones: bool) -> Self {
        if overview.fault().is_some() {
            return Self::Fault;
        }
        let TaskCounts { pending, running, paused, .. } = overview.tasks;
        let trusted = overview.drones.saturating_sub(overview.quarantined);
        match (trusted, overview.items_queued) {
            (0, 0) if overview.drones == 0 && has_known_drones => Self::AllGone,
            (0, 0) if overview.drones == 0 => Self::NoDrones,
            (_, 0) => Self::Ready,
            _ if paused > 0 && pending + running == 0 => Self::Paused,
            (0, _) => Self::Stuck,
            _ => Self::Working,
        }
    }
}

pub(super) async fn page(
    State(hive): State<Arc<dyn Hive>>,
    State(access): State<Arc<dyn Access>>,
    State(config): State<Arc<Config>>,
    viewer: Viewer,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Page, Problem> {
    let filter = LogFilter { limit: EVENTS, ..LogFilter::seen_by(viewer.caller()) };
    let events = if viewer.sees_all() { access.log(filter).await?.entries } else { Vec::new() };
    let (form, missing) = match query.number("clone", 0..=u64::MAX)?.filter(|_| viewer.submits()) {
        Some(id) => form::again(&*hive, viewer.caller(), TaskId(id)).await?,
        None => (Form::default(), None),
    };
    with_form(&*hive, &config, viewer, &headers, events, form, missing).await
}

/// The page again, with what was typed into its form, and what is wrong with that.
pub(super) async fn refused(
    hive: &dyn Hive,
    config: &Config,
    viewer: Viewer,
    headers: &HeaderMap,
    problem: Problem,
    typed: Typed,
) -> Result<Response, Problem> {
    let missing = typed.missing().map(str::to_owned);
    let form = Form::refused(&problem, typed.values(), &FIELDS);
    // What is wrong with the strings alone names no field.
    let form = if problem.status == StatusCode::UNPROCESSABLE_ENTITY { form.or_beside("text") } else { form };
    match with_form(hive, config, viewer, headers, Vec::new(), form, missing).await {
        Ok(page) => Ok(form::answer(&problem, page)),
        Err(_) => Err(problem),
    }
}

async fn with_form(
    hive: &dyn Hive,
    config: &Config,
    viewer: Viewer,
    headers: &HeaderMap,
    events: Vec<LogEntry>,
    form: Form,
    missing: Option<String>,
) -> Result<Page, Problem> {
    let host = reached_at(headers).map_or_else(|| config.address.to_string(), |host| host.to_string());
    // From a file, since others see command lines.
    let token = if viewer.is_anyone() { "" } else { " -H @header" };
    let curl = format!("curl {}://{host}/tasks{token}", viewer.scheme());
    let tasks = newest(hive, viewer.caller().only_own()).await?;
    Ok(Page {
        reasons: Reasons::of(tasks.iter().map(|task| task.waiting_because.as_deref())),
        tasks,
        whole: if viewer.sees_all() { Some(Whole::of(hive, config, headers, events).await?) } else { None },
        waiting: waiting(hive, viewer.caller().only_own()).await?,
        max_iterations: MAX_ITERATIONS,
        deadline_max: DEADLINE_MAX,
        curl_one: format!("{curl} -d '{{\"input\":\"hello\"}}'"),
        curl_file: format!("{curl} -H 'content-type: text/plain' --data-binary @strings.txt"),
        viewer,
        form,
        missing,
    })
}

fn is_high(used: u64, limit: u64) -> bool {
    used as f64 > limit as f64 * HIGH
}

/// How many tasks are pending.
async fn waiting(hive: &dyn Hive, owner: Option<TokenId>) -> Result<Counted, Problem> {
    let filter = TaskFilter { states: vec![TaskState::Pending], token: owner, ..TaskFilter::default() };
    Ok(hive.lines(filter).await?.of(|state| state == TaskState::Pending))
}

/// What runs, then what came last: a long task stays in sight.
async fn newest(hive: &dyn Hive, owner: Option<TokenId>) -> Result<Vec<TaskView>, Problem> {
    let filter = TaskFilter { token: owner, ..TaskFilter::default() };
    let running = TaskFilter { states: vec![TaskState::Running], ..filter.clone() };
    let of = |filter| hive.tasks(TaskQuery { filter, limit: SHOWN_MAX, ..TaskQuery::default() });
    let mut shown = of(running).await?.tasks;
    for task in of(filter).await?.tasks {
        if shown.len() < SHOWN_MAX && shown.iter().all(|other| other.id != task.id) {
            shown.push(task);
        }
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use wire::ids::Epoch;

    use super::*;
    use crate::model::{DroneCounts, LeaseCounts, VerifiedCounts};

    #[test]
    fn health_is_told_by_drones_and_work() {
        let health_of = |drones, quarantined, items_queued, tasks| {
            let overview = Overview {
                version: "".into(),
                epoch: Epoch(1),
                started_at: Timestamp(0),
                uptime_seconds: 0.0,
                tasks,
                drones,
                quarantined,
                drone_states: DroneCounts::default(),
                threads: drones,
                items_queued,
                items_done: 0,
                compressions_done: 0,
                leases: LeaseCounts::default(),
                verified: VerifiedCounts::default(),
                oldest_pending_seconds: None,
                rate: 0.0,
                compressions_per_second: 0.0,
                eta_seconds: None,
                memory_used: 0,
                memory_limit: 0,
                data: None,
                drone_addr: String::new(),
            };
            Health::of(&overview, false)
        };
        let health = |drones, items_queued| health_of(drones, 0, items_queued, TaskCounts::default());
        assert_eq!(health(0, 0), Health::NoDrones);
        assert_eq!(health(0, 5), Health::Stuck);
        assert_eq!(health(2, 0), Health::Ready);
        assert_eq!(health(2, 5), Health::Working);
        assert_eq!(health_of(2, 2, 5, TaskCounts::default()), Health::Stuck);
        assert_eq!(health_of(2, 2, 0, TaskCounts::default()), Health::Ready);
        assert_eq!(health_of(2, 1, 5, TaskCounts::default()), Health::Working);
        let paused = TaskCounts { paused: 1, ..TaskCounts::default() };
        assert_eq!(health_of(2, 0, 5, paused), Health::Paused);
        assert_eq!(health_of(2, 0, 5, TaskCounts { running: 1, ..paused }), Health::Working);
    }
}
