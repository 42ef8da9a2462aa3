//! Results that another Drone computes a second time.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::support::clock::Hands;
use super::support::look_again;
use super::support::scripted::Scripted;
use super::{PBKDF2, lines, start_queen};

/// After that the directory knows of a lease.
const LATER: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_an_audit_is_not_remembered() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    let config = queen::Config { clock: Arc::new(clock.clone()), ..super::config(Some(directory.path())) };
    let (hive, queen) = start_queen(config).await;
    let mut first = Scripted::start(queen.drones, "first").await;
    let other = Scripted::start(queen.drones, "other").await;
    let audited = queen.submit(PBKDF2, &lines(1)).await;
    let lease = first.work().await;
    assert_eq!(lease.task.0, audited);
    first.give(&lease).await;
    queen.until_done(audited).await;
    queen.until(&format!("/drones/{}", other.id), |view| view["leases"] == 1).await;
    let ordinary = queen.submit("", &lines(1)).await;
    let lease = first.work().await;
    assert_eq!(lease.task.0, ordinary);
    clock.advance(LATER);
    let database = Connection::open(directory.path().join("hive.db")).unwrap();
    let mut select = database.prepare("SELECT task FROM leases").unwrap();
    let mut remembered = || select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect::<Vec<u64>>();
    while remembered().is_empty() {
        look_again().await;
    }
    assert_eq!(remembered(), [ordinary]);
    drop(select);
    drop(database);
    hive.stop().await;
}
