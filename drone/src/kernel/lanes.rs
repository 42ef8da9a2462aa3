//! Messages under way: what every kernel is given, and leaves behind at the end of a step.

use wire::blob::Blob;

use super::sha256::{BLOCK, Midstate, State};

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// A message with at most this many bytes left ends with its next block, which also takes the
/// padding: `0x80` and the length in bits.
#[cfg(all(target_arch = "x86_64", not(hive_portable)))]
pub(super) const LAST: isize = BLOCK as isize - 9;

/// How far one message is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    /// Which one it is of the job's strings.
    pub(super) string: usize,
    /// Where its next byte is.
    pub(super) at: usize,
    /// Its bytes that no block has taken. Negative when there is only the length left to take.
    pub(super) left: isize,
    /// The length in bits that its padding ends with.
    pub(super) bits: u64,
}

impl Message {
    /// What a lane has whose message ended and that got no other.
    pub(super) const OVER: Self = Self { string: 0, at: 0, left: isize::MIN, bits: 0 };

    /// Behind one more block, which was not the last.
    #[inline(always)]
    pub(super) fn advance(&mut self) {
        self.at += BLOCK;
        self.left -= BLOCK as isize;
    }

    /// Whether it is [`OVER`](Self::OVER).
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        self.left == isize::MIN
    }
}

/// A message that is being hashed, and its state behind the blocks that were taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    pub(super) message: Message,
    pub(super) state: State,
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
    pub(super) fn begin(&mut self, start: &Midstate) -> Option<Message> {
        let length = if self.next < self.end { self.blob.length_of(self.next)? } else { return None };
        let bits = 8 * (start.bytes + length as u64);
        let message = Message { string: self.next, at: self.at, left: length as isize, bits };
        self.next += 1;
        self.at += length;
        assert!(self.at <= self.blob.bytes().len(), "a string ends within its blob");
        Some(message)
    }
}

/// Where digests go: `digests[0]` is that of the string numbered `first`.
pub(super) struct Slots<'a> {
    pub(super) first: usize,
    pub(super) digests: &'a mut [Digest],
}

impl Slots<'_> {
    #[inline(always)]
    pub(super) fn of(&mut self, message: &Message) -> &mut Digest {
        &mut self.digests[message.string - self.first]
    }
}
