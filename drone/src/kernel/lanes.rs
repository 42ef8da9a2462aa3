//! Messages under way: what every kernel is given, and leaves behind at the end of a step.

use wire::blob::Blob;

use super::sha256::{BLOCK, Midstate, State};

/// Bytes of a SHA-256.
pub(super) type Digest = [u8; 32];

/// A message with at most this many bytes left ends with its next block, which also takes the
/// padding: `0x80` and the length in bits.
#[cfg(target_arch = "x86_64")]
pub(super) const LAST: isize = BLOCK as isize - 9;

/// A message that is being hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    /// Which one it is of the job's strings.
    pub(super) string: usize,
    /// Where its next byte is.
    pub(super) at: usize,
    /// Its bytes that no block has taken. Negative when there is only the length left to take.
    pub(super) left: isize,
    /// The length that its padding ends with.
    pub(super) bits: u64,
    pub(super) state: State,
}

impl Lane {
    /// Behind one more block.
    #[inline(always)]
    pub(super) fn advance(&mut self) {
        self.at += BLOCK;
        self.left -= BLOCK as isize;
    }

    /// Behind its last block, where there is no other message.
    pub(super) fn end(&mut self) {
        self.left = isize::MIN;
    }

    /// Whether its digest is in its slot.
    pub(super) fn is_over(&self) -> bool {
        self.left == isize::MIN
    }
}

/// The strings that are still to be begun.
#[derive(Clone, Copy)]
pub(super) struct Feed<'a> {
    blob: Blob<'a>,
    /// Which string is the next, and where it begins.
    pub(super) next: usize,
    pub(super) at: usize,
    pub(super) end: usize,
}

impl<'a> Feed<'a> {
    /// The strings numbered `next..end`, the first of which begins at byte `at`.
    pub(super) fn new(blob: Blob<'a>, next: usize, at: usize, end: usize) -> Self {
        Self { blob, next, at, end }
    }

    /// All strings' bytes.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.blob.bytes()
    }

    /// Begins the next string behind `start`.
    ///
    /// # Panics
    /// If its bytes are not there, which no blob allows.
    #[inline(always)]
    pub(super) fn begin(&mut self, start: &Midstate) -> Option<Lane> {
        let length = if self.next < self.end { self.blob.length_of(self.next)? } else { return None };
        let bits = 8 * (start.bytes + length as u64);
        let lane = Lane { string: self.next, at: self.at, left: length as isize, bits, state: start.state };
        self.next += 1;
        self.at += length;
        assert!(self.at <= self.blob.bytes().len(), "a string ends within its blob");
        Some(lane)
    }
}

/// Where digests go: `digests[0]` is that of the string numbered `first`.
pub(super) struct Slots<'a> {
    pub(super) first: usize,
    pub(super) digests: &'a mut [Digest],
}

impl Slots<'_> {
    #[inline(always)]
    pub(super) fn of(&mut self, lane: &Lane) -> &mut Digest {
        &mut self.digests[lane.string - self.first]
    }
}
