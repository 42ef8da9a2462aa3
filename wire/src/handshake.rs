//! How a connection begins.
//!
//! Each side first sends its [`Preface`], eight fixed bytes that mean the same in every
//! version. Then, in frames of at most [`crate::frame::MAX_HANDSHAKE`] bytes: the Drone's
//! [`Hello`](FromDrone::Hello), where the Queen has secrets her [`Challenge`](FromQueen::Challenge)
//! and the Drone's [`Proof`](FromDrone::Proof), and the Queen's [`Welcome`](FromQueen::Welcome) or,
//! at any point, [`Refused`](FromQueen::Refused).

use bincode::{BorrowDecode, Encode};

use crate::List;
use crate::ids::{DroneId, Epoch, SeatSecret};
use crate::proof::MAC;
use crate::work::{Class, Kind};

/// The first four bytes of every connection: a bee in UTF-8.
pub const MAGIC: [u8; 4] = [0xF0, 0x9F, 0x90, 0x9D];

/// The version of the protocol that this build speaks.
pub const VERSION: u16 = 3;

/// The longest name of a Drone, in bytes.
pub const MAX_NAME: usize = 64;

/// The longest name of a kernel, in bytes.
pub const MAX_KERNEL: usize = 32;

/// Who sends a preface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `0`: it listens.
    Queen,
    /// `1`: it connects.
    Drone,
}

/// Magic, version as `u16`, role as `u8`, and a zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preface {
    /// The protocol version of the sender.
    pub version: u16,
    /// The sender.
    pub role: Role,
}

/// Why eight bytes are not the preface of a Hive connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefaceError {
    /// Somebody else's protocol.
    #[error(
        "this is not a Hive connection: it begins with {:02X} {:02X} {:02X} {:02X} instead of F0 9F 90 9D",
        .0[0], .0[1], .0[2], .0[3]
    )]
    Magic([u8; 4]),
    /// The magic is right, the rest is not.
    #[error("the preface has an unknown role ({0}) or a byte that is not zero")]
    Role(u8),
}

impl Role {
    /// As it stands in a preface.
    pub fn number(self) -> u8 {
        match self {
            Self::Queen => 0,
            Self::Drone => 1,
        }
    }
}

impl Preface {
    /// Bytes of a preface.
    pub const SIZE: usize = 8;

    /// What this build sends as `role`.
    pub fn ours(role: Role) -> Self {
        Self { version: VERSION, role }
    }

    /// The bytes on the wire.
    pub fn encode(self) -> [u8; Self::SIZE] {
        let [m0, m1, m2, m3] = MAGIC;
        let [v0, v1] = self.version.to_le_bytes();
        [m0, m1, m2, m3, v0, v1, self.role.number(), 0]
    }

    /// Reads a preface of any version.
    ///
    /// # Errors
    /// If the sender does not speak this protocol at all.
    pub fn decode(bytes: [u8; Self::SIZE]) -> Result<Self, PrefaceError> {
        let [m0, m1, m2, m3, v0, v1, role, zero] = bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(PrefaceError::Magic([m0, m1, m2, m3]));
        }
        let role = match (role, zero) {
            (0, 0) => Role::Queen,
            (1, 0) => Role::Drone,
            _ => return Err(PrefaceError::Role(role)),
        };
        Ok(Self { version: u16::from_le_bytes([v0, v1]), role })
    }
}

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
        /// Fresh for each connection.
        nonce: [u8; 32],
    },
    /// The answer to the challenge.
    Proof {
        /// The name of the secret; at most [`crate::join::MAX_SECRET_NAME`] bytes.
        secret: &'a str,
        /// Proves that it knows the secret; see [`crate::proof`]. It is the last field, since it covers all before it.
        mac: [u8; MAC],
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
        mac: Option<[u8; MAC]>,
    },
    /// The connection ends here.
    Refused {
        /// What was wrong and what to do, for people.
        reason: &'a str,
    },
}
