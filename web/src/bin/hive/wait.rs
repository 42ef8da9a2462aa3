//! Waiting for a task to end.

mod progress;

use std::time::{Duration, Instant};

use web::model::{TaskState, TaskView};
use wire::ids::TaskId;

use self::progress::Shown;
pub use self::progress::of_upload;
use crate::arguments::{Output, Progress};
use crate::connection::{Answer, Connection, Request};
use crate::failure::Failure;
use crate::notes::Parting;

/// A task that has ended.
pub struct Ended {
    /// As it is.
    pub task: TaskView,
    /// As it came.
    pub answer: Answer,
}

impl Ended {
    /// Whether all its results are there.
    pub fn is_done(&self) -> bool {
        self.task.state == TaskState::Done
    }
}

/// Waits, and shows how far it is.
///
/// # Errors
/// If the Queen is away for too long, or does not know the task.
pub fn until_ended(connection: &Connection, id: TaskId, progress: Progress, output: Output) -> Result<Ended, Failure> {
    let mut wait = Wait::new(connection, id, progress, output);
    loop {
        if let Look::Ended(ended) = wait.look(LONGEST)? {
            return Ok(ended);
        }
    }
}

/// How a task is that is waited for.
pub enum Look {
    /// It has ended.
    Ended(Ended),
    /// It goes on.
    Open(TaskView),
}

/// The longest wait that is asked for at once.
const LONGEST: Duration = Duration::from_secs(60);

/// A task that is waited for.
pub struct Wait<'a> {
    connection: &'a Connection,
    id: TaskId,
    shown: Shown,
    /// How long nothing new is to be shown.
    pause: Duration,
    /// When something was shown last.
    shown_at: Option<Instant>,
    /// What is said to who does not wait any longer; it is true for as long as this is here.
    _parting: Parting,
}

impl<'a> Wait<'a> {
    /// Begins to wait for a task.
    pub fn new(connection: &'a Connection, id: TaskId, progress: Progress, output: Output) -> Self {
        let notes = &connection.notes;
        let parting = notes.on_interrupt(format!(
            "task {id} goes on without you: `hive results {id} --wait` waits for it, `hive cancel {id}` stops it"
        ));
        let shown = Shown::new(notes.clone(), progress, output);
        // What takes no time is not worth a word, and what takes longer is to say so soon.
        let pause = Duration::from_secs(1);
        Self { connection, id, shown, pause, shown_at: None, _parting: parting }
    }

    /// Waits until it has ended, something new is to be shown, or so much time is over, which is whole seconds.
    ///
    /// # Errors
    /// If the Queen is away for too long, or does not know the task.
    pub fn look(&mut self, most: Duration) -> Result<Look, Failure> {
        let seconds = self.pause.min(most).as_secs();
        let request = Request::get(format!("/tasks/{}", self.id)).header("prefer", &format!("wait={seconds}"));
        let answer = self.connection.ask(&request.long())?;
        let task: TaskView = answer.read()?;
        if task.state.has_ended() {
            return Ok(Look::Ended(Ended { task, answer }));
        }
        if self.shown_at.is_none_or(|at| at.elapsed() >= self.pause) {
            self.shown.update(&task);
            (self.pause, self.shown_at) = (self.shown.pause(), Some(Instant::now()));
        }
        Ok(Look::Open(task))
    }
}
