//! Waiting for a task to end.

mod progress;

use web::model::{TaskState, TaskView};
use wire::ids::TaskId;

use self::progress::Shown;
pub use self::progress::of_upload;
use crate::arguments::{Output, Progress};
use crate::connection::{Answer, Connection, Request};
use crate::failure::Failure;

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
    let notes = &connection.notes;
    let parting =
        format!("task {id} goes on without you: `hive results {id} --wait` waits for it, `hive cancel {id}` stops it");
    // It is true for as long as it is waited for.
    let _parting = notes.on_interrupt(parting);
    let mut shown = Shown::new(notes.clone(), progress, output);
    // What takes no time is not worth a word, and what takes longer is to say so soon.
    let mut seconds = 1;
    loop {
        let request = Request::get(format!("/tasks/{id}")).header("prefer", &format!("wait={seconds}"));
        let answer = connection.ask(&request.long())?;
        let task: TaskView = answer.read()?;
        if task.state.has_ended() {
            return Ok(Ended { task, answer });
        }
        shown.update(&task);
        seconds = shown.pause().as_secs();
    }
}
