//! How a Queen can break the protocol.

use wire::material::MaterialId;

use super::limits::{MAX_HELD_BYTES, MAX_LEASES, MAX_MATERIAL_BYTES};

/// How the Queen broke the protocol.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Violation {
    /// More leases at once than [`MAX_LEASES`].
    #[error("she leased more than {MAX_LEASES} chunks at once")]
    TooManyLeases,
    /// More bytes of frames at once than [`MAX_HELD_BYTES`].
    #[error("she leased more than {} MiB of work at once", MAX_HELD_BYTES >> 20)]
    TooManyBytes,
    /// Two leases of one connection have the same number.
    #[error("she leased {0} twice")]
    Twice(u64),
    /// A lease's range does not fit its inputs.
    #[error("lease {lease} is for the indices {from} to {to}, but brings {items} items")]
    Range {
        /// Its number.
        lease: u64,
        /// Its first index.
        from: u64,
        /// Behind its last index.
        to: u64,
        /// Inputs that it has.
        items: u64,
    },
    /// Work, or material, came before the answer to the offer.
    #[error("she sent work before she answered what this Drone offered")]
    Early,
    /// An answer came, but no offer waits for one.
    #[error("she answered an offer that nobody made")]
    Unasked,
    /// An offer was answered with more or fewer leases than it had.
    #[error("she answered {answers} leases of {offered} that this Drone offered")]
    Answers {
        /// Leases answered.
        answers: usize,
        /// Leases offered.
        offered: usize,
    },
    /// An adopted range is empty or not within the offered one.
    #[error("she adopted the indices {from} to {to} as lease {lease}, which were not offered like this")]
    Adoption {
        /// The number that she gave.
        lease: u64,
        /// First index.
        from: u64,
        /// Behind the last index.
        to: u64,
    },
    /// More material at once than [`MAX_MATERIAL_BYTES`], or in more parts than an offer may list.
    #[error("she sent more material than the {} MiB that this Drone keeps", MAX_MATERIAL_BYTES >> 20)]
    TooMuchMaterial,
    /// A piece of material that is not the next one: it begins elsewhere, reaches beyond the end, has no bytes or too
    /// many, or belongs to another one while one is coming, or to one that is there.
    #[error(
        "she sent a piece of material {id} from byte {offset} on, which is not the piece that comes next, at byte {next}"
    )]
    Piece {
        /// Which material.
        id: MaterialId,
        /// Where the piece begins.
        offset: u64,
        /// Where the next one would begin.
        next: u64,
    },
    /// The bytes of material are not those of its name.
    #[error("she sent material {0}, which has another SHA-256")]
    Digest(MaterialId),
    /// A lease, or [`Forget`](wire::message::ToDrone::Forget), names material that is not there.
    #[error("she named material {0}, which this Drone does not have")]
    Unknown(MaterialId),
    /// More is stored than was sent.
    #[error("she stored {stored} outputs, but this Drone sent {sent}")]
    Receipt {
        /// Outputs that she says are stored.
        stored: u64,
        /// Outputs sent.
        sent: u64,
    },
}
