//! The Drone as its users start it, in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "the scripted Queen can do more than is asked of her here")]

mod queen;
#[path = "../src/kernel/tests/reference.rs"]
mod reference;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tokio::net::TcpListener;
use wire::work::Algorithm;

use queen::{Queen, TestChunk};

/// So long that only a broken test meets it.
const CALM: u32 = 60_000;

/// Ends with its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_log_that_reaches_the_limit_on_file_sizes_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // One block has 512 bytes.
    let child = Command::new("sh")
        .args(["-c", "ulimit -f 1 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_drone")])
        .args(["--queen", &address, "--name", "maja", "--threads", "1"])
        .stdout(File::create(&log).unwrap())
        .spawn();
    let _drone = Program(child.unwrap());
    let (mut queen, _) = Queen::welcome(&listener, CALM, CALM).await;
    let word = [b"honey".to_vec()];
    let mut words_after = 0;
    for lease in 1.. {
        queen.lease(&[TestChunk::new(lease, Algorithm::Sha256, word.to_vec())]).await;
        assert_eq!(queen.digests(lease, 0..1).await, reference::digest(Algorithm::Sha256, &word[0]));
        words_after += u32::from(fs::metadata(&log).unwrap().len() == 512);
        if words_after == 3 {
            break;
        }
    }
}

#[tokio::test]
async fn a_drone_that_is_asked_for_a_proof_says_which_flag_it_lacks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut drone = Command::new(env!("CARGO_BIN_EXE_drone"));
    drone.args(["--queen", &address, "--name", "maja", "--threads", "1", "--kernel", "portable"]);
    let mut drone = Program(drone.env_remove("HIVE_JOIN_FILE").stdout(Stdio::piped()).spawn().unwrap());
    let (queen, _) = Queen::hello(&listener).await;
    assert!(queen.challenge().await);
    let mut console = BufReader::new(drone.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(console.any(|line| line.contains("she asks for a proof") && line.contains("--join FILE")));
}
