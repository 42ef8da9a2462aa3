//! What a kernel is: functions that compute with some of the CPU's instructions.

use super::lanes::{Digest, Feed, Lane, Slots};
use super::run::Run;
use super::sha256::{Chain, Midstate};

/// What a kernel is. Its functions may be called only if this CPU has the instructions.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The instructions, for people.
    pub(super) needs: &'static str,
    pub(super) is_supported: fn() -> bool,
    /// See [`Kernel::lanes`](super::dispatch::Kernel::lanes), and so on.
    pub(super) lanes: usize,
    /// Whether a lane without a message takes as much time as one that has one.
    pub(super) computes_idle_lanes: bool,
    pub(super) absorb: unsafe fn(&Midstate, &mut [Lane], &mut Feed<'_>, &mut Slots<'_>, usize) -> u64,
    pub(super) rehash: unsafe fn(&Midstate, &mut [Digest]),
    pub(super) iterate: unsafe fn(&mut [Chain], u32),
    pub(super) search: unsafe fn(&Run<'_>, &mut Vec<usize>),
}
