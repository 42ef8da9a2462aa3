//! The first eight bytes that each side of a connection sends. They mean the same in every version.

/// The first four bytes of every connection: a bee in UTF-8.
pub const MAGIC: [u8; 4] = [0xF0, 0x9F, 0x90, 0x9D];

/// The version of the protocol that this build speaks.
pub const VERSION: u16 = 5;

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
    /// It is of another protocol.
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
