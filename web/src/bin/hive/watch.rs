//! `hive watch`: what happens, as it happens.

mod brief;
mod events;

use std::time::{Duration, Instant};

use drone::console::span;
use web::hive::Finding;
use web::model::{Change, DroneView, Overview, TaskView, Timestamp};
use wire::ids::TaskId;

use self::brief::Brief;
use self::events::{Events, SseEvent};
use crate::arguments::{Output, Watch};
use crate::connection::{Backoff, Connection, Request, RequestError};
use crate::failure::Failure;
use crate::show::{self, Line};
use crate::text::{moment, number_of, per_second, plain, visible};
use crate::{tasks, wait};

/// Without a word for so long, of which the Queen says one every 15 seconds, a connection counts as broken.
const SILENCE: Duration = Duration::from_secs(45);

/// A stream that lived so long is none that breaks off at once.
const STEADY: Duration = Duration::from_secs(5);

/// # Errors
/// If the Queen is away for too long, or the task that is watched is not done in the end.
pub fn run(connection: &Connection, watch: &Watch, output: Output) -> Result<(), Failure> {
    let id = watch.id.map(|id| tasks::resolve(connection, id)).transpose()?;
    let mut watcher = Watcher { connection, id, batch: None, output, brief: Brief::default() };
    let mut backoff = connection.backoff(true);
    let mut events = Events::default();
    loop {
        events.begin();
        let mut request = Request::get("/events").stalled(SILENCE).long();
        if let Some(last) = &events.last_id {
            request = request.header("last-event-id", last);
        }
        let ended = connection
            .try_open(&request)
            .and_then(|body| watcher.follow(body.into_reader(), &mut events, &mut backoff).map_err(RequestError::from));
        backoff.pause_at_least(events.retry);
        match ended {
            Ok(Some(ended)) if ended.is_done() => return Ok(()),
            Ok(Some(ended)) => return Err(Failure::of_task(&ended.task)),
            // She stops, or the connection broke: she may be back in a moment.
            Ok(None) => {
                let broken = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                backoff.wait(connection.request_error(broken.into()))?;
            }
            Err(error) => backoff.wait(error)?,
        }
    }
}

struct Watcher<'a> {
    connection: &'a Connection,
    /// The one task that is watched.
    id: Option<TaskId>,
    /// The batch that it is in: events are of the batch alone, not of its tasks.
    batch: Option<TaskId>,
    output: Output,
    brief: Brief,
}

impl Watcher<'_> {
    /// Tells what comes, until that breaks off or the task has ended.
    fn follow(
        &mut self,
        mut body: impl std::io::Read,
        events: &mut Events,
        backoff: &mut Backoff,
    ) -> Result<Option<wait::Ended>, Failure> {
        let begun = Instant::now();
        let mut piece = [0; 16 << 10];
        // What happened before the stream began is asked for behind its beginning.
        if let Some(ended) = self.look()? {
            return Ok(Some(ended));
        }
        loop {
            let read = body.read(&mut piece).unwrap_or(0);
            if read == 0 {
                if begun.elapsed() >= STEADY {
                    backoff.reset();
                }
                return Ok(None);
            }
            events.push(&piece[..read]);
            while let Some(event) = events.next() {
                backoff.reset();
                let Some(change) = read_change(&event)? else { continue };
                self.tell(&event, &change)?;
                if self.may_end_with(&change)
                    && let Some(ended) = self.look()?
                {
                    return Ok(Some(ended));
                }
            }
        }
    }

    /// Whether the task that is watched may have ended.
    fn may_end_with(&self, change: &Change) -> bool {
        match change {
            Change::Task(task) => Some(task.id) == self.batch || Some(task.id) == self.id && task.state.has_ended(),
            Change::TaskRemoved { id, .. } => Some(*id) == self.id || Some(*id) == self.batch,
            Change::Reset {} => true,
            Change::ResultChanged { .. } | Change::Finding { .. } | Change::Drone(_) | Change::Overview(_) => false,
        }
    }

    /// How the task is now that is watched, if it has ended.
    fn look(&mut self) -> Result<Option<wait::Ended>, Failure> {
        let Some(id) = self.id else { return Ok(None) };
        let answer = self.connection.ask(&Request::get(format!("/tasks/{id}")).long())?;
        let task: TaskView = answer.read()?;
        self.batch = task.batch;
        if self.output == Output::Text && self.brief.is_news(&Change::Task(task.clone())) {
            show::print(&line(&describe_task(&task)))?;
        }
        Ok(task.state.has_ended().then_some(wait::Ended { task, answer }))
    }

    fn tell(&mut self, event: &SseEvent, change: &Change) -> Result<(), Failure> {
        // As text, the task itself is describe when its batch has changed.
        let is_watched = |id: &TaskId| Some(*id) == self.id || self.output == Output::Json && Some(*id) == self.batch;
        let is_its = match change {
            Change::Reset {} => true,
            Change::Task(task) => is_watched(&task.id),
            Change::TaskRemoved { id, .. }
            | Change::ResultChanged { task: id, .. }
            | Change::Finding { task: id, .. } => is_watched(id),
            Change::Drone(_) | Change::Overview(_) => false,
        };
        match self.output {
            _ if self.id.is_some() && !is_its => Ok(()),
            Output::Quiet => Ok(()),
            Output::Json => {
                let (name, id) =
                    (serde_json::Value::from(event.name.as_str()), serde_json::Value::from(event.id.clone()));
                show::print(&format!("{{\"event\":{name},\"id\":{id},\"data\":{}}}\n", event.data))
            }
            Output::Text if self.brief.is_news(change) => show::print(&line(&describe(change))),
            Output::Text => Ok(()),
        }
    }
}

