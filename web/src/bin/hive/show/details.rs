//! All that is known of one thing, a line each.

use std::fmt::Display;

use drone::console::{count, span};
use web::kinds::digest::Encoding;
use web::model::{
    BytesView, Data, DroneView, Overview, SearchView, SoughtView, SpaceView, TaskCounts, TaskState, TaskView, Verify,
};

use crate::text::{bytes, moment, number_of, per_second, percent, visible};

/// Names and values, in a column each; what is not known is left out.
#[derive(Default)]
struct Lines(Vec<(&'static str, String)>);

impl Lines {
    fn put(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, value.to_string()));
    }

    fn put_known(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.0.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
    }
}

/// A task.
pub fn task(task: &TaskView) -> String {
    let mut lines = Lines::default();
    lines.put("task", task.id);
    lines.put_known("name", task.name.as_deref().map(visible));
    lines.put("state", task.state);
    lines.put_known("because", task.waiting_because.as_deref().map(visible));
    lines.put_known("error", task.error.as_deref().map(visible));
    lines.put("done", format!("{} of {} ({})", count(task.done), count(task.total), percent(task)));
    if !task.state.has_ended() {
        lines.put("rate", per_second(task.rate));
        lines.put_known("left", task.eta_seconds.map(span));
    }
    if task.suspect {
        lines.put("suspect", "results of a Drone that gave wrong ones are being computed again");
    }
    if task.corrected > 0 {
        lines.put("corrected", count(task.corrected));
    }
    lines.put("algorithm", visible(&task.algorithm));
    lines.put_known("iterations", task.iterations.map(|iterations| count(iterations.into())));
    lines.put_known("encoding", task.encoding.map(Encoding::name));
    if let Some(search) = &task.search {
        put_search(&mut lines, search);
    }
    lines.put("priority", task.priority);
    if task.verify == Verify::All {
        lines.put("verify", "all");
    }
    lines.put_known("batch", task.batch);
    let tasks =
        task.first_task.map(|first| format!("{first} to {}", first.0.saturating_add(task.total.saturating_sub(1))));
    lines.put_known("tasks", tasks);
    lines.put_known("owner", task.owner.as_deref().map(visible));
    lines.put_known("from", task.address);
    lines.put("created", format!("{} UTC", moment(task.created_at)));
    lines.put_known("started", task.started_at.map(|at| format!("{} UTC", moment(at))));
    lines.put_known("finished", task.finished_at.map(|at| format!("{} UTC", moment(at))));
    lines.put_known("deadline", task.deadline_at.map(|at| format!("{} UTC", moment(at))));
    lines.text()
}

/// What a search is, and how far.
fn put_search(lines: &mut Lines, search: &SearchView) {
    let SearchView { space, prefix, suffix, sought, stop, found, at_max_findings, marks, doubtful, .. } = search;
    lines.put(
        "found",
        format!("{}{}", count(*found), if *at_max_findings { ", the most (--max-findings)" } else { "" }),
    );
    lines.put("stop", stop.name());
    match sought {
        SoughtView::Targets { targets } => lines.put("targets", count(*targets)),
        SoughtView::Interval { interval } => lines.put("digests", visible(&interval.text)),
    }
    match space {
        SpaceView::Masks { masks, mask_count } => {
            let first = masks.first().map(|mask| visible(mask)).unwrap_or_default();
            match mask_count {
                1 => lines.put("mask", first),
                masks => lines.put("masks", format!("{}, the first is {first}", count(*masks))),
            }
        }
        SpaceView::Counter { counter } => {
            lines.put("counter", format!("{}..{} as {}", counter.from, counter.to, visible(&counter.format)));
        }
    }
    let bytes = |bytes: &BytesView| match bytes {
        BytesView::Text(text) => visible(text).into_owned(),
        BytesView::Hex { hex, length } => format!("0x{} ({})", visible(hex), number_of(*length, "byte")),
    };
    lines.put_known("prefix", prefix.as_ref().map(bytes));
    lines.put_known("suffix", suffix.as_ref().map(bytes));
    lines.put("marks", format!("{} of {:.1} expected", count(marks.seen), marks.expected));
    if *doubtful > 0 {
        lines.put("doubtful", count(*doubtful));
    }
}

