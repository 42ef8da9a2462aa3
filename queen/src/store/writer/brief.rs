//! Which tasks begin and end in one transaction, so that one row is written for both.

use std::collections::HashMap;

use wire::ids::TaskId;

use crate::store::change::Change;
use crate::work::ending::Ending;

/// The tasks that begin and end in one transaction, with nothing but their begin and results in between.
pub(super) fn ended_at_once<'a>(changes: &[&'a Change]) -> HashMap<TaskId, &'a Ending> {
    let mut open = HashMap::new();
    for change in changes {
        match change {
            Change::Submit(submission) => drop(open.insert(submission.id, None)),
            // An end says when its task was begun.
            Change::Results { .. } | Change::Searched { .. } | Change::Start { .. } => {}
            Change::End(task, ending) => {
                if let Some(end) = open.get_mut(task) {
                    end.get_or_insert(&**ending);
                }
            }
            other => {
                // What has to find the row as it was then.
                if let Some(task) = other.task()
                    && matches!(open.get(&task), Some(None))
                {
                    open.remove(&task);
                }
            }
        }
    }
    open.into_iter().filter_map(|(task, end)| Some((task, end?))).collect()
}
