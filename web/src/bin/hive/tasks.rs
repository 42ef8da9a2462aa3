//! What is done to tasks, and how they are listed.

use serde_json::{Map, Value};
use web::model::{TaskList, TaskState, TaskView};
use wire::ids::TaskId;

use crate::arguments::{Change, Ids, Output, Retry, TaskRef, Tasks};
use crate::connection::{Answer, Connection, Request};
use crate::failure::Failure;
use crate::show::{self, Line, Table, details};
use crate::{each, pages};

/// The number of a task.
///
/// # Errors
/// If the newest one is meant, and there is none.
pub fn resolve(connection: &Connection, id: TaskRef) -> Result<TaskId, Failure> {
    let TaskRef::Id(id) = id else {
        let list: TaskList = connection.ask(&Request::get("/tasks?limit=1"))?.read()?;
        let newest = list.tasks.first();
        return newest.map(|task| task.id).ok_or_else(|| Failure::Refused {
            text: "there is no task yet, so no `last` one".to_owned(),
            status: 404,
        });
    };
    Ok(id)
}

/// `hive tasks`
///
/// # Errors
/// If they cannot be had, or not be written.
pub fn list(connection: &Connection, tasks: &Tasks, output: Output) -> Result<(), Failure> {
    let mut table = Table::of_tasks();
    let most = if tasks.all { u64::MAX } else { tasks.limit };
    let sort = ("sort", tasks.sort.map(|sort| sort.to_string()));
    let filters: Vec<_> = tasks.filter.values().into_iter().chain([sort]).collect();
    let came = pages::of(connection, "/tasks", &filters, most, |answer, page: TaskList| {
        match output {
            Output::Json => show::print(&answer.text)?,
            Output::Quiet => show::print(&page.tasks.iter().map(|task| format!("{}\n", task.id)).collect::<String>())?,
            Output::Text => table.print(&page.tasks)?,
        }
        Ok((page.tasks.len(), page.next_cursor))
    })?;
    if output == Output::Text {
        came.tell(&connection.notes, "there are none; `hive submit` makes one");
    }
    Ok(())
}

/// `hive task`
///
/// # Errors
/// The first one's.
pub fn show(connection: &Connection, Ids { ids }: &Ids, output: Output) -> Result<(), Failure> {
    let mut gap = "";
    each::of(&connection.notes, ids, |id| {
        let id = resolve(connection, *id)?;
        let answer = connection.ask(&Request::get(format!("/tasks/{id}")))?;
        match output {
            Output::Json => show::print(&answer.text),
            Output::Quiet => show::print(&format!("{id}\n")),
            Output::Text => {
                let gap = std::mem::replace(&mut gap, "\n");
                show::print(&format!("{gap}{}", details::task(&answer.read()?)))
            }
        }
    })
}

/// `hive cancel`
///
/// # Errors
/// The first one's.
pub fn cancel(connection: &Connection, Ids { ids }: &Ids, output: Output) -> Result<(), Failure> {
    for_each(connection, ids, |id| {
        let answer = repeated(connection, id, &Request::post(format!("/tasks/{id}/cancel")), |state| {
            state == TaskState::Cancelled
        })?;
        print_answer(&answer, output)
    })
}

/// `hive pause`
///
/// # Errors
/// The first one's.
pub fn pause(connection: &Connection, Ids { ids }: &Ids, output: Output) -> Result<(), Failure> {
    for_each(connection, ids, |id| {
        let answer = repeated(connection, id, &Request::post(format!("/tasks/{id}/pause")), |_| false)?;
        print_answer(&answer, output)
    })
}

/// `hive resume`
///
/// # Errors
/// The first one's.
pub fn resume(connection: &Connection, Ids { ids }: &Ids, output: Output) -> Result<(), Failure> {
    for_each(connection, ids, |id| {
        let answer = repeated(connection, id, &Request::post(format!("/tasks/{id}/resume")), |_| false)?;
        print_answer(&answer, output)
    })
}

/// `hive delete`
///
/// # Errors
/// The first one's.
pub fn delete(connection: &Connection, Ids { ids }: &Ids, output: Output) -> Result<(), Failure> {
    for_each(connection, ids, |id| {
        let answer = deleted(connection, id)?;
        match output {
            Output::Text => show::print(&format!("Task {id} is removed\n")),
            _ => print_answer(&answer, output),
        }
    })
}

fn deleted(connection: &Connection, id: TaskId) -> Result<Answer, Failure> {
    repeated(connection, id, &Request::delete(format!("/tasks/{id}")), |_| false)
}

/// `hive retry`
///
/// # Errors
/// The first one's.
pub fn retry(connection: &Connection, Retry { ids, deadline }: &Retry, output: Output) -> Result<(), Failure> {
    for_each(connection, ids, |id| {
        let mut request = Request::post(format!("/tasks/{id}/retry"));
        if let Some(deadline) = deadline {
            request = request.json(&serde_json::json!({ "deadline_seconds": deadline.0 }));
        }
        // It may even be done by then.
        let has_begun = |state| matches!(state, TaskState::Pending | TaskState::Running | TaskState::Done);
        print_answer(&repeated(connection, id, &request, has_begun)?, output)
    })
}

