//! What the kernels of wide registers need of a set of instructions.

use crate::kernel::lanes::{Digest, Message};

/// A register of `N` lanes. All functions are for callers that enable its features.
pub(in super::super) trait Vector<const N: usize>: Copy {
    /// One word in all lanes.
    unsafe fn splat(word: u32) -> Self;
    /// A word for each lane.
    unsafe fn load(words: &[u32; N]) -> Self;
    unsafe fn store(self, words: &mut [u32; N]);

    unsafe fn add(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn and(self, other: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    /// Σ₀ of FIPS 180-4, section 4.1.2, as all up to `majority`.
    unsafe fn upper_sigma_0(self) -> Self;
    unsafe fn upper_sigma_1(self) -> Self;
    unsafe fn lower_sigma_0(self) -> Self;
    unsafe fn lower_sigma_1(self) -> Self;
    unsafe fn choose(self, yes: Self, no: Self) -> Self;
    unsafe fn majority(self, second: Self, third: Self) -> Self;
    /// `other` in the lanes whose bits are set, `self` in the others.
    unsafe fn replace(self, lanes: u32, other: Self) -> Self;

    /// The lanes with equal words.
    unsafe fn equal(self, other: Self) -> u32;
    /// The lanes whose words are no larger than the others, as numbers without a sign.
    unsafe fn at_most(self, other: Self) -> u32;
    /// The bytes of each word in the opposite order.
    unsafe fn swap_bytes(self) -> Self;
    /// Each word without its lowest bits.
    unsafe fn shift_right(self, bits: u32) -> Self;
    /// For each word the bit whose number modulo 32 it is.
    unsafe fn bit(self) -> Self;
    /// The entries whose numbers the words are.
    ///
    /// # Safety
    /// Besides the features: there are entries of these numbers.
    unsafe fn entries(self, entries: &[u32]) -> Self;

    /// The next block of each message, with `0x80` behind the last byte and zeros behind that,
    /// as big-endian words: the n-th of all messages in the n-th register.
    ///
    /// # Safety
    /// Besides the features: `left` bytes of each message, and if that is more than a block, a
    /// block's, lie within `bytes` at `at`.
    unsafe fn blocks(bytes: &[u8], messages: &[Message; N]) -> [Self; 16];
    /// The words of each digest.
    unsafe fn of_digests(digests: &[Digest; N]) -> [Self; 8];
    unsafe fn into_digests(state: [Self; 8], digests: &mut [Digest; N]);
}
