//! Whose tasks are, over restarts, and what is written of what users do.

use std::path::Path;

use queen::hive::{Settings, SharedHive, StoreDriver};
use queen::store::Location;
use tokio_util::sync::CancellationToken;
use web::access::{LogFilter, LogKind, Owner, TokenId};
use web::hive::{Access as _, Action, By, Deed, Hive as _, HiveError, NewTask, TaskFilter, TaskQuery};
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Digest, Encoding};
use web::model::Change;

use super::settings;

pub(super) fn open(data: &Path, settings: Settings) -> (SharedHive, StoreDriver) {
    let store = Location::new(data.to_owned()).open().unwrap();
    let (hive, driver) = SharedHive::over(settings, store).unwrap();
    hive.take_over(&CancellationToken::new()).unwrap();
    (hive, driver)
}

pub(super) fn new(owner: Option<u64>) -> NewTask {
    let specification = Specification::Digest(Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Utf8 });
    NewTask {
        specification,
        name: None,
        priority: 0,
        deadline_seconds: None,
        batch: false,
        verify: Default::default(),
        owner: owner.map(|token| Owner { token: TokenId(token), name: format!("token {token}").into() }),
        address: Some([192, 0, 2, 1].into()),
    }
}

async fn submit(hive: &SharedHive, owner: Option<u64>) -> Result<u64, HiveError> {
    let submitted = hive.submit(new(owner), ["honey"].into_iter().collect(), None, false).await;
    submitted.map(|submitted| submitted.id().0)
}

