//! Material: it is sent once to each Drone, before the leases that name it, and only to those that keep as much.

use serde_json::json;
use sha2::{Digest, Sha256};
use wire::ids::SeatSecret;
use wire::material::{KeptMaterial, MaterialId};
use wire::message::ToQueen;

use super::support::scripted::{Heard, Kept, Lease, Scripted, hello, hello_of};
use super::{Queen, both, config, start_queen};

/// Targets of which the lowest numbers are in the space, too many for a lease.
const TARGETS: u64 = 1_000;

/// A search among numbers below 50,000 for every 100th of the first that many.
async fn search(queen: Queen) -> u64 {
    let target = |number: u64| const_hex::encode(Sha256::digest((100 * number).to_string()));
    let task = json!({"kind": "search", "space": {"counter": {"from": 0, "to": 50_000, "format": "decimal"}},
                      "targets": (0..TARGETS).map(target).collect::<Vec<_>>(), "stop": "all"});
    submit(queen, task).await
}

/// A word with a long salt that is all one letter, and the name of that.
async fn salted(queen: Queen, letter: &str, bytes: usize) -> (u64, MaterialId) {
    let salt = letter.repeat(bytes);
    let id = MaterialId::of(salt.as_bytes());
    let task = json!({"algorithm": "pbkdf2-hmac-sha256", "salt": salt, "iterations": 3, "input": "honey"});
    (submit(queen, task).await, id)
}

