//! Resumable computations: one [`Job`] per lease, advanced in short steps.
//!
//! A job knows its inputs, how far it is and what it has found out but not yet given away.
//! It never blocks and never looks at a clock: whoever steps it decides when to stop, so
//! that cancellation and more urgent work wait for one step at most, in the middle of a
//! long input or of PBKDF2's iterations too.

mod choice;
mod chunk;
mod digest;
mod dispatch;
mod filter;
mod hashing;
mod job;
mod kernels;
mod lanes;
mod measure;
mod output;
mod portable;
mod probe;
mod results;
mod run;
mod sample;
mod search;
mod selftest;
mod sha256;
mod table;
#[cfg(test)]
mod tests;
#[cfg(all(target_arch = "x86_64", not(hive_portable)))]
mod x86;

pub use self::choice::{Choice, Unfit};
pub(crate) use self::chunk::job;
pub use self::dispatch::{Kernel, KernelError};
pub use self::job::Job;
pub use self::kernels::Kernels;
pub use self::output::Output;
pub use self::sample::Sample;
