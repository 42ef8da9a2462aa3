//! The task stream: of which tasks Drones computed when.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use wire::ids::TaskId;

use super::address::address_with;
use super::filters;
use super::viewer::Viewer;
use crate::api::drones::stream_query;
use crate::assets;
use crate::error::Problem;
use crate::hive::{Hive, StreamQuery};
use crate::model::{Doing, DroneState, Gap, StreamDrone, StreamRun, StreamTask, StreamView, Timestamp, Window};
use crate::request::query::Query;

/// How high a row is in the units of its drawing; it is as wide as it has columns. Pages stretch it.
const HEIGHT: u32 = 10;

/// Tasks that are named beside a row; the rest is added up.
const NAMED: usize = 3;

#[derive(Template, WebTemplate)]
#[template(path = "stream.html")]
pub(super) struct Page {
    viewer: Viewer,
    query: StreamQuery,
    view: StreamView,
    rows: Vec<Row>,
    /// Why some of these Drones did nothing, in words.
    gaps: BTreeMap<Gap, String>,
    colours: Colours,
    /// When the last column ends.
    to: Timestamp,
}

/// A Drone.
struct Row {
    drone: StreamDrone,
    parts: Vec<Part>,
    words: Vec<Words>,
}

/// Neighbouring columns that are equal, as they are drawn.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    x: u32,
    width: u32,
    /// What was computed: the class of its task, and how high it is.
    bar: Option<(String, u32)>,
    /// Why nothing was.
    gap: Option<Gap>,
    title: String,
}

/// What took a part of the time.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    what: Named,
    share: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Named {
    Task(TaskId),
    /// So many other tasks, or what is not known.
    Others(usize),
    Gap(Gap),
}

impl Page {
    fn windows(&self) -> &'static [Window] {
        &Window::ALL
    }

    fn with_window(&self, window: &Window) -> String {
        address(&StreamQuery { window: *window, ..self.query.clone() })
    }

    fn at(&self, page: &u64) -> String {
        address(&StreamQuery { page: *page, ..self.query.clone() })
    }

    fn first(&self) -> String {
        self.at(&1)
    }

    fn before(&self) -> String {
        self.at(&self.query.page.saturating_sub(1))
    }

    /// The address of all Drones.
    fn all(&self) -> String {
        address(&StreamQuery { window: self.query.window, ..StreamQuery::default() })
    }

    /// The class of a task.
    fn colour(&self, task: &StreamTask) -> String {
        class_of(&self.colours, Some(task.id))
    }

    fn is_narrow(&self) -> bool {
        self.query.state.is_some() || self.query.name.is_some()
    }
}

fn address(query: &StreamQuery) -> String {
    let StreamQuery { window, state, name, page } = query;
    let values = [
        ("window", (*window != Window::default()).then(|| window.name().to_owned())),
        ("state", state.map(|state| state.name().to_owned())),
        ("name", name.clone()),
        ("page", (*page > 1).then(|| page.to_string())),
    ];
    address_with("/admin/stream", values)
}

pub(super) async fn page(State(hive): State<Arc<dyn Hive>>, viewer: Viewer, mut query: Query) -> Result<Page, Problem> {
    let query = stream_query(&mut query)?;
    let mut view = hive.stream(query.clone()).await?;
    let drones = std::mem::take(&mut view.drones);
    let started_at = hive.overview().await?.started_at;
    let gaps = drones.iter().flat_map(|drone| &drone.runs).filter_map(|run| run.gap);
    let gaps = gaps.map(|gap| (gap, gap_words(gap, started_at))).collect();
    let times = Times { step: view.step_seconds, from: view.from, started_at };
    let colours = colours(&view.tasks);
    let row = |drone: StreamDrone| Row { parts: parts(&drone.runs, &colours, times), words: words(&drone), drone };
    let rows = drones.into_iter().map(row).collect();
    let to = times.column(view.columns);
    Ok(Page { viewer, query, view, rows, gaps, colours, to })
}

/// Colours by tasks.
type Colours = BTreeMap<TaskId, u64>;

