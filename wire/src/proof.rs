//! How Queen and Drone prove to each other that they know the same secret, over the same TLS connection.
//!
//! A mac covers all that was said before it in the handshake, so that nothing of it can be replayed, mixed or
//! changed, and the Queen's certificate as this end of the connection saw it, so that nobody can stand in between
//! with another one and pass the proofs on.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::frame::HEADER;
use crate::preface::{Preface, Role};

/// What a proof's mac begins with, so that it is valid for nothing else. The version in it is [`crate::preface::VERSION`].
const LABEL: &[u8] = b"Hive, Queen and Drone, version 5, proof";

/// Bytes of a mac.
pub const MAC_BYTES: usize = 32;

/// What Queen and Drone must have alike for a proof to hold.
#[derive(Clone, Copy)]
pub struct Keys {
    /// The secret, 32 random bytes.
    pub secret: [u8; 32],
    /// SHA-256 of the certificate that the Queen showed on this connection, in DER.
    pub leaf: [u8; 32],
}

/// Every byte of both directions in the order of the handshake: the Drone's preface, the Queen's, and all frames with
/// their lengths.
#[derive(Clone)]
pub struct Transcript {
    all: Sha256,
    /// All but the last [`MAC_BYTES`] bytes of the last frame, which are its mac if it has one.
    unproven: Sha256,
}

impl Transcript {
    /// Begins with the prefaces.
    pub fn new(drone: Preface, queen: Preface) -> Self {
        let all = Sha256::new().chain_update(drone.encode()).chain_update(queen.encode());
        Self { unproven: all.clone(), all }
    }

    /// Goes on with the frame that has this body.
    pub fn add(&mut self, body: &[u8]) {
        let (message, mac) = body.split_at(body.len().saturating_sub(MAC_BYTES));
        let length: [u8; HEADER] = (body.len() as u32).to_le_bytes();
        self.unproven = self.all.clone().chain_update(length).chain_update(message);
        self.all = self.unproven.clone().chain_update(mac);
    }

    /// Puts the mac of `by` at the end of a body, whose last [`MAC_BYTES`] bytes are room for it, and goes on with that.
    pub fn sign(&mut self, body: &mut [u8], by: Role, keys: &Keys) {
        self.add(body);
        let mac = self.mac(by, keys);
        self.all = self.unproven.clone().chain_update(mac);
        if let Some(room) = body.last_chunk_mut() {
            *room = mac;
        }
    }

    /// Whether the last frame ends with the mac of `by`. Takes the same time wherever the two differ.
    pub fn proves(&self, mac: &[u8; MAC_BYTES], by: Role, keys: &Keys) -> bool {
        self.mac(by, keys).ct_eq(mac).into()
    }

    /// HMAC-SHA-256 (RFC 2104) under the secret of label, role, SHA-256 of the transcript, and the certificate's.
    fn mac(&self, by: Role, keys: &Keys) -> [u8; MAC_BYTES] {
        // A key of 32 bytes is shorter than a block, and stands for itself.
        let mut key = [0; 64];
        key[..keys.secret.len()].copy_from_slice(&keys.secret);
        let mac = Hmac::<Sha256>::new(&key.into()).chain_update(LABEL).chain_update([by.number()]);
        mac.chain_update(self.unproven.clone().finalize()).chain_update(keys.leaf).finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { secret: [1; 32], leaf: [2; 32] };

    /// A Drone's hello, a challenge, a proof with its mac.
    fn said(hello: &[u8], challenge: &[u8]) -> (Transcript, Vec<u8>) {
        let mut transcript = Transcript::new(Preface::ours(Role::Drone), Preface::ours(Role::Queen));
        transcript.add(hello);
        transcript.add(challenge);
        let mut proof = [&b"proof"[..], &[0; MAC_BYTES]].concat();
        transcript.sign(&mut proof, Role::Drone, &KEYS);
        (transcript, proof)
    }

    #[test]
    fn a_mac_holds_for_one_conversation_one_side_one_secret_and_one_certificate() {
        let (transcript, proof) = said(b"hello", b"challenge");
        let mac = *proof.last_chunk().unwrap();
        assert!(transcript.proves(&mac, Role::Drone, &KEYS));
        assert!(!transcript.proves(&mac, Role::Queen, &KEYS), "it is nothing to send back");
        assert!(!transcript.proves(&mac, Role::Drone, &Keys { secret: [3; 32], ..KEYS }));
        assert!(!transcript.proves(&mac, Role::Drone, &Keys { leaf: [3; 32], ..KEYS }));
        for (hello, challenge) in [("hello", "another"), ("another", "challenge"), ("helloc", "hallenge")] {
            let (other, _) = said(hello.as_bytes(), challenge.as_bytes());
            assert!(!other.proves(&mac, Role::Drone, &KEYS), "{hello} {challenge}");
        }
        for bit in 0..8 * MAC_BYTES {
            let mut wrong = mac;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!transcript.proves(&wrong, Role::Drone, &KEYS));
        }
    }

    #[test]
    fn what_comes_later_covers_the_macs_before_it() {
        let (mut one, proof) = said(b"hello", b"challenge");
        let mut received = Transcript::new(Preface::ours(Role::Drone), Preface::ours(Role::Queen));
        for body in [&b"hello"[..], b"challenge", &proof] {
            received.add(body);
        }
        assert!(received.proves(proof.last_chunk().unwrap(), Role::Drone, &KEYS));
        let mut welcome = [&b"welcome"[..], &[0; MAC_BYTES]].concat();
        received.sign(&mut welcome, Role::Queen, &KEYS);
        one.add(&welcome);
        assert!(one.proves(welcome.last_chunk().unwrap(), Role::Queen, &KEYS));
        let (mut other, _) = said(b"hello", b"challenge");
        other.add(b"something more");
        other.add(&welcome);
        assert!(!other.proves(welcome.last_chunk().unwrap(), Role::Queen, &KEYS));
    }

    #[test]
    fn the_label_names_the_version() {
        let label = str::from_utf8(LABEL).unwrap();
        assert!(label.contains(&format!("version {},", crate::preface::VERSION)));
    }
}