/// `hive change`
///
/// # Errors
/// If it is refused.
pub fn change(connection: &Connection, Change { id, what }: &Change, output: Output) -> Result<(), Failure> {
    let id = resolve(connection, *id)?;
    let mut members = Map::new();
    if let Some(name) = &what.name {
        members.insert("name".to_owned(), name.as_str().into());
    }
    if let Some(priority) = what.priority {
        members.insert("priority".to_owned(), priority.into());
    }
    if let Some(deadline) = what.deadline {
        members.insert("deadline_seconds".to_owned(), deadline.0.into());
    }
    let request = Request::patch(format!("/tasks/{id}")).json(&Value::Object(members));
    print_answer(&connection.ask(&request)?, output)
}

fn for_each(
    connection: &Connection,
    ids: &[TaskRef],
    deed: impl Fn(TaskId) -> Result<(), Failure>,
) -> Result<(), Failure> {
    each::of(&connection.notes, ids, |id| resolve(connection, *id).and_then(&deed))
}

/// Sends what cannot be done twice: where an answer was lost, it may have been done already.
fn repeated(
    connection: &Connection,
    id: TaskId,
    request: &Request,
    is_done: impl Fn(TaskState) -> bool,
) -> Result<Answer, Failure> {
    match connection.ask_and_count(request) {
        Ok((answer, _)) => Ok(answer),
        Err((failure, 0)) => Err(failure),
        Err((failure, _)) => match connection.ask(&Request::get(format!("/tasks/{id}"))) {
            Err(Failure::Refused { status: 404 | 410, .. }) if request.is_delete() => {
                Ok(Answer { text: String::new() })
            }
            Ok(answer) if answer.read::<TaskView>().is_ok_and(|task| is_done(task.state)) => Ok(answer),
            _ => Err(failure),
        },
    }
}

fn print_answer(answer: &Answer, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => show::print(&format!("{}\n", Line(&answer.read()?))),
        Output::Json => show::print(&answer.text),
        Output::Quiet => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use super::*;
    use crate::connection::{Retries, Target};
    use crate::notes::Notes;

    /// Somebody who answers one request after the other with these statuses, and this body; 0 is no answer.
    fn queen(statuses: &'static [u16], body: &'static str) -> (Connection, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let answering = thread::spawn(move || {
            for status in statuses {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    assert_ne!(stream.read_line(&mut line).unwrap(), 0);
                }
                if *status > 0 {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} It\r\ncontent-length: {length}\r\nconnection: close\r\n");
                    let head = head + if *status == 503 { "retry-after: 0\r\n\r\n" } else { "\r\n" };
                    stream.get_mut().write_all((head + body).as_bytes()).unwrap();
                }
            }
        });
        let target = Target { url, ca: None, token: None };
        let long = Duration::from_secs(60);
        let connection = Connection::new(target, Retries { brief: long, long }, Notes::default()).unwrap();
        (connection, answering)
    }

    fn deleted_of(statuses: &'static [u16]) -> Result<Answer, Failure> {
        let (connection, answering) = queen(statuses, "{}");
        let deleted = deleted(&connection, TaskId(7));
        answering.join().unwrap();
        deleted
    }

    #[test]
    fn a_task_counts_as_removed_when_it_is_gone() {
        assert!(deleted_of(&[204]).is_ok());
        assert!(deleted_of(&[0, 410, 410]).is_ok(), "the answer was lost");
        assert!(deleted_of(&[0, 404, 404]).is_ok(), "the answer was lost");
        assert!(matches!(deleted_of(&[404]), Err(Failure::Refused { status: 404, .. })));
        assert!(matches!(deleted_of(&[503, 404]), Err(Failure::Refused { status: 404, .. })), "no answer was lost");
        assert!(matches!(deleted_of(&[0, 403, 403]), Err(Failure::Refused { status: 403, .. })), "nobody knows");
        assert!(matches!(deleted_of(&[0, 401, 401]), Err(Failure::Refused { status: 401, .. })), "nobody knows");
    }

    #[test]
    fn a_retry_may_be_done_before_it_is_asked_for_again() {
        let done = r#"{"id":7,"kind":"digest","algorithm":"sha256","encoding":"utf8","name":null,"owner":null,
            "address":null,"priority":0,"verify":"sample","state":"done","waiting_because":null,"total":9,"done":9,
            "suspect":false,"corrected":0,"created_at":"2026-01-31T00:00:00Z","started_at":null,"deadline_at":null,
            "finished_at":null,"rate":0.0,"eta_seconds":null,"error":null}"#;
        let again = Retry { ids: vec![TaskRef::Id(TaskId(7))], deadline: None };
        let (connection, answering) = queen(&[0, 409, 200], done);
        assert!(retry(&connection, &again, Output::Quiet).is_ok());
        answering.join().unwrap();
        let (connection, answering) = queen(&[409], done);
        assert!(retry(&connection, &again, Output::Quiet).is_err(), "no answer was lost");
        answering.join().unwrap();
    }
}
