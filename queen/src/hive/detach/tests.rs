//! A task of a batch on disk is changed while something else of the two is on its way there.

use std::path::Path;
use std::sync::mpsc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use web::hive::Hive as _;
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Digest, Encoding};
use web::model::TaskCounts;

use super::*;
use crate::hive::Settings;
use crate::store::Location;

/// The batch that is there, of three tasks, and the one that is changed.
const BATCH: TaskId = TaskId(1);
const TASK: TaskId = TaskId(3);
const INDEX: u64 = 1;

/// What happens at once, before any of it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The batch is deleted.
    Remove,
    /// The task is deleted.
    Forget,
    /// The batch begins again.
    Retry,
    /// The task begins again.
    Leave,
}

use Step::{Forget, Leave, Remove, Retry};

async fn submit(hive: &SharedHive) {
    let specification = Specification::Digest(Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Utf8 });
    let new = NewTask {
        specification,
        name: None,
        priority: 0,
        deadline_seconds: None,
        batch: true,
        verify: Default::default(),
        owner: None,
        address: None,
    };
    hive.submit(new, ["a", "b", "c"].into_iter().collect(), None, false).await.unwrap();
}

/// Holds the writer up until what is returned is dropped.
async fn hold(hive: &SharedHive) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (held, holding) = oneshot::channel();
    let hive = hive.clone();
    tokio::spawn(async move {
        let wait = move || {
            held.send(()).unwrap();
            // An error is the release.
            let _ = released.recv();
        };
        hive.inner.disk.journal.between(wait).await
    });
    holding.await.unwrap();
    release
}

/// What comes of the steps, and what is counted then.
async fn carry_out(hive: &SharedHive, steps: &[Step]) -> (Vec<bool>, TaskCounts) {
    submit(hive).await;
    hive.cancel(BATCH).await.unwrap();
    let reader = &hive.inner.disk.reader;
    let job = reader.job(BATCH).unwrap().unwrap();
    let mut prepared = Vec::new();
    for step in steps {
        let slot = match step {
            Remove => hive.relief_slot().await.unwrap(),
            _ => hive.slot(0).await.unwrap(),
        };
        prepared.push((*step, slot, hive.member_ready(&job, INDEX).await.unwrap()));
    }
    let release = hold(hive).await;
    let (mut done, mut acks) = (Vec::new(), Vec::new());
    for (step, slot, ready) in prepared {
        let (outcome, ack) = match step {
            Remove => hive.change_durably(slot, |state, now| {
                state.remove_ended(BATCH, now);
                Ok(())
            }),
            Forget => hive.change_durably(slot, |state, _| {
                state.leave_stored(BATCH, INDEX, MemberOutcome::Forgotten { on_disk: true });
                Ok(())
            }),
            Retry => {
                let live = reader.revive(BATCH).unwrap().unwrap();
                hive.change_durably(slot, |state, now| state.retry(live, None, now))
            }
            Leave => match hive.leave_on_disk(TASK, &job, ready, slot, None) {
                Ok(ack) => (Ok(()), ack),
                Err(error) => (Err(error), None),
            },
        };
        done.push(outcome.is_ok());
        acks.push(ack);
    }
    drop(release);
    for ack in acks {
        hive.durable(ack).await.unwrap();
    }
    (done, hive.lock().tasks.counts())
}

/// A Hive over this folder, in which the steps are taken; what comes of them, what is counted then,
/// and what the next Queen counts as ended.
async fn run(folder: &Path, steps: &[Step]) -> (Vec<bool>, TaskCounts, TaskCounts) {
    let open = || Location::new(folder.to_owned()).open().unwrap();
    let (hive, driver) = SharedHive::over(Settings::default(), open()).unwrap();
    hive.take_over(&CancellationToken::new()).unwrap();
    let mut taken = Default::default();
    let taking = async {
        hive.begin_epoch().await;
        taken = carry_out(&hive, steps).await;
    };
    driver.run(&hive, taking).await.unwrap();
    drop(hive);
    (taken.0, taken.1, open().inheritance.ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_crosses_on_its_way_to_the_disk_is_counted_once() {
    let cases: [(&[Step], &[bool], u64, u64); 8] = [
        (&[Remove, Leave], &[true, false], 0, 0),
        (&[Remove, Retry], &[true, false], 0, 0),
        (&[Remove, Forget], &[true, true], 0, 0),
        (&[Forget, Leave], &[true, false], 0, 2),
        (&[Forget, Retry], &[true, true], 2, 0),
        (&[Leave, Leave], &[true, true], 1, 2),
        (&[Leave, Retry], &[true, true], 3, 0),
        (&[Leave, Remove], &[true, true], 1, 0),
    ];
    for (steps, outcomes, pending, cancelled) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (done, counts, next) = run(&folder.path().join("hive-data"), steps).await;
        let expected = TaskCounts { pending, cancelled, ..TaskCounts::default() };
        assert_eq!((&done[..], counts), (outcomes, expected), "{steps:?}");
        assert_eq!(next, TaskCounts { cancelled, ..TaskCounts::default() }, "{steps:?}");
    }
}
