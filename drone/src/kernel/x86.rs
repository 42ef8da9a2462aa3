//! Kernels of x86-64: its SHA instructions, and the same rounds in each lane of wide registers.

pub(super) mod avx2;
pub(super) mod avx512;
pub(super) mod sha_ni;
mod wide;
