//! Who tries to take the place of another Drone.

use serde_json::json;
use sha2::{Digest, Sha256};
use wire::frame::{MAX_HANDSHAKE, decode};
use wire::handshake::FromQueen;
use wire::ids::SeatSecret;

use super::support::Hive;
use super::support::scripted::{Scripted, hello, knock};
use super::{Queen, both, lines};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_of_a_drone_takes_no_seat() {
    for (config, _directory) in both() {
        let hive = Hive::start_with(config).await;
        let queen = Queen::from(&hive);
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
async fn a_hello_has_no_effect_before_the_handshake_is_complete() {
    let hive = Hive::start().await;
    let queen = Queen::from(&hive);
    let mut drone = Scripted::start(queen.drones, "drone").await;
    let (mut reader, mut writer) = knock(queen.drones).await;
    writer.push(&hello("another name", drone.seat), MAX_HANDSHAKE).unwrap();
    writer.flush().await.unwrap();
    let body = reader.next(MAX_HANDSHAKE).await.unwrap().unwrap();
    assert!(matches!(decode(&body).unwrap(), FromQueen::Challenge { .. }));
    let task = queen.submit("", &lines(3)).await;
    let lease = drone.work().await;
    drone.give(&lease).await;
    queen.until_done(task).await;
    drop((reader, writer));
    let view = queen.drone(drone.id).await;
    assert_eq!((&view["connections"], &view["name"]), (&json!(1), &json!("drone")), "{view}");
    drop(drone);
    hive.stop().await;
}