/// A colour for each task that is named, of its own as long as there are any: that of its id, or the next one.
fn colours(tasks: &[StreamTask]) -> Colours {
    let mut colours = Colours::new();
    for task in tasks {
        let own = filters::colour_of(task.id);
        let is_free = |colour: &u64| colours.values().all(|taken| taken != colour);
        let colour = (own..own + filters::COLOURS).map(|colour| colour % filters::COLOURS).find(is_free);
        colours.insert(task.id, colour.unwrap_or(own));
    }
    colours
}

/// The class of a task, if it is named.
fn class_of(colours: &Colours, task: Option<TaskId>) -> String {
    let colour = task.and_then(|task| colours.get(&task).copied());
    colour.map_or_else(|| "task-unknown".into(), filters::class_of_colour)
}

/// When columns were.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// How long a column is, in seconds.
    step: u32,
    /// When the first one begins.
    from: Timestamp,
    /// When the Queen started.
    started_at: Timestamp,
}

impl Times {
    /// When a column begins.
    fn column(self, column: u32) -> Timestamp {
        Timestamp(self.from.0 + i64::from(column) * i64::from(self.step) * 1000)
    }
}

/// Why nothing was computed, for people.
fn gap_words(gap: Gap, started_at: Timestamp) -> String {
    match gap {
        Gap::BeforeStart => format!("{gap} at {} UTC", filters::clock(started_at)),
        _ => gap.to_string(),
    }
}

/// How runs are drawn, from left to right; nothing of those of which nothing is known, and not why.
fn parts(runs: &[StreamRun], colours: &Colours, times: Times) -> Vec<Part> {
    let mut x = 0;
    let mut parts = Vec::new();
    for run in runs {
        if run.busy.is_some() || run.gap.is_some() {
            let busy = run.busy.unwrap_or_default();
            // What is little is seen as well.
            let height = ((busy * f64::from(HEIGHT)).round() as u32).max(u32::from(busy > 0.0));
            let bar = (height > 0).then(|| (class_of(colours, run.task), height));
            let gap = run.gap.filter(|_| bar.is_none());
            let ends = [x, x + run.columns].map(|column| filters::clock(times.column(column)));
            parts.push(Part { x, width: run.columns, bar, gap, title: title(run, &ends, times.started_at) });
        }
        x += run.columns;
    }
    parts
}

fn title(run: &StreamRun, [begin, end]: &[String; 2], started_at: Timestamp) -> String {
    let busy = run.busy.unwrap_or_default();
    let what = match (run.task, busy > 0.0) {
        (Some(task), _) => format!("task {task}, {:.0} % busy", busy * 100.0),
        (None, true) => format!("{:.0} % busy", busy * 100.0),
        (None, false) => run.gap.map_or_else(|| "not busy".to_owned(), |gap| gap_words(gap, started_at)),
    };
    let gap = run.gap.filter(|_| busy > 0.0).map(|gap| format!(", otherwise {gap}")).unwrap_or_default();
    format!("{begin} to {end} UTC: {what}{gap}")
}