/// What an event says; `None` if it is one of a newer Queen.
fn read_change(event: &SseEvent) -> Result<Option<Change>, Failure> {
    Change::read(&event.name, &event.data).map_err(|error| {
        let name = &event.name;
        Failure::Unreachable(format!("an event {name:?} is not what a Queen of this version says: {error}"))
    })
}

/// What happened just now.
fn line(text: &str) -> String {
    let now = moment(Timestamp::now());
    format!("{}  {text}\n", now.split(' ').next_back().unwrap_or_default())
}

/// A change in words, in one line.
fn describe(change: &Change) -> String {
    match change {
        Change::Task(task) => describe_task(task),
        Change::TaskRemoved { id, .. } => format!("task {id} is removed"),
        Change::Drone(drone) => describe_drone(drone),
        Change::ResultChanged { task, from, to, drone, .. } => {
            let last = to.saturating_sub(1);
            format!("task {task}: results {from} to {last} changed, since Drone {drone} had given wrong ones")
        }
        Change::Finding { task, finding, .. } => format!("task {task} found {}", found(finding)),
        Change::Overview(overview) => {
            let Overview { drones, items_queued, rate, .. } = overview;
            let (drones, inputs) = (number_of(*drones, "Drone"), number_of(*items_queued, "input"));
            format!("{drones}, {inputs} queued, {}", per_second(*rate))
        }
        Change::Reset {} => "some of what happened was missed".to_owned(),
    }
}

/// What was found.
fn found(finding: &Finding) -> String {
    let Finding { index, plain, digest } = finding;
    format!("{} (number {index}), whose digest is {}", self::plain(plain), const_hex::encode(digest))
}

fn describe_task(task: &TaskView) -> String {
    let because = task.waiting_because.as_deref().map(|reason| format!(", because {}", visible(reason)));
    let error = task.error.as_deref().map(|error| format!(", {}", visible(error)));
    let rate = (task.rate > 0.0 && !task.state.has_ended()).then(|| {
        let left = task.eta_seconds.map(|seconds| format!(", {} left", span(seconds))).unwrap_or_default();
        format!(", {}{left}", per_second(task.rate))
    });
    let line = Line(task).to_string().replacen("Task", "task", 1);
    format!("{line}{}", because.or(error).or(rate).unwrap_or_default())
}

fn describe_drone(drone: &DroneView) -> String {
    let DroneView { id, name, state, rate, .. } = drone;
    let because = drone.quarantined_because.as_deref().map(|reason| format!(", because {}", visible(reason)));
    let rate = if *rate > 0.0 { format!(", {}", per_second(*rate)) } else { String::new() };
    format!("Drone {id} ({}) is {state}{}", visible(name), because.unwrap_or(rate))
}
