//! What came of a search that was waited for.

use drone::console::count;
use web::model::{SoughtView, TaskView};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::text::number_of;

/// Says of a search that is done if it has not found all that was sought.
///
/// # Errors
/// If it has found nothing.
pub fn tell_findings(connection: &Connection, task: &TaskView) -> Result<(), Failure> {
    let Some(search) = &task.search else { return Ok(()) };
    let (id, candidates) = (task.id, number_of(task.done, "candidate"));
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
