//! Who tries to take the place of another Drone.

use serde_json::json;
use sha2::{Digest, Sha256};
use wire::frame::decode;
use wire::handshake::FromQueen;
use wire::ids::SeatSecret;

use super::support::protection::{Entry, Shield};
use super::support::scripted::{Scripted, greet, hello};
use super::{both, lines, start_queen};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_of_a_drone_takes_no_seat() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut victim = Scripted::start(queen.drones, "victim").await;
        let view = queen.drone(victim.id).await;
        let digest = const_hex::encode(Sha256::digest(victim.seat.0));
        assert_eq!(view["instance"], digest[..32]);
        assert!(!view.to_string().contains(&const_hex::encode(victim.seat.0)), "{view}");

        // All that can be made of it.
        let shown = const_hex::decode(view["instance"].as_str().unwrap()).unwrap();
        let mut padded = [0; 32];
        padded[..16].copy_from_slice(&shown);
        for seat in [padded, shown.repeat(2).try_into().unwrap(), Sha256::digest(&shown).into()] {
            let thief = Scripted::connect(queen.drones, "victim", SeatSecret(seat)).await;
            assert_ne!(thief.id, victim.id);
        }
        let task = queen.submit("", &lines(3)).await;
        let lease = victim.work().await;
        victim.give(&lease).await;
        queen.until_done(task).await;
        let view = queen.drone(victim.id).await;
        assert_eq!((&view["connections"], &view["state"]), (&json!(1), &json!("idle")), "{view}");
        drop(victim);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_has_no_effect_before_the_proof() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = super::secrets::start(&shield).await;
    let entry = Entry::new(queen.drones, &file);
    let mut drone = Scripted::start(&entry, "drone").await;
    // One who has not proved anything yet, and one who cannot.
    let (mut waiting, _) = greet(&entry).await;
    waiting.say(&hello("another name", drone.seat)).await.unwrap();
    let body = waiting.hear().await.unwrap().unwrap();
    assert!(matches!(decode(&body).unwrap(), FromQueen::Challenge { .. }));
    let wrong = Entry::new(queen.drones, &shield.authority.join_file("attic", [7; 32]));
    assert!(Scripted::try_welcome(&wrong, "a third name", drone.seat).await.is_err());
    let task = queen.submit("", &lines(3)).await;
    let lease = drone.work().await;
    drone.give(&lease).await;
    queen.until_done(task).await;
    let view = queen.drone(drone.id).await;
    assert_eq!((&view["connections"], &view["name"]), (&json!(1), &json!("drone")), "{view}");
    drop((waiting, drone));
    hive.stop().await;
}