/// What took which part of the time, in words.
fn words(drone: &StreamDrone) -> Vec<Words> {
    let shares = drone.shares();
    let mut words = Vec::new();
    let (mut others, mut rest) = (0, 0.0);
    for (doing, share) in &shares {
        match doing {
            Doing::Task(task) if words.len() < NAMED => {
                words.push(Words { what: Named::Task(*task), share: filters::rough(*share) })
            }
            Doing::Task(_) | Doing::Unknown => {
                others += 1;
                rest += share;
            }
            Doing::Gap(_) => {}
        }
    }
    if others > 0 {
        words.push(Words { what: Named::Others(others), share: filters::rough(rest) });
    }
    let gaps = shares.into_iter().filter_map(|(doing, share)| match doing {
        Doing::Gap(gap) => Some(Words { what: Named::Gap(gap), share: filters::rough(share) }),
        _ => None,
    });
    words.extend(gaps);
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wire::ids::DroneId;

    use super::*;

    fn run(columns: u32, task: Option<u64>, busy: Option<f64>, gap: Option<Gap>) -> StreamRun {
        StreamRun { columns, task: task.map(TaskId), busy, gap }
    }

    #[test]
    fn runs_are_drawn_where_they_were() {
        let runs = [
            run(2, None, None, Some(Gap::BeforeStart)),
            run(1, None, None, None),
            run(2, Some(27), Some(0.4), Some(Gap::Paused)),
            run(1, None, Some(0.0), Some(Gap::Paused)),
            run(1, None, Some(1.0), None),
            run(1, None, Some(0.0), None),
            run(1, Some(27), Some(0.01), None),
        ];
        let from = Timestamp(1_700_000_000_000);
        let times = Times { step: 5, from, started_at: Timestamp(from.0 + 10_000) };
        let parts = parts(&runs, &[(TaskId(27), 7)].into(), times);
        let drawn = |x, width, bar: Option<(&str, u32)>, gap, title: &str| Part {
            x,
            width,
            bar: bar.map(|(class, height)| (class.to_owned(), height)),
            gap,
            title: title.to_owned(),
        };
        let before = "22:13:20 to 22:13:30 UTC: unknown: before the Queen's start at 22:13:30 UTC";
        let paused = "22:13:35 to 22:13:45 UTC: task 27, 40 % busy, otherwise tasks paused";
        assert_eq!(
            parts,
            [
                drawn(0, 2, None, Some(Gap::BeforeStart), before),
                drawn(3, 2, Some(("task-7", 4)), None, paused),
                drawn(5, 1, None, Some(Gap::Paused), "22:13:45 to 22:13:50 UTC: tasks paused"),
                drawn(6, 1, Some(("task-unknown", 10)), None, "22:13:50 to 22:13:55 UTC: 100 % busy"),
                drawn(7, 1, None, None, "22:13:55 to 22:14:00 UTC: not busy"),
                drawn(8, 1, Some(("task-7", 1)), None, "22:14:00 to 22:14:05 UTC: task 27, 1 % busy"),
            ]
        );
    }

    #[test]
    fn tasks_that_are_named_have_colours_of_their_own() {
        let task = |id| StreamTask { id: TaskId(id), name: None, share: 0.1 };
        let of = |ids: &[u64]| colours(&ids.iter().copied().map(task).collect::<Vec<_>>());
        let found = of(&[28, 8, 18, 9]);
        assert_eq!([28, 8, 18, 9].map(|id| found[&TaskId(id)]), [8, 9, 0, 1]);
        let all: BTreeSet<_> = of(&(0..10).map(|id| id * 10).collect::<Vec<_>>()).into_values().collect();
        assert_eq!(all.len() as u64, filters::COLOURS);
        assert_eq!(of(&(0..11).collect::<Vec<_>>())[&TaskId(10)], 0);
    }

    #[test]
    fn words_say_what_is_drawn() {
        let mut runs: Vec<_> = (1..=5).map(|task| run(6 - task, Some(task.into()), Some(1.0), None)).collect();
        runs.push(run(5, None, Some(0.0), Some(Gap::NoWork)));
        let drone = StreamDrone { id: DroneId(1), name: String::new(), state: DroneState::Busy, runs };
        let said: Vec<_> = words(&drone).into_iter().map(|words| (words.what, words.share)).collect();
        let expected = [
            (Named::Task(TaskId(1)), "25 %"),
            (Named::Task(TaskId(2)), "20 %"),
            (Named::Task(TaskId(3)), "15 %"),
            (Named::Others(2), "15 %"),
            (Named::Gap(Gap::NoWork), "25 %"),
        ];
        assert_eq!(said, expected.map(|(what, share)| (what, share.to_owned())));
        assert_eq!(filters::rough(0.001), "under 1 %");
    }

    #[test]
    fn addresses_say_what_is_not_usual() {
        let query = StreamQuery { page: 1, ..StreamQuery::default() };
        assert_eq!(address(&query), "/admin/stream");
        let name = Some("a b".to_owned());
        let narrow = StreamQuery { window: Window::FiveMinutes, state: Some(DroneState::Busy), name, page: 2 };
        assert_eq!(address(&narrow), "/admin/stream?window=5m&state=busy&name=a%20b&page=2");
    }
}