async fn submit(queen: Queen, task: serde_json::Value) -> u64 {
    let answer = queen.ask("POST", "/tasks", "application/json", task.to_string().into()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_u64().unwrap()
}

/// The next lease, and what of material came before it.
async fn next(drone: &mut Scripted) -> (Vec<Heard>, Lease) {
    let mut before = Vec::new();
    loop {
        match drone.hear().await.expect("the Queen goes on") {
            Heard::Work(lease) => return (before, lease),
            heard @ (Heard::Material(..) | Heard::Forget(_)) => before.push(heard),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_comes_back_with_its_material_is_not_sent_it_again() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "drone").await;
        let task = search(queen).await;
        let (before, lease) = next(&mut drone).await;
        let id = lease.material.expect("so many targets are material");
        assert_eq!(before, [Heard::Material(id, drone.material[&id].len())]);
        assert!(drone.material[&id].len() > 1024);
        assert!(drone.beats(&[&lease], 1).await);
        let (material, seat) = (drone.material.clone(), drone.seat);
        drop(drone);

        let (mut drone, adopted) =
            Scripted::offer_all(queen.drones, &hello("drone", seat), &[lease.offered()], material).await;
        let [Some(adoption)] = adopted[..] else { panic!("{adopted:?}") };
        let lease = Lease { id: adoption.lease, epoch: drone.epoch, ..lease };
        let (before, other) = next(&mut drone).await;
        assert_eq!((before, other.material), (vec![], Some(id)));
        drone.give_marks(&lease, adoption.from..adoption.to).await;
        drone.give_marks(&other, other.range()).await;
        drone.searching(|_, _, _| {}).until_gone(queen, task).await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_comes_back_without_its_material_is_sent_it_again() {
    let (hive, queen) = start_queen(config(None)).await;
    let mut drone = Scripted::start(queen.drones, "drone").await;
    let task = search(queen).await;
    let (_, lease) = next(&mut drone).await;
    let seat = drone.seat;
    drop(drone);
    let mut drone = Scripted::connect(queen.drones, "drone", seat).await;
    let (before, again) = next(&mut drone).await;
    let id = lease.material.unwrap();
    assert_eq!((before, again.material), (vec![Heard::Material(id, drone.material[&id].len())], Some(id)));
    drone.give_marks(&again, again.range()).await;
    drone.searching(|_, _, _| {}).until_gone(queen, task).await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_salt_is_sent_once_for_all_tasks_that_have_it() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "drone").await;
        for turn in 0..3 {
            let (task, id) = salted(queen, "s", 2_000).await;
            let (before, lease) = next(&mut drone).await;
            assert_eq!(lease.material, Some(id));
            let sent = if turn == 0 { vec![Heard::Material(id, 2_000)] } else { vec![] };
            assert_eq!(before, sent, "turn {turn}");
            drone.give(&lease).await;
            let view = queen.until_done(task).await;
            let digest = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(b"honey", "s".repeat(2_000).as_bytes(), 3);
            assert_eq!(view["results"][0]["digest"], const_hex::encode(digest), "{view}");
        }
        let (task, _) = salted(queen, "s", 1_024).await;
        let (before, lease) = next(&mut drone).await;
        assert_eq!((before, lease.material), (vec![], None), "a short one stands in its lease");
        drone.give(&lease).await;
        queen.until_done(task).await;
        drop(drone);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn material_makes_room_for_other_material() {
    let (hive, queen) = start_queen(config(None)).await;
    let seat = SeatSecret::random().unwrap();
    let hello = hello_of("drone", seat, 5_000);
    let (mut drone, _) = Scripted::offer_all(queen.drones, &hello, &[], Kept::new()).await;
    let mut ids = Vec::new();
    for (letter, gone) in [("a", None), ("b", None), ("a", None), ("c", Some(1)), ("b", Some(0))] {
        let (task, id) = salted(queen, letter, 2_000).await;
        let (before, lease) = next(&mut drone).await;
        let forgotten = gone.map(|at: usize| Heard::Forget(ids[at])).into_iter();
        let is_new = !ids[..ids.len().min(3)].contains(&id) || gone.is_some();
        let sent = is_new.then_some(Heard::Material(id, 2_000));
        assert!(before.iter().eq(forgotten.chain(sent).collect::<Vec<_>>().iter()), "{letter}: {before:?}");
        ids.push(id);
        drone.give(&lease).await;
        queen.until_done(task).await;
    }
    drop(drone);
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_drone_keeps_waits_and_the_queen_says_why() {
    let (hive, queen) = start_queen(config(None)).await;
    let hello = hello_of("small", SeatSecret::random().unwrap(), 1_999);
    let (small, _) = Scripted::offer_all(queen.drones, &hello, &[], Kept::new()).await;
    let small = small.honest();
    let (task, id) = salted(queen, "s", 2_000).await;
    let because = |view: &serde_json::Value| view["waiting_because"].as_str().map(str::to_owned);
    let view = queen.until_task(task, |view| because(view).is_some()).await;
    assert!(because(&view).unwrap().contains("longer than what any connected drone keeps"), "{view}");
    let mut large = Scripted::start(queen.drones, "large").await;
    let (_, lease) = next(&mut large).await;
    assert_eq!(lease.material, Some(id));
    large.give(&lease).await;
    queen.until_done(task).await;
    assert_eq!(small.asked_of(task), 0);
    small.vanish().await;
    drop(large);
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_material_that_makes_no_sense_is_a_breach() {
    let (hive, queen) = start_queen(config(None)).await;
    let kept = |byte: u8, bytes| KeptMaterial { id: MaterialId([byte; 32]), bytes };
    let cases = [
        (vec![kept(1, 10), kept(1, 10)], "is offered twice"),
        (vec![kept(1, 32 << 20), kept(2, 1)], "it offers more material than it keeps by its hello"),
        (
            (0..5000)
                .map(|at| KeptMaterial { id: MaterialId::of(&[(at % 256) as u8, (at / 256) as u8]), bytes: 1 })
                .collect(),
            "or more than 4096 different ones",
        ),
    ];
    for (material, said) in cases {
        let mut drone = Scripted::welcome(queen.drones, "drone", SeatSecret::random().unwrap()).await;
        drone.say(&ToQueen::Offer { leases: Vec::new().into(), material: material.into() }).await;
        let reason = drone.closed().await.expect("it is told");
        assert!(reason.contains(said), "{reason}");
    }
    hive.stop().await;
}

impl super::support::scripted::Alone {
    /// Lets it search until the task is done, and finds all that is sought.
    async fn until_gone(self, queen: Queen, task: u64) {
        let view = queen.until_done(task).await;
        assert_eq!(view["search"]["found"], 500, "{view}");
        self.vanish().await;
    }
}
