//! Who is let in by a secret, who is not, and what becomes of who was when it is revoked.

use std::sync::Arc;

use queen::access::TlsIdentity;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use wire::frame::{HEADER, MAX_HANDSHAKE, decode, encode};
use wire::handshake::{FromDrone, FromQueen};
use wire::ids::{DroneId, Epoch, SeatSecret};
use wire::join::JoinFile;
use wire::preface::{Preface, Role};
use wire::proof::{MAC_BYTES, Transcript};

use super::support::Hive;
use super::support::clock::Hands;
use super::support::protection::{Authority, Entry, Shield, connect};
use super::support::scripted::{Scripted, greet, hello};
use super::{Queen, both, lines, start_queen};

/// What everybody is told who cannot prove to know a secret.
const UNKNOWN: &str = "the secret of its join file is not valid here: it was revoked, or the file is of another Hive; \
                       `queen secret create` makes another one, with which the drone is started again";

pub(super) async fn start(shield: &Shield) -> (Hive, Queen) {
    let config = queen::Config { protection: Some(shield.protection()), ..super::config(None) };
    let (hive, queen) = start_queen(config).await;
    (hive, queen)
}

/// Why one is not let in.
async fn refused(entry: &Entry) -> String {
    let seat = SeatSecret::random().unwrap();
    Scripted::try_welcome(entry, "stranger", seat).await.err().expect("it is refused")
}