/// A Drone.
pub fn drone(drone: &DroneView) -> String {
    let mut lines = Lines::default();
    lines.put("drone", drone.id);
    lines.put("name", visible(&drone.name));
    lines.put("state", drone.state);
    let because = drone.quarantined_because.as_ref().or(drone.idle_because.as_ref()).or(drone.left_because.as_ref());
    lines.put_known("because", because.map(|because| visible(because)));
    lines.put("threads", drone.threads);
    lines.put_known("busy", drone.utilisation.map(|part| format!("{:.0} %", 100.0 * part)));
    lines
        .put("rate", format!("{}, {} compressions", per_second(drone.rate), per_second(drone.compressions_per_second)));
    lines.put_known("benchmark", drone.benchmark.map(|rate| format!("{} compressions", per_second(rate))));
    lines.put("leases", count(drone.leases));
    let tasks: Vec<_> = drone.tasks.iter().map(ToString::to_string).collect();
    lines.put_known("computes", (!tasks.is_empty()).then(|| format!("task {}", tasks.join(", "))));
    lines.put("done", count(drone.items_done));
    lines.put("checked", format!("{}, and {} were wrong", count(drone.checked), count(drone.wrong)));
    lines.put("failed", count(drone.failures));
    for (kernel, classes) in drone.kernels.by_name() {
        lines.put("kernel", format!("{} for {}", visible(kernel), classes.join(", ")));
    }
    let outdated = if drone.outdated { ", which is not the Queen's version" } else { "" };
    lines.put("software", format!("{}{outdated}", visible(&drone.software)));
    lines.put("address", visible(&drone.address));
    lines.put("instance", visible(&drone.instance));
    lines.put("connections", count(drone.connections));
    lines.put("connected", format!("{} UTC", moment(drone.connected_at)));
    lines.put("last seen", format!("{} UTC", moment(drone.last_seen_at)));
    lines.text()
}

/// The whole.
pub fn overview(overview: &Overview) -> String {
    let Overview { version, tasks, drones, quarantined, threads, data, .. } = overview;
    let mut lines = Lines::default();
    lines.put("version", visible(version));
    lines.put("epoch", format!("{}, for {}", overview.epoch, span(overview.uptime_seconds)));
    lines.put("tasks", counted(tasks));
    let quarantined = if *quarantined > 0 { format!(", {quarantined} of them in quarantine") } else { String::new() };
    lines.put("drones", format!("{} with {}{quarantined}", count(*drones), number_of(*threads, "thread")));
    lines.put("inputs", format!("{} queued, {} done", count(overview.items_queued), count(overview.items_done)));
    let compressions = per_second(overview.compressions_per_second);
    lines.put("rate", format!("{}, {compressions} compressions", per_second(overview.rate)));
    lines.put_known("left", overview.eta_seconds.map(span));
    lines.put("memory", format!("{} of {}", bytes(overview.memory_used), bytes(overview.memory_limit)));
    if let Some(Data { directory, used, limit, fault, .. }) = data {
        lines.put("data", format!("{} of {} in {}", bytes(*used), bytes(*limit), visible(directory)));
        lines.put_known("fault", fault.as_deref().map(visible));
    }
    lines.put("drone port", visible(&overview.drone_addr));
    lines.text()
}

fn counted(tasks: &TaskCounts) -> String {
    let some = TaskState::ALL.into_iter().filter(|state| tasks.of(*state) > 0);
    let counted: Vec<_> = some.map(|state| format!("{} {state}", count(tasks.of(state)))).collect();
    if counted.is_empty() { "none".to_owned() } else { counted.join(", ") }
}
