//! The kernels that there are, and which of them this CPU can run.
#![allow(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use super::lanes::{Digest, Feed, Lane, Slots};
use super::portable;
use super::run::{PADDING_WORDS, Run};
use super::sha256::{Chain, Midstate};
use super::table::Table;
#[cfg(all(target_arch = "x86_64", not(hive_portable)))]
use super::x86;

/// All kernels, the one to prefer among equally fast ones first; the last one runs on any CPU.
static TABLES: &[&Table] = &[
    #[cfg(all(target_arch = "x86_64", not(hive_portable)))]
    &x86::avx512::TABLE,
    #[cfg(all(target_arch = "x86_64", not(hive_portable)))]
    &x86::sha_ni::TABLE,
    #[cfg(all(target_arch = "x86_64", not(hive_portable)))]
    &x86::avx2::TABLE,
    &portable::TABLE,
];

/// A way to compute SHA-256 that this CPU has; there is none of another.
#[derive(Clone, Copy)]
pub struct Kernel(pub(super) &'static Table);

/// Why there is no such [`Kernel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// There is no kernel of this name.
    #[error("there is no such kernel here, but auto, {}", TABLES.iter().map(|table| table.name).collect::<Vec<_>>().join(", "))]
    Unknown,
    /// This CPU lacks the kernel's instructions.
    #[error("it needs {needs}, and this CPU does not have all of these; auto takes the fastest that it has")]
    Unsupported {
        /// The instructions, for people.
        needs: &'static str,
    },
}

impl Kernel {
    /// One string after the other through the crate `sha2`, on any CPU.
    pub const PORTABLE: Self = Self(&portable::TABLE);

    /// All that this CPU has, the one to prefer among equally fast ones first,
    /// [`PORTABLE`](Self::PORTABLE) last.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLES.iter().filter(|table| (table.is_supported)()).map(|table| Self(table))
    }

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Messages that it computes at once.
    pub fn lanes(self) -> usize {
        self.0.lanes
    }

    /// The share of its time that goes into messages, from 0 to 1, if there are `items` of equal length.
    pub(super) fn utilisation(self, items: usize) -> f64 {
        match self.0.computes_idle_lanes {
            true => items as f64 / items.next_multiple_of(self.lanes()) as f64,
            false => 1.0,
        }
    }

    /// How many of `items` expensive ones to compute together, so that all are over soonest.
    pub(super) fn group(self, items: usize) -> usize {
        match self.0.computes_idle_lanes {
            true => items.min(self.lanes()),
            // Groups of about the same size: one item alone takes half as long as all lanes do.
            false => items.div_ceil(items.div_ceil(self.lanes()).max(1)),
        }
    }

    /// Takes up to `rounds` blocks into each of the first [`lanes`](Self::lanes) lanes, perhaps
    /// one more. A lane whose message ends writes the digest into its slot and goes on with the
    /// next of the feed; where there is none the lane is over, and this returns soon. Returns how
    /// many blocks it took in all.
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

    /// Appends, in ascending order, the candidates that may be marks: all that pass the run's probe.
    ///
    /// # Panics
    /// If the columns are too short.
    pub(super) fn search(self, run: &Run<'_>, found: &mut Vec<usize>) {
        let is_long = |len: usize| len >= run.range.end + PADDING_WORDS;
        assert!(run.columns.iter().all(|column| is_long(column.bits.len())), "a column has words for all candidates");
        // SAFETY: the CPU was asked when this kernel was made.
        unsafe { (self.0.search)(run, found) }
    }
}

impl FromStr for Kernel {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        let table = TABLES.iter().find(|table| table.name == name).ok_or(KernelError::Unknown)?;
        let supported = (table.is_supported)().then_some(Self(table));
        supported.ok_or(KernelError::Unsupported { needs: table.needs })
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Kernel {}

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
