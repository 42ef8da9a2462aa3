//! What came of a submission, and of a search that was waited for.

use drone::console::{count, span};
use web::model::{Estimate, SoughtView, TaskView};
use wire::ids::TaskId;

use crate::arguments::Output;
use crate::connection::{Answer, Connection, Request};
use crate::failure::Failure;
use crate::show::{self, Line};
use crate::text::{number_of, per_second};

/// Prints a task that was submitted and is not waited for.
///
/// # Errors
/// If it cannot be printed.
pub fn tell_submitted(answer: &Answer, task: &TaskView, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => show::print(&format!("{}\n", Line(task))),
        Output::Json => show::print(&answer.text),
        Output::Quiet => show::print(&format!("{}\n", task.id)),
    }
}

/// Prints what a task would take.
///
/// # Errors
/// If it cannot be printed.
pub fn tell_estimate(answer: &Answer, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => show::print(&estimated(&answer.read()?)),
        Output::Json => show::print(&answer.text),
        Output::Quiet => Ok(()),
    }
}

fn estimated(estimate: &Estimate) -> String {
    let Estimate { total, compressions, rate, seconds, expected_findings } = estimate;
    let time = match seconds {
        Some(seconds) => format!("about {} with the Drones that are there ({})", span(*seconds), per_second(*rate)),
        None => "nobody can tell how long: no Drone is there".to_owned(),
    };
    let chance = match expected_findings.unwrap_or_default() {
        few if few < 0.001 => String::new(),
        some => format!("By chance there are about {some:.3} findings.\n"),
    };
    let compressions = count(*compressions);
    format!(
        "{}, {compressions} SHA-256 compressions: {time}.\n{chance}",
        number_of(*total, if expected_findings.is_some() { "candidate" } else { "input" })
    )
}

/// Says of a search that is done if it has not found all that was sought.
///
/// # Errors
/// If it has found nothing.
pub fn tell_findings(connection: &Connection, task: &TaskView) -> Result<(), Failure> {
    let Some(search) = &task.search else { return Ok(()) };
    let (id, candidates) = (task.id, number_of(task.done, "candidate"));
    if search.at_max_findings {
        let (found, total) = (number_of(search.found, "finding"), number_of(task.total, "candidate"));
        connection.notes.note(&format!(
            "task {id} stopped at {found}, the most that it was to have (--max-findings): there may be more among its \
             {total}"
        ));
        return Ok(());
    }
    match (search.found, &search.sought) {
        (0, _) => Err(Failure::Nothing(format!("task {id} searched {candidates}, and found nothing"))),
        (found, SoughtView::Targets { targets }) if found < *targets => {
            let (found, targets) = (count(found), number_of(*targets, "digest"));
            connection.notes.note(&format!("task {id} searched {candidates}, and found {found} of {targets}"));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Says of digests that a search has not found among which candidates they are not.
///
/// # Errors
/// If it cannot be asked.
pub fn tell_not_found(connection: &Connection, id: TaskId) -> Result<(), Failure> {
    let task: TaskView = connection.ask(&Request::get(format!("/tasks/{id}")))?.read()?;
    let (done, total) = (count(task.done), number_of(task.total, "candidate"));
    connection.notes.note(&match (task.done == task.total, task.state.has_ended()) {
        (true, true) => format!("not found among the {total} of task {id}, all of which were searched"),
        (_, true) => format!("not found so far: task {id} ended when {done} of its {total} were searched"),
        (_, false) => format!("not found so far: task {id} has searched {done} of its {total}"),
    });
    Ok(())
}
