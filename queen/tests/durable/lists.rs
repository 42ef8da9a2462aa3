//! Lists of tasks, of which some are in memory and some on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use queen::hive::SharedHive;
use web::hive::{Counted, Hive as _, Order, SortBy, TaskFilter, TaskQuery};
use web::model::{TaskCounts, TaskState, TaskView};
use wire::ids::TaskId;

use super::owners::{new, open};
use super::settings;

/// All tasks of a list, by parts of three.
async fn all(hive: &SharedHive, filter: &TaskFilter, order: Order) -> Vec<TaskView> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let query = TaskQuery { filter: filter.clone(), order, after, limit: 3 };
        let part = hive.tasks(query).await.unwrap();
        found.extend(part.tasks);
        let Some(next) = part.next else { return found };
        after = Some(next);
    }
}

/// The same by looking at each task.
fn expected(tasks: &BTreeMap<u64, TaskView>, filter: &TaskFilter, order: Order) -> Vec<u64> {
    let meant = tasks.values().filter(|task| order.by.has_state(task.state) && filter.lets(task));
    let mut places: Vec<_> = meant.map(|task| order.position(task)).collect();
    places.sort_by(|one, other| order.compare(*one, *other));
    places.into_iter().map(|place| place.id.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_memory_and_what_is_on_disk_is_one_list() {
    let folder = tempfile::tempdir().unwrap();
    let (hive, driver) = open(folder.path(), settings());
    let working = async {
        hive.begin_epoch().await;
        for id in 1..=24_u64 {
            let name = (id % 3 > 0).then(|| format!("night-{}", id % 5));
            let task = web::hive::NewTask { name, priority: (id % 4) as i8 - 2, ..new(Some(id % 2 + 1)) };
            hive.submit(task, ["honey", "bees"].into_iter().collect(), None, false).await.unwrap();
        }
        for id in [2, 3, 7, 8, 9, 15, 21] {
            hive.cancel(TaskId(id)).await.unwrap();
        }
        hive.pause(TaskId(5)).await.unwrap();
        // One that has another priority now, and one that is begun again.
        let amendment = web::hive::Amendment { priority: Some(100), ..Default::default() };
        hive.amend(TaskId(12), amendment).await.unwrap();
        hive.retry(TaskId(7), None).await.unwrap();
        // A batch is one, and one of its tasks that is cancelled alone is another.
        let batch = web::hive::NewTask { batch: true, name: Some("night-batch".to_owned()), ..new(Some(1)) };
        hive.submit(batch, ["a", "b", "c"].into_iter().collect(), None, false).await.unwrap();
        hive.cancel(TaskId(27)).await.unwrap();
        let mut tasks = BTreeMap::new();
        for id in (1..=25).chain([27]) {
            tasks.insert(id, hive.task(TaskId(id)).await.unwrap());
        }
        let none = TaskFilter::default;
        let filters = [
            none(),
            TaskFilter { states: vec![TaskState::Pending], ..none() },
            TaskFilter { states: vec![TaskState::Cancelled, TaskState::Paused], ..none() },
            TaskFilter { name: Some("night-".to_owned()), ..none() },
            TaskFilter { name: Some("night-1".to_owned()), owner: Some("token 2".to_owned()), ..none() },
            TaskFilter { token: Some(web::access::TokenId(2)), ..none() },
            TaskFilter { kind: Some("search"), ..none() },
            TaskFilter { since: Some(tasks[&10].created_at), ..none() },
            TaskFilter { reason: Some("the".to_owned()), ..none() },
        ];
        for filter in filters {
            for (by, reversed) in SortBy::ALL.into_iter().flat_map(|by| [(by, false), (by, true)]) {
                let order = Order { by, reversed };
                let found: Vec<_> = all(&hive, &filter, order).await.into_iter().map(|task| task.id.0).collect();
                assert_eq!(found, expected(&tasks, &filter, order), "{filter:?} {order}");
            }
            let mut counts = TaskCounts::default();
            tasks.values().filter(|task| filter.lets(task)).for_each(|task| counts.add(task.state, 1));
            assert_eq!(hive.count(filter.clone()).await.unwrap(), counts, "{filter:?}");
            let lines = hive.lines(filter.clone()).await.unwrap();
            for state in TaskState::ALL {
                let counted = Counted { count: counts.of(state), is_cut: false };
                assert_eq!(lines.of(|one| one == state), counted, "{filter:?} {state}");
            }
        }
    };
    driver.run(&hive, working).await.unwrap();
    // With everything unfinished taken over from the disk.
    let (hive, driver) = open(folder.path(), settings());
    let again = async {
        hive.begin_epoch().await;
        let filter = Arc::new(TaskFilter { name: Some("night-".to_owned()), ..TaskFilter::default() });
        let urgent = all(&hive, &filter, Order { by: SortBy::Priority, reversed: false }).await;
        assert_eq!(urgent.first().map(|task| task.id), Some(TaskId(23)), "{urgent:?}");
        assert!(urgent.is_sorted_by_key(|task| -i32::from(task.priority)));
    };
    driver.run(&hive, again).await.unwrap();
}
