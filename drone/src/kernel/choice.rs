//! Which instructions compute.

use std::fmt;
use std::str::FromStr;

use super::lanes::{Digest, Feed, Lane, Slots};
use super::portable;
use super::sha256::{Chain, Midstate};
#[cfg(target_arch = "x86_64")]
use super::x86;

/// A way to compute SHA-256 that this CPU has; there is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    ShaNi,
    Portable,
}

/// Why there is no such [`Kernel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// The name is none.
    #[error("there is auto, avx512, sha-ni and portable")]
    Unknown,
    /// This CPU cannot do that.
    #[error("this CPU lacks {lacks}; auto takes the fastest kernel that it has")]
    Unsupported {
        /// The instructions.
        lacks: &'static str,
    },
}

impl Kernel {
    /// One string after the other through the crate `sha2`, on any CPU.
    pub const PORTABLE: Self = Self(Set::Portable);

    /// All names of kernels, the fastest first.
    const NAMES: [&str; 3] = ["avx512", "sha-ni", "portable"];

    /// The fastest that this CPU has.
    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self::PORTABLE)
    }

    /// All that this CPU has, the fastest first, the portable one last.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.into_iter().filter_map(|name| name.parse().ok())
    }

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Set::ShaNi => "sha-ni",
            Set::Portable => "portable",
        }
    }

    /// Messages that it likes to have under way at once.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 | Set::ShaNi => x86::LANES,
            Set::Portable => 1,
        }
    }
}

/// What a kernel does.
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the CPU was asked when the kernel was made"))]
impl Kernel {
    /// Takes up to about `rounds` blocks into each lane. A lane whose message ends writes the
    /// digest into its slot and goes on with the next of the feed; the first one that finds
    /// none is over, and this returns. Returns how many blocks it took in all.
    pub(super) fn absorb(
        self,
        start: &Midstate,
        lanes: &mut [Lane],
        feed: &mut Feed<'_>,
        slots: &mut Slots<'_>,
        rounds: usize,
    ) -> u64 {
        match self.0 {
            // SAFETY: there is such a kernel only where the CPU has its instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { x86::avx512::absorb(start, lanes, feed, slots, rounds) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Set::ShaNi => unsafe { x86::sha_ni::absorb(start, lanes, feed, slots, rounds) },
            Set::Portable => portable::absorb(start, lanes, feed, slots, rounds),
        }
    }

    /// Replaces each digest by its own hash behind `start`: a compression each.
    pub(super) fn rehash(self, start: &Midstate, digests: &mut [Digest]) {
        match self.0 {
            // SAFETY: there is such a kernel only where the CPU has its instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { x86::avx512::rehash(start, digests) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Set::ShaNi => unsafe { x86::sha_ni::rehash(start, digests) },
            Set::Portable => portable::rehash(start, digests),
        }
    }

    /// Iterates each chain `times` times: two compressions each.
    pub(super) fn iterate(self, chains: &mut [Chain], times: u32) {
        match self.0 {
            // SAFETY: there is such a kernel only where the CPU has its instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { x86::avx512::iterate(chains, times) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Set::ShaNi => unsafe { x86::sha_ni::iterate(chains, times) },
            Set::Portable => portable::iterate(chains, times),
        }
    }
}

impl FromStr for Kernel {
    type Err = KernelError;

    /// Asks this CPU; `auto` is [`best`](Self::best).
    fn from_str(name: &str) -> Result<Self, KernelError> {
        match name {
            "auto" => Ok(Self::best()),
            #[cfg(target_arch = "x86_64")]
            "avx512" => match x86::avx512::is_supported() {
                true => Ok(Self(Set::Avx512)),
                false => Err(KernelError::Unsupported { lacks: x86::avx512::FEATURES }),
            },
            #[cfg(target_arch = "x86_64")]
            "sha-ni" => match x86::sha_ni::is_supported() {
                true => Ok(Self(Set::ShaNi)),
                false => Err(KernelError::Unsupported { lacks: x86::sha_ni::FEATURES }),
            },
            #[cfg(not(target_arch = "x86_64"))]
            "avx512" | "sha-ni" => Err(KernelError::Unsupported { lacks: "the instructions of x86-64" }),
            "portable" => Ok(Self::PORTABLE),
            _ => Err(KernelError::Unknown),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
