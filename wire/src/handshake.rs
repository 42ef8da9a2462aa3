//! The handshake: what the two say behind their [prefaces](crate::preface) before there is work.
//!
//! In frames of at most [`crate::frame::MAX_HANDSHAKE`] bytes: the Drone's
//! [`Hello`](FromDrone::Hello), where the Queen has secrets her [`Challenge`](FromQueen::Challenge)
//! and the Drone's [`Proof`](FromDrone::Proof), and the Queen's [`Welcome`](FromQueen::Welcome) or,
//! at any point, [`Refused`](FromQueen::Refused).

use bincode::{BorrowDecode, Encode};

use crate::ids::{DroneId, Epoch, SeatSecret};
use crate::list::List;
use crate::proof::MAC_BYTES;
use crate::work::{Class, Kind};

/// The longest name of a Drone, in bytes.
pub const MAX_NAME: usize = 64;

/// The longest name of a kernel, in bytes.
pub const MAX_KERNEL: usize = 32;

/// What a Drone says before it is welcome.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub enum FromDrone<'a> {
    /// Who it is and what it can do.
    Hello {
        /// For people; at most [`MAX_NAME`] bytes.
        name: &'a str,
        /// Program and version, for people.
        software: &'a str,
        /// Proves which process this is; the same at each of its connections.
        seat: SeatSecret,
        /// Compute threads.
        threads: u16,
        /// The kinds of work that it can do.
        kinds: List<Kind>,
        /// What one thread does of each class that was measured.
        rates: List<Rate<'a>>,
        /// How much [material](crate::material) it keeps, in bytes; it is leased nothing that needs more.
        material: u64,
        /// Fresh for each connection.
        nonce: [u8; 32],
    },
    /// The answer to the challenge.
    Proof {
        /// The name of the secret; at most [`crate::join::MAX_SECRET_NAME`] bytes.
        secret: &'a str,
        /// Proves that it knows the secret; see [`crate::proof`]. It is the last field, since it covers all before it.
        mac: [u8; MAC_BYTES],
    },
}

/// How fast one compute thread is at one class of work, while all of them compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Rate<'a> {
    /// Which class; one that the Queen does not know is ignored.
    pub class: Class,
    /// SHA-256 compressions per second with all lanes at work.
    pub compressions_per_second: u64,
    /// How many items one thread computes at once at best; at least 1.
    pub lanes: u16,
    /// What computes them, for people: 1 to [`MAX_KERNEL`] bytes of printable ASCII.
    pub kernel: &'a str,
}

/// What a Queen says before she deals out work.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub enum FromQueen<'a> {
    /// Asks for the Drone's proof.
    Challenge {
        /// Fresh for each connection.
        nonce: [u8; 32],
    },
    /// The Drone is part of the Hive; messages follow.
    Welcome {
        /// Its number.
        drone: DroneId,
        /// The Queen's epoch.
        epoch: Epoch,
        /// How often a Drone sends a heartbeat, in milliseconds.
        heartbeat_ms: u32,
        /// After how long a silence either side gives the connection up, in milliseconds.
        silence_ms: u32,
        /// Proves that the Queen knows the secret, if there was a challenge; see [`crate::proof`]. It is the last
        /// field, since it covers all before it.
        mac: Option<[u8; MAC_BYTES]>,
    },
    /// The connection ends here.
    Refused {
        /// What was wrong and what to do, for people.
        reason: &'a str,
    },
}