fn worker(hive: &Hive, name: &str, file: &JoinFile) -> super::support::Worker {
    hive.worker_with(name, Some(drone::Join::new(file.clone()).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn either_of_two_secrets_lets_a_drone_in_and_nothing_else_does() {
    let shield = Shield::new();
    let (attic, cellar) = (shield.admit("attic"), shield.admit("cellar"));
    let (hive, queen) = start(&shield).await;
    let workers = [worker(&hive, "maja", &attic), worker(&hive, "willi", &cellar)];
    queen.until("/drones", |drones| drones["drones"].as_array().is_some_and(|drones| drones.len() == 2)).await;
    let task = queen.submit("", &lines(500)).await;
    queen.until_done(task).await;
    queen.check(task, &lines(500)).await;

    let known = |file: &JoinFile| Entry::new(queen.drones, file);
    for wrong in [
        JoinFile { secret: [7; 32], ..attic.clone() },
        JoinFile { secret: cellar.secret, ..attic.clone() },
        JoinFile { name: "barn".into(), ..attic.clone() },
        // With what the Queen reckons where there is no such name.
        JoinFile { name: "barn".into(), secret: [0; 32], ..attic.clone() },
        JoinFile { name: "a".repeat(4000), ..attic.clone() },
        JoinFile { name: String::new(), ..attic.clone() },
    ] {
        assert_eq!(refused(&known(&wrong)).await, UNKNOWN, "{wrong:?}");
    }
    let reason = refused(&queen.drones.into()).await;
    assert_eq!(reason, "drones are let in here with a join file alone, and speak TLS: start this one with --join FILE");
    for worker in workers {
        worker.leave().await;
    }
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_revoked_ends_what_came_with_it_and_only_that() {
    for (config, _directory) in both() {
        let shield = Shield::new();
        let (attic, cellar) = (shield.admit("attic"), shield.admit("cellar"));
        // Time stands still, so that whoever is waited for would be for ever.
        let (protection, clock) = (Some(shield.protection()), Arc::new(Hands::new()));
        let (hive, queen) = start_queen(queen::Config { protection, clock, ..config }).await;
        let [attic, cellar] = [attic, cellar].map(|file| Entry::new(queen.drones, &file));
        let mut lost = Scripted::start(&attic, "lost").await;
        let mut away = Scripted::start(&attic, "away").await;
        let task = queen.submit(super::PBKDF2, &lines(200)).await;
        let held = [lost.work().await, away.work().await];
        assert!(away.beats(&[&held[1]], 7).await && lost.beats(&[&held[0]], 7).await);
        let (seats, gone) = ([away.seat, lost.seat], away.id);
        drop(away);
        queen.until_drone(gone, "away").await;
        let mut other = Scripted::start(&cellar, "other").await;

        shield.revoke("attic");
        assert_eq!(lost.closed().await.as_deref(), Some("its secret was revoked"));
        queen.until_drone(lost.id, "lost").await;
        queen.until_drone(gone, "lost").await;
        for seat in seats {
            assert_eq!(Scripted::try_welcome(&attic, "again", seat).await.err().as_deref(), Some(UNKNOWN));
        }
        assert!(other.beats(&[], 0).await, "it is not concerned");
        let honest = other.honest();
        queen.until_done(task).await;
        assert_eq!(queen.drone(honest.id).await["items_done"], 200);
        honest.vanish().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_secret_that_is_revoked_opens_nothing() {
    let shield = Shield::new();
    let file = shield.admit("only");
    let (hive, queen) = start(&shield).await;
    let entry = Entry::new(queen.drones, &file);
    let mut drone = Scripted::start(&entry, "drone").await;
    // Another one of the same name is another one.
    let entry = Entry::new(queen.drones, &shield.admit("only"));
    assert_eq!(drone.closed().await.as_deref(), Some("its secret was revoked"));
    assert_eq!(refused(&Entry::new(queen.drones, &file)).await, UNKNOWN);
    let mut drone = Scripted::connect(&entry, "drone", drone.seat).await;
    shield.revoke("only");
    assert_eq!(drone.closed().await.as_deref(), Some("its secret was revoked"));
    assert_eq!(refused(&entry).await, UNKNOWN);
    assert!(refused(&queen.drones.into()).await.contains("--join FILE"));
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_was_recorded_proves_nothing() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = start(&shield).await;
    let entry = Entry::new(queen.drones, &file);
    let seat = SeatSecret([1; 32]);
    // A handshake as one would have it who reads it at the Drone's side of TLS.
    let (mut greeting, keys) = greet(&entry).await;
    let keys = keys.unwrap();
    greeting.say(&hello("drone", seat)).await.unwrap();
    let challenge = greeting.hear().await.unwrap().unwrap();
    let mut transcript = Transcript::new(Preface::ours(Role::Drone), Preface::ours(Role::Queen));
    let mut said = Vec::new();
    encode(&hello("drone", seat), MAX_HANDSHAKE, &mut said).unwrap();
    transcript.add(&said[HEADER..]);
    transcript.add(&challenge);
    let mut proof = Vec::new();
    encode(&FromDrone::Proof { secret: "attic", mac: [0; MAC_BYTES] }, MAX_HANDSHAKE, &mut proof).unwrap();
    transcript.sign(&mut proof[HEADER..], Role::Drone, &keys);
    greeting.writer.inner().write_all(&proof).await.unwrap();
    greeting.writer.inner().flush().await.unwrap();
    let welcome = greeting.hear().await.unwrap().unwrap();
    assert!(matches!(decode(&welcome).unwrap(), FromQueen::Welcome { .. }), "it is a proof where it belongs");

    let (mut again, _) = greet(&entry).await;
    again.writer.inner().write_all(&[said, proof].concat()).await.unwrap();
    again.writer.inner().flush().await.unwrap();
    let other = again.hear().await.unwrap().unwrap();
    assert_ne!(challenge, other, "no challenge comes twice");
    let answer = again.hear().await.unwrap().unwrap();
    assert_eq!(decode::<FromQueen<'_>>(&answer).unwrap(), FromQueen::Refused { reason: UNKNOWN });
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_in_between_with_another_certificate_is_not_spoken_to() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = start(&shield).await;
    let (between, _) = stand_between(queen, Authority::new().certify()).await;
    assert!(connect(between, &file).await.is_err());
    // The Queen knows nobody by whom she signs herself.
    let foreign = Authority::new().join_file("attic", file.secret);
    assert!(connect(queen.drones, &foreign).await.is_err());
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_relays_with_a_certificate_of_the_same_authority_is_found_out() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = start(&shield).await;
    let (between, mut met) = stand_between(queen, shield.authority.certify()).await;
    let worker = relayed(&file, between);
    // It has spoken by way of the relay, and is refused, since the two saw different certificates.
    assert_eq!(refused(&Entry::new(between, &file)).await, UNKNOWN);
    for _ in 0..2 {
        met.recv().await.unwrap();
    }
    assert_eq!(queen.get("/drones").await["drones"].as_array().unwrap().len(), 0);
    worker.abort();
    hive.stop().await;
}

/// A real Drone that is led to whoever listens there.
fn relayed(file: &JoinFile, between: std::net::SocketAddr) -> tokio::task::JoinHandle<Result<(), drone::Error>> {
    let config = drone::Config {
        queen: between.into(),
        threads: std::num::NonZeroUsize::MIN,
        name: "led astray".into(),
        seat: SeatSecret::random().unwrap(),
        join: Some(drone::Join::new(file.clone()).unwrap()),
        kernel: drone::kernel::Choice::Only(drone::kernel::Kernel::PORTABLE),
        nice: 0,
        show_words: true,
    };
    tokio::spawn(drone::run(config, drone::Shutdown::default()))
}

/// Accepts Drones with this certificate, and passes on what they say to the Queen by TLS of its own; where that is, and
/// who was met.
async fn stand_between(queen: Queen, served: TlsIdentity) -> (std::net::SocketAddr, tokio::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (meeting, met) = tokio::sync::mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (served, meeting) = (served.clone(), meeting.clone());
            tokio::spawn(async move {
                let mut drone = TlsAcceptor::from(Arc::clone(&served.config)).accept(socket).await.unwrap();
                meeting.send(()).await.unwrap();
                // It does not look at the Queen's certificate.
                let mut queen = super::support::protection::connect_blindly(queen.drones).await;
                let _ = copy_bidirectional(&mut drone, &mut queen).await;
            });
        }
    });
    (address, met)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_welcomes_without_a_proof_is_given_no_results() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let served = shield.authority.certify();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker = relayed(&file, listener.local_addr().unwrap());
    let welcome =
        |mac| FromQueen::Welcome { drone: DroneId(1), epoch: Epoch(1), heartbeat_ms: 1000, silence_ms: 10_000, mac };
    for (challenges, mac) in [(false, None), (false, Some([0; MAC_BYTES])), (true, None), (true, Some([7; MAC_BYTES]))]
    {
        let (socket, _) = listener.accept().await.unwrap();
        let mut drone = TlsAcceptor::from(Arc::clone(&served.config)).accept(socket).await.unwrap();
        drone.read_exact(&mut [0; Preface::SIZE]).await.unwrap();
        let mut said = Preface::ours(Role::Queen).encode().to_vec();
        if challenges {
            encode(&FromQueen::Challenge { nonce: [1; 32] }, MAX_HANDSHAKE, &mut said).unwrap();
        }
        encode(&welcome(mac), MAX_HANDSHAKE, &mut said).unwrap();
        drone.write_all(&said).await.unwrap();
        drone.flush().await.unwrap();
        // It closes behind its hello and its proof.
        let mut heard = Vec::new();
        let _ = drone.read_to_end(&mut heard).await;
        let mut bodies = Vec::new();
        let mut rest = &heard[..];
        while let Some((length, more)) = rest.split_first_chunk::<HEADER>() {
            let (body, more) = more.split_at(u32::from_le_bytes(*length) as usize);
            bodies.push(body);
            rest = more;
        }
        assert_eq!(bodies.len(), 1 + usize::from(challenges), "{challenges} {mac:?}");
        assert!(matches!(decode(bodies[0]).unwrap(), FromDrone::Hello { .. }));
    }
    worker.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_is_for_those_who_come() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = start(&shield).await;
    let entry = Entry::new(queen.drones, &file);
    let leaf = async || connect(queen.drones, &file).await.unwrap().1.leaf;
    let mut old = Scripted::start(&entry, "old").await;
    let first = leaf().await;
    let next = shield.authority.certify();
    let second = next.leaf;
    shield.serve(next);
    let new = Scripted::start(&entry, "new").await;
    assert_ne!(first, second);
    assert_eq!(leaf().await, second);
    assert!(old.beats(&[], 0).await);
    // Both work on.
    let task = queen.submit("", &lines(500)).await;
    let honest = [old.honest(), new.honest()];
    queen.until_done(task).await;
    for drone in honest {
        drone.vanish().await;
    }
    hive.stop().await;
}

/// Bytes of a TCP connection that is no TLS are not of one either.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_what_is_said_is_legible() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = start(&shield).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = listener.local_addr().unwrap();
    let tap = tokio::spawn(async move {
        let (drone, _) = listener.accept().await.unwrap();
        let queen = TcpStream::connect(queen.drones).await.unwrap();
        let ((mut from_drone, mut to_drone), (mut from_queen, mut to_queen)) = (drone.into_split(), queen.into_split());
        let record = async |from: &mut tokio::net::tcp::OwnedReadHalf, to: &mut tokio::net::tcp::OwnedWriteHalf| {
            let (mut all, mut some) = (Vec::new(), [0; 4096]);
            loop {
                let count = from.read(&mut some).await.unwrap_or_default();
                if count == 0 || to.write_all(&some[..count]).await.is_err() {
                    let _ = to.shutdown().await;
                    return all;
                }
                all.extend_from_slice(&some[..count]);
            }
        };
        let (there, back) =
            tokio::join!(record(&mut from_drone, &mut to_queen), record(&mut from_queen, &mut to_drone));
        [there, back].concat()
    });
    let mut drone = Scripted::start(&Entry::new(between, &file), "a drone with a name").await;
    let word = "a word that nobody is to read".to_owned();
    let task = queen.submit("", std::slice::from_ref(&word)).await;
    let lease = drone.work().await;
    drone.give(&lease).await;
    queen.until_done(task).await;
    let seat = drone.seat.0;
    drop(drone);
    let bytes = tap.await.unwrap();
    for secret in [&b"a drone with a name"[..], word.as_bytes(), &seat, b"attic", &file.secret] {
        assert!(!bytes.windows(secret.len()).any(|some| some == secret), "{}", String::from_utf8_lossy(secret));
    }
    hive.stop().await;
}
