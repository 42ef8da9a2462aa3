//! What changes do depends neither on how many of them are committed together, nor on whether they are
//! committed on disk or in memory.

use rusqlite::types::Value;

use super::*;

const TASKS: usize = 3;
const INPUTS: u64 = 3;

#[derive(Debug, Clone, Copy)]
enum Turn {
    Submit,
    Start,
    Result,
    End(TaskState),
    Pause,
    Amend,
    Reopen,
    Remove,
    Suspect,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Absent,
    /// With so many results.
    Live(u64),
    Ended(TaskState, u64),
    Gone,
}

/// Where a task is after its turn; `None` if that cannot come now.
fn after(stage: Stage, turn: Turn) -> Option<Stage> {
    Some(match (turn, stage) {
        (Turn::Submit, Stage::Absent) => Stage::Live(0),
        (Turn::Result, Stage::Live(done)) if done < INPUTS => Stage::Live(done + 1),
        (Turn::End(TaskState::Done), Stage::Live(done)) if done < INPUTS => return None,
        (Turn::End(state), Stage::Live(done)) => Stage::Ended(state, done),
        (Turn::Reopen, Stage::Ended(TaskState::Failed | TaskState::Cancelled, done)) => Stage::Live(done),
        (Turn::Remove, Stage::Ended(..)) => Stage::Gone,
        (Turn::Start | Turn::Pause | Turn::Amend, Stage::Live(_)) | (Turn::Suspect, _) => stage,
        _ => return None,
    })
}

fn change(store: &mut Store, id: u64, turn: Turn, stage: Stage) -> Change {
    let (task, mut submission) = store.submission(id, INPUTS, false);
    submission.terms = crate::work::Terms { priority: id as i8, ..terms() }.into();
    let done = if let Stage::Live(done) = stage { done } else { 0 };
    match turn {
        Turn::Submit => Change::Submit(Box::new(submission)),
        Turn::Start => Change::Start { task: task.id, at: Timestamp(2) },
        Turn::Result => task.results(done, right(done, done + 1), 1 + done % 2),
        Turn::End(state) => task.end(state, done),
        Turn::Pause => Change::Pause { task: task.id, paused: true },
        Turn::Amend => Change::Amend { task: task.id, priority: 9, name: Some("b".into()), deadline: None },
        Turn::Reopen => Change::Reopen(task.id),
        Turn::Remove => Change::Remove(task.id),
        Turn::Suspect => suspect(1),
    }
}

/// All that is in the database, but for what the clocks showed.
fn rows(store: &Store) -> Vec<(&'static str, Vec<Value>)> {
    let mut rows = Vec::new();
    let hive = "(SELECT epoch, next_task, bulk_bytes, next_drone FROM hive)";
    for table in [hive, "counts", "tasks", "results"] {
        let mut select = store.writer.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = select.column_count();
        let row = |row: &rusqlite::Row<'_>| Ok((table, (0..columns).map(|at| row.get_unwrap(at)).collect()));
        rows.extend(select.query_map([], row).unwrap().map(Result::unwrap));
    }
    rows
}

fn turns() -> impl Strategy<Value = Vec<(usize, Turn, bool)>> {
    let end = [TaskState::Done, TaskState::Failed, TaskState::Cancelled].map(Turn::End);
    let others =
        [Turn::Submit, Turn::Start, Turn::Result, Turn::Result, Turn::Result, Turn::Pause, Turn::Amend, Turn::Reopen];
    let turn = prop::sample::select([&end[..], &others, &[Turn::Remove, Turn::Suspect]].concat());
    prop::collection::vec((0..TASKS, turn, prop::bool::weighted(0.1)), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changes_do_the_same_together_as_apart(turns in turns()) {
        let ((_folder, mut apart), mut together) = (open(), Store::in_memory().unwrap());
        let (mut stages, mut pending) = ([Stage::Absent; TASKS], Vec::new());
        for (index, turn, is_committed) in turns {
            let (id, stage) = (index as u64 + 1, stages[index]);
            let Some(next) = after(stage, turn) else { continue };
            stages[index] = next;
            let alone = change(&mut apart, id, turn, stage);
            apart.write(&[alone]);
            pending.push(change(&mut together, id, turn, stage));
            if is_committed {
                together.write(&std::mem::take(&mut pending));
            }
        }
        together.write(&pending);
        prop_assert_eq!(rows(&apart), rows(&together));
    }
}
