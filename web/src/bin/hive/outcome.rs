//! What came of a submission, and of a search that was waited for.

use drone::console::count;
use web::model::{SoughtView, TaskView};

use crate::arguments::Output;
use crate::connection::{Answer, Connection};
use crate::failure::Failure;
use crate::show::{self, Line};
use crate::text::number_of;

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
