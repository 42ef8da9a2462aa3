//! `hive watch`: what happens, as it happens.

mod brief;
mod events;

use std::time::Duration;

use drone::console::span;
use web::model::{Change, DroneView, Overview, TaskView, Timestamp};
use wire::ids::TaskId;

use self::brief::Brief;
use self::events::{Event, Events};
use crate::arguments::{Output, Watch};
use crate::connection::{Connection, Request, Trouble};
use crate::failure::Failure;
use crate::show::{self, Line, moment, per_second, visible};
use crate::{tasks, wait};

/// Without a word for so long, of which the Queen says one every 15 seconds, a connection counts as broken.
const SILENCE: Duration = Duration::from_secs(45);

/// # Errors
/// If the Queen is away for too long, or the task that is watched is not done in the end.
pub fn run(connection: &Connection, watch: &Watch, output: Output) -> Result<(), Failure> {
    let id = watch.id.map(|id| tasks::resolve(connection, id)).transpose()?;
    let mut watcher = Watcher { connection, id, output, brief: Brief::default() };
    let mut patience = connection.patience(true);
    let mut last: Option<String> = None;
    // What happened before the stream began is asked for behind its beginning.
    let mut is_new = true;
    loop {
        let mut request = Request::get("/events").stalled(SILENCE).long();
        if let Some(last) = &last {
            request = request.header("last-event-id", last);
        }
        let ended = connection.try_open(&request).and_then(|body| {
            patience.relax();
            watcher.follow(body.into_reader(), &mut last, std::mem::take(&mut is_new)).map_err(Trouble::from)
        });
        match ended {
            Ok(Some(ended)) if ended.is_done() => return Ok(()),
            Ok(Some(ended)) => return Err(Failure::of_task(&ended.task)),
            // She stops, or the connection broke: she may be back in a moment.
            Ok(None) => {
                let broken = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                patience.wait(connection.trouble(broken.into()))?;
            }
            Err(trouble) => patience.wait(trouble)?,
        }
    }
}

struct Watcher<'a> {
    connection: &'a Connection,
    /// The one task that is watched.
    id: Option<TaskId>,
    output: Output,
    brief: Brief,
}

impl Watcher<'_> {
    /// Tells what comes, until that breaks off or the task has ended.
    fn follow(
        &mut self,
        mut body: impl std::io::Read,
        last: &mut Option<String>,
        is_new: bool,
    ) -> Result<Option<wait::Ended>, Failure> {
        let mut events = Events::default();
        let mut piece = [0; 16 << 10];
        if is_new && let Some(ended) = self.look(true)? {
            return Ok(Some(ended));
        }
        loop {
            let Ok(read) = body.read(&mut piece) else { return Ok(None) };
            if read == 0 {
                return Ok(None);
            }
            events.take(&piece[..read]);
            while let Some(event) = events.next() {
                self.tell(&event)?;
                let (is_about_it, is_missed) = match Change::read(&event.name, &event.data).ok().flatten() {
                    Some(Change::Task(task)) => (Some(task.id) == self.id && task.state.has_ended(), false),
                    Some(Change::TaskRemoved { id, .. }) => (Some(id) == self.id, false),
                    Some(Change::Reset {}) => (true, true),
                    _ => (false, false),
                };
                if is_about_it && let Some(ended) = self.look(is_missed)? {
                    return Ok(Some(ended));
                }
            }
            if events.last_id.is_some() {
                last.clone_from(&events.last_id);
            }
        }
    }

    /// How the task is now that is watched, if it has ended.
    fn look(&self, is_told: bool) -> Result<Option<wait::Ended>, Failure> {
        let Some(id) = self.id else { return Ok(None) };
        let answer = self.connection.ask(&Request::get(format!("/tasks/{id}")).long())?;
        let task: TaskView = answer.read()?;
        if is_told && self.output == Output::Text {
            show::print(&line(&told_task(&task)))?;
        }
        Ok(task.state.has_ended().then_some(wait::Ended { task, answer }))
    }

    fn tell(&mut self, event: &Event) -> Result<(), Failure> {
        let change = match Change::read(&event.name, &event.data) {
            Ok(change) => change,
            Err(error) => {
                let text = format!("an event {:?} is not what a Queen of this version says: {error}", event.name);
                return Err(Failure::Unreachable(text));
            }
        };
        let is_its = |change: &Change| match (self.id, change) {
            (None, _) | (_, Change::Reset {}) => true,
            (Some(id), Change::Task(task)) => task.id == id,
            (Some(id), Change::TaskRemoved { id: removed, .. }) => *removed == id,
            (Some(id), Change::ResultChanged { task, .. }) => *task == id,
            (Some(_), Change::Drone(_) | Change::Overview(_)) => false,
        };
        match self.output {
            _ if !change.as_ref().is_none_or(is_its) => Ok(()),
            Output::Quiet => Ok(()),
            Output::Json => {
                let (name, id) =
                    (serde_json::Value::from(event.name.as_str()), serde_json::Value::from(event.id.clone()));
                show::print(&format!("{{\"event\":{name},\"id\":{id},\"data\":{}}}\n", event.data))
            }
            Output::Text => match change.as_ref().filter(|change| self.brief.is_news(change)).map(told) {
                Some(text) => show::print(&line(&text)),
                None => Ok(()),
            },
        }
    }
}

/// What happened just now.
fn line(text: &str) -> String {
    let now = moment(Timestamp::now());
    format!("{}  {text}\n", now.split(' ').next_back().unwrap_or_default())
}

/// A change in a line.
fn told(change: &Change) -> String {
    match change {
        Change::Task(task) => told_task(task),
        Change::TaskRemoved { id, .. } => format!("task {id} is removed"),
        Change::Drone(drone) => told_drone(drone),
        Change::ResultChanged { task, from, to, drone, .. } => {
            let last = to.saturating_sub(1);
            format!("task {task}: results {from} to {last} changed, since Drone {drone} had given wrong ones")
        }
        Change::Overview(overview) => {
            let Overview { drones, items_queued, rate, .. } = overview;
            let (drones, inputs) = (show::number_of(*drones, "Drone"), show::number_of(*items_queued, "input"));
            format!("{drones}, {inputs} queued, {}", per_second(*rate))
        }
        Change::Reset {} => "some of what happened was missed".to_owned(),
    }
}

fn told_task(task: &TaskView) -> String {
    let because = task.waiting_because.as_deref().map(|reason| format!(", because {}", visible(reason)));
    let error = task.error.as_deref().map(|error| format!(", {}", visible(error)));
    let rate = (task.rate > 0.0 && !task.state.has_ended()).then(|| {
        let left = task.eta_seconds.map(|seconds| format!(", {} left", span(seconds))).unwrap_or_default();
        format!(", {}{left}", per_second(task.rate))
    });
    let line = Line(task).to_string().replacen("Task", "task", 1);
    format!("{line}{}", because.or(error).or(rate).unwrap_or_default())
}

fn told_drone(drone: &DroneView) -> String {
    let DroneView { id, name, state, rate, .. } = drone;
    let because = drone.quarantined_because.as_deref().map(|reason| format!(", because {}", visible(reason)));
    let rate = if *rate > 0.0 { format!(", {}", per_second(*rate)) } else { String::new() };
    format!("Drone {id} ({}) is {state}{}", visible(name), because.unwrap_or(rate))
}
