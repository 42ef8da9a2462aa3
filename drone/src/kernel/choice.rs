//! What the operator wants to compute with, and the kernels that follow from it on this machine.

use std::io;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use super::dispatch::{Kernel, KernelError};
use super::kernels::Kernels;
use super::measure::measure;
use super::selftest;

/// How long all kernels together are measured.
const MEASURE_ALL: Duration = Duration::from_millis(300);

/// How long a kernel is measured that was asked for by name.
const MEASURE_ONE: Duration = Duration::from_millis(60);

/// Which kernels are to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// `auto`: for each class of work the kernel that was measured to be the fastest.
    Measured,
    /// This one, whatever the work is.
    Only(Kernel),
}

impl FromStr for Choice {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        match name {
            "auto" => Ok(Self::Measured),
            _ => name.parse().map(Self::Only),
        }
    }
}

/// Why a machine cannot compute.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// A kernel computed a wrong digest.
    #[error("this machine computes wrongly and must not work: {0}")]
    Wrong(String),
    /// The operating system gives no more threads.
    #[error("cannot start the compute threads: {0}")]
    Threads(#[from] io::Error),
}

impl Choice {
    /// The kernels that are to compute: tests them, and measures them on `threads` threads of this niceness at once.
    /// Takes 0.1 to 0.3 seconds.
    ///
    /// # Errors
    /// If a kernel computes wrongly, or there are not so many threads.
    pub fn kernels(self, threads: NonZeroUsize, nice: u8) -> Result<Kernels, Unfit> {
        let (kernels, time): (Vec<_>, _) = match self {
            Self::Measured => (Kernel::all().collect(), MEASURE_ALL),
            Self::Only(kernel) => (vec![kernel], MEASURE_ONE),
        };
        kernels.iter().try_for_each(|kernel| selftest::check(*kernel)).map_err(Unfit::Wrong)?;
        Ok(Kernels::fastest(&measure(&kernels, threads, nice, time)?))
    }
}

#[cfg(test)]
mod tests {
    use wire::work::Class;

    use super::*;

    #[test]
    fn all_that_this_machine_has_is_measured_and_told() {
        let kernels = Choice::Measured.kernels(NonZeroUsize::MIN, 0).unwrap();
        let rates = kernels.rates();
        assert_eq!(rates.iter().map(|rate| rate.class).collect::<Vec<_>>(), Class::ALL);
        for rate in rates {
            assert_eq!(rate.kernel, kernels.of_class(rate.class).name());
            assert_eq!(usize::from(rate.lanes), kernels.of_class(rate.class).lanes());
            assert!(rate.compressions_per_second > 1);
        }
    }

    #[test]
    fn one_that_was_asked_for_computes_everything() {
        for kernel in Kernel::all() {
            let kernels = Choice::Only(kernel).kernels(NonZeroUsize::MIN, 0).unwrap();
            let all = Class::ALL.iter().flat_map(|class| (1..=20).map(|items| kernels.of(*class, items)));
            assert!(all.into_iter().all(|other| other == kernel));
        }
    }
}