/// The ids of an owner's tasks.
async fn tasks_of(hive: &SharedHive, owner: u64) -> Vec<u64> {
    let filter = TaskFilter { token: Some(TokenId(owner)), ..TaskFilter::default() };
    let query = TaskQuery { filter, limit: 10, ..TaskQuery::default() };
    hive.tasks(query).await.unwrap().tasks.into_iter().map(|task| task.id.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_their_owners_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (hive, driver) = open(folder.path(), settings());
    let first = async {
        hive.begin_epoch().await;
        for owner in [Some(1), Some(2), None, Some(1)] {
            submit(&hive, owner).await.unwrap();
        }
        assert_eq!((tasks_of(&hive, 1).await, tasks_of(&hive, 3).await), (vec![4, 1], vec![]));
        hive.cancel(wire::ids::TaskId(1)).await.unwrap();
        // One of them is on disk alone.
        assert_eq!(tasks_of(&hive, 1).await, [4, 1]);
    };
    driver.run(&hive, first).await.unwrap();
    let (hive, driver) = open(folder.path(), settings());
    let second = async {
        hive.begin_epoch().await;
        assert_eq!((tasks_of(&hive, 1).await, tasks_of(&hive, 2).await), (vec![4, 1], vec![2]));
        for id in [1, 4] {
            let view = hive.task(wire::ids::TaskId(id)).await.unwrap();
            assert_eq!((view.owner.as_deref(), view.owner_id), (Some("token 1"), Some(TokenId(1))));
            assert_eq!(view.address, Some([192, 0, 2, 1].into()));
        }
        let mut watching = hive.subscribe(None).events;
        let telling = tokio::spawn({
            let hive = hive.clone();
            async move { hive.tell_watchers().await }
        });
        hive.remove(wire::ids::TaskId(1)).await.unwrap();
        let removed = async {
            loop {
                if let Change::TaskRemoved { id, owner } = &watching.recv().await.unwrap().change {
                    return (id.0, *owner);
                }
            }
        };
        assert_eq!(removed.await, (1, Some(TokenId(1))));
        telling.abort();
    };
    driver.run(&hive, second).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_may_have_so_many_unfinished_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let (hive, driver) = open(folder.path(), Settings { max_queued: 2, ..settings() });
    let working = async {
        hive.begin_epoch().await;
        for id in 1..=2 {
            assert_eq!(submit(&hive, Some(1)).await, Ok(id));
        }
        let refused = submit(&hive, Some(1)).await.unwrap_err();
        assert!(matches!(refused, HiveError::TooMany { .. }) && refused.to_string().contains("--max-queued-tasks"));
        assert_eq!(submit(&hive, Some(2)).await, Ok(3));
        assert_eq!(submit(&hive, None).await, Ok(4));
        hive.cancel(wire::ids::TaskId(1)).await.unwrap();
        assert_eq!(submit(&hive, Some(1)).await, Ok(5));
    };
    driver.run(&hive, working).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_users_did_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = async |hive: &SharedHive| {
        let kinds = vec![LogKind::Control, LogKind::Refusal];
        let page = hive.log(LogFilter { limit: 10, kinds, ..LogFilter::default() }).await.unwrap();
        assert!(page.entries.iter().all(|line| line.request_id.as_deref() == Some("trace-7")));
        page.entries.into_iter().map(|line| (line.who, line.action, line.count)).collect::<Vec<_>>()
    };
    let who = Some("ops".to_owned());
    let deed = |action, refused: Option<&str>| {
        let (name, request) = (Some("ops".into()), Some("trace-7".into()));
        let by = By { name, address: Some([192, 0, 2, 1].into()), request };
        Deed { by, action, target: "task 7 (bees)".into(), refused: refused.map(str::to_owned) }
    };
    let (hive, driver) = open(folder.path(), settings());
    let first = async {
        hive.begin_epoch().await;
        let keeping = tokio::spawn({
            let hive = hive.clone();
            async move { hive.run_trail().await }
        });
        hive.tell(deed(Action::Cancel, None));
        while log(&hive).await.is_empty() {
            super::support::look_again().await;
        }
        keeping.abort();
        // What waits when the Queen stops is written then, with what is counted of refusals.
        (0..5).for_each(|_| hive.tell(deed(Action::Ask, Some("it lacks control"))));
        hive.tell(deed(Action::Remove, None));
    };
    driver.run(&hive, first).await.unwrap();
    let (hive, driver) = open(folder.path(), settings());
    let second = async {
        hive.begin_epoch().await;
        let expected = [("ask", 4), ("delete", 1), ("ask", 1), ("cancel", 1)];
        assert_eq!(log(&hive).await, expected.map(|(action, count)| (who.clone(), action.to_owned(), count)));
    };
    driver.run(&hive, second).await.unwrap();
}

#[tokio::test]
async fn starts_and_stops_are_written_and_a_stop_that_is_not() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (hive, driver) = open(folder.path(), settings());
    let first = async {
        hive.begin_epoch().await;
    };
    driver.run(&hive, first).await.unwrap();
    let (hive, driver) = open(folder.path(), settings());
    let second = async {
        hive.begin_epoch().await;
        let page = hive.log(LogFilter { limit: 10, ..LogFilter::default() }).await.unwrap();
        let lines: Vec<_> = page.entries.iter().map(|line| (line.kind, &*line.action, &*line.target)).collect();
        assert_eq!(lines, ["start", "stop", "start"].map(|action| (LogKind::Queen, action, "queen")));
        let starts = [0, 2].map(|at| &*page.entries[at].outcome);
        assert_eq!(starts, ["with 0 unfinished tasks; the Queen before stopped in order", "with 0 unfinished tasks"]);
        // As she would leave it if she were killed now.
        for file in
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file())
        {
            std::fs::copy(&file, killed.path().join(file.file_name().unwrap())).unwrap();
        }
    };
    driver.run(&hive, second).await.unwrap();
    let (hive, driver) = open(killed.path(), settings());
    let third = async {
        hive.begin_epoch().await;
        let page = hive.log(LogFilter { limit: 1, ..LogFilter::default() }).await.unwrap();
        assert!(
            page.entries[0]
                .outcome
                .ends_with("no stop of the Queen before is written: she was killed, or could not write it")
        );
    };
    driver.run(&hive, third).await.unwrap();
}
