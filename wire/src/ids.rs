//! A newtype for every id.

use std::fmt;

use bincode::{BorrowDecode, Decode, Encode};
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A task: small and sequential, given when it is created, never reused.
    TaskId
}
number! {
    /// The right of one Drone to compute one chunk; never reused within an [`Epoch`].
    LeaseId
}
number! {
    /// One Drone process, given when it is seen first; never reused.
    DroneId
}
number! {
    /// Grows each time a Queen takes over the state; part of every lease.
    Epoch
}

/// A 128-bit name of one task, one Drone process or one Queen state, so that a small id that was
/// used again can never be mistaken for its namesake. A Drone process is named after its
/// [`SeatSecret`]; the others are random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Instance(pub [u8; 16]);

impl Instance {
    /// A new name from the operating system's randomness.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({self})")
    }
}

/// What a Drone process proves its seat by: 32 random bytes that it keeps in memory alone and says
/// in its hello. It is never stored, shown or logged.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SeatSecret(pub [u8; 32]);

impl SeatSecret {
    /// A new one from the operating system's randomness.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SeatSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeatSecret(…)")
    }
}

// The derive of `Decode` already gives `BorrowDecode`; this keeps that promise checked.
const _: fn() = || {
    fn borrows<'a, T: BorrowDecode<'a, ()>>() {}
    borrows::<Instance>();
};
