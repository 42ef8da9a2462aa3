//! Which instructions compute.
#![allow(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use super::lanes::{Digest, Feed, Lane, Slots};
use super::portable;
use super::sha256::{Chain, Midstate};
#[cfg(target_arch = "x86_64")]
use super::x86;

/// All kernels, the one to prefer first; the last one runs on any CPU. (`avx512` is a hundred times
/// slower on Intel: SHA instructions wait long behind the wide registers that its loads leave dirty.)
static TABLES: &[&Table] = &[
    #[cfg(target_arch = "x86_64")]
    &x86::sha_ni::TABLE,
    #[cfg(target_arch = "x86_64")]
    &x86::avx512::TABLE,
    &portable::TABLE,
];

/// What a kernel is. Its functions may be called only if this CPU has the instructions.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The instructions, for people.
    pub(super) needs: &'static str,
    pub(super) is_supported: fn() -> bool,
    /// See [`Kernel::lanes`], and so on.
    pub(super) lanes: usize,
    pub(super) absorb: unsafe fn(&Midstate, &mut [Lane], &mut Feed<'_>, &mut Slots<'_>, usize) -> u64,
    pub(super) rehash: unsafe fn(&Midstate, &mut [Digest]),
    pub(super) iterate: unsafe fn(&mut [Chain], u32),
}

/// A way to compute SHA-256 that this CPU has; there is none of another.
#[derive(Clone, Copy)]
pub struct Kernel(&'static Table);

/// Why there is no such [`Kernel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// The name is none.
    #[error("there is no such kernel here, but auto, {}", TABLES.iter().map(|table| table.name).collect::<Vec<_>>().join(", "))]
    Unknown,
    /// This CPU cannot do that.
    #[error("it needs {needs}, and this CPU does not have all of these; auto is the fastest kernel that it has")]
    Unsupported {
        /// The instructions.
        needs: &'static str,
    },
}

impl Kernel {
    /// One string after the other through the crate `sha2`, on any CPU.
    pub const PORTABLE: Self = Self(&portable::TABLE);

    /// All that this CPU has, the fastest first, [`PORTABLE`](Self::PORTABLE) last.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLES.iter().filter(|table| (table.is_supported)()).map(|table| Self(table))
    }

    /// The fastest that this CPU has.
    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self::PORTABLE)
    }

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Messages that it likes to have under way at once.
    pub fn lanes(self) -> usize {
        self.0.lanes
    }

    /// Takes up to `rounds` blocks into each lane, perhaps one more. A lane whose message ends
    /// writes the digest into its slot and goes on with the next of the feed; where there is
    /// none the lane is over, and this returns soon. Returns how many blocks it took in all.
    pub(super) fn absorb(
        self,
        start: &Midstate,
        lanes: &mut [Lane],
        feed: &mut Feed<'_>,
        slots: &mut Slots<'_>,
        rounds: usize,
    ) -> u64 {
        // SAFETY: the CPU was asked when this kernel was made.
        unsafe { (self.0.absorb)(start, lanes, feed, slots, rounds) }
    }

    /// Replaces each digest by its own hash behind `start`: a compression each.
    pub(super) fn rehash(self, start: &Midstate, digests: &mut [Digest]) {
        // SAFETY: the CPU was asked when this kernel was made.
        unsafe { (self.0.rehash)(start, digests) }
    }

    /// Iterates each chain `times` times: two compressions each.
    pub(super) fn iterate(self, chains: &mut [Chain], times: u32) {
        // SAFETY: the CPU was asked when this kernel was made.
        unsafe { (self.0.iterate)(chains, times) }
    }
}

impl FromStr for Kernel {
    type Err = KernelError;

    /// `auto` is [`best`](Self::best).
    fn from_str(name: &str) -> Result<Self, KernelError> {
        if name == "auto" {
            return Ok(Self::best());
        }
        let table = TABLES.iter().find(|table| table.name == name).ok_or(KernelError::Unknown)?;
        let supported = (table.is_supported)().then_some(Self(table));
        supported.ok_or(KernelError::Unsupported { needs: table.needs })
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({self})")
    }
}
