//! Which kernel computes what: for each class of work the fastest, as this machine showed at the start.

use std::io;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use wire::handshake::Rate;
use wire::work::Class;

use super::measure::{Seen, measure};
use super::{Kernel, KernelError, selftest};

/// A kernel takes the place of one that is preferred to it only if it is so many times as fast.
const AHEAD: f64 = 1.05;

/// The most lanes that a kernel has.
const LANES_MAX: usize = 16;

/// How long all kernels together are measured.
const MEASURE_ALL: Duration = Duration::from_millis(300);

/// How long one is measured that was asked for.
const MEASURE_ONE: Duration = Duration::from_millis(60);

/// What is to compute.
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
    /// It gets SHA-256 wrong.
    #[error("this machine computes wrongly and must not work: {0}")]
    Wrong(String),
    /// The operating system gives no more threads.
    #[error("cannot start the compute threads: {0}")]
    Threads(#[from] io::Error),
}

/// The kernels of one Drone, each tested.
#[derive(Debug, Clone)]
pub struct Kernels {
    classes: [Chosen; Class::ALL.len()],
}

/// What computes one class.
#[derive(Debug, Clone)]
struct Chosen {
    class: Class,
    /// The kernel for n + 1 items; the last is for more as well.
    by_items: [Kernel; LANES_MAX],
    /// Compressions per second of one thread with the last of them, all lanes at work.
    rate: f64,
}

impl Kernels {
    /// Tests what is to compute, and measures it on `threads` threads of this niceness at once.
    /// Takes 0.1 to 0.3 seconds.
    ///
    /// # Errors
    /// If a kernel computes wrongly, or there are not so many threads.
    pub fn choose(choice: Choice, threads: NonZeroUsize, nice: u8) -> Result<Self, Unfit> {
        let (kernels, time): (Vec<_>, _) = match choice {
            Choice::Measured => (Kernel::all().collect(), MEASURE_ALL),
            Choice::Only(kernel) => (vec![kernel], MEASURE_ONE),
        };
        kernels.iter().try_for_each(|kernel| selftest::check(*kernel)).map_err(Unfit::Wrong)?;
        Ok(Self::fastest(&measure(&kernels, threads, nice, time)?))
    }

    /// The same kernel for everything, neither tested nor measured.
    pub fn only(kernel: Kernel) -> Self {
        Self::fastest(&Class::ALL.map(|class| Seen { class, rates: vec![(kernel, 1.0)] }))
    }

    /// Of what was measured in the order of preference, which is not empty for any class.
    pub(super) fn fastest(seen: &[Seen; Class::ALL.len()]) -> Self {
        Self { classes: seen.each_ref().map(|seen| Chosen::new(seen.class, &seen.rates)) }
    }

    /// What computes a class of work when there is enough of it.
    pub fn of_class(&self, class: Class) -> Kernel {
        self.of(class, LANES_MAX)
    }

    /// What computes so many items of a class soonest.
    pub(super) fn of(&self, class: Class, items: usize) -> Kernel {
        self.chosen(class).by_items[items.clamp(1, LANES_MAX) - 1]
    }

    /// What one thread does of each class, for the Queen.
    pub fn rates(&self) -> Vec<Rate<'static>> {
        let rate = |chosen: &Chosen| {
            let kernel = self.of_class(chosen.class);
            Rate {
                class: chosen.class,
                compressions_per_second: (chosen.rate as u64).max(1),
                lanes: kernel.lanes() as u16,
                kernel: kernel.name(),
            }
        };
        self.classes.iter().map(rate).collect()
    }

    fn chosen(&self, class: Class) -> &Chosen {
        let [first, ..] = &self.classes;
        self.classes.iter().find(|chosen| chosen.class == class).unwrap_or(first)
    }
}

impl Chosen {
    fn new(class: Class, rates: &[(Kernel, f64)]) -> Self {
        let by_items = std::array::from_fn(|index| pick(rates, index + 1).0);
        Self { class, by_items, rate: pick(rates, LANES_MAX).1 }
    }
}

/// The fastest kernel for so many items, and its rate. Kernels that leave nothing idle are taken
/// to be as fast with few items as with many: one or two are slower with them, but not as much
/// as in wide registers that are mostly empty.
fn pick(rates: &[(Kernel, f64)], items: usize) -> (Kernel, f64) {
    let mut best: Option<(Kernel, f64)> = None;
    for (kernel, rate) in rates {
        let rate = rate * kernel.utilisation(items);
        let is_portable = *kernel == Kernel::PORTABLE;
        // What is slower than the portable one is never taken, however little it is.
        let needed = if is_portable { 1.0 } else { AHEAD };
        if best.is_none_or(|(_, best)| rate > needed * best) {
            best = Some((*kernel, rate));
        }
    }
    best.unwrap_or((Kernel::PORTABLE, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::portable;
    use crate::kernel::table::Table;

    static WIDE: Table = Table { name: "wide", lanes: 16, computes_idle_lanes: true, ..portable::TABLE };
    static NARROW: Table = Table { name: "narrow", lanes: 4, ..portable::TABLE };

    /// What is chosen at these rates, in the order of preference, for so many items.
    fn chosen(wide: f64, narrow: f64, portable: f64, items: usize) -> &'static str {
        let rates = vec![(Kernel(&WIDE), wide), (Kernel(&NARROW), narrow), (Kernel::PORTABLE, portable)];
        let seen = Class::ALL.map(|class| Seen { class, rates: rates.clone() });
        Kernels::fastest(&seen).of(Class::SHORT, items).name()
    }

    #[test]
    fn the_fastest_is_taken() {
        assert_eq!(chosen(40.0, 24.0, 14.0, 100), "wide");
        assert_eq!(chosen(24.0, 40.0, 14.0, 100), "narrow");
        assert_eq!(chosen(1.0, 1.0, 2.0, 100), "portable");
    }

    #[test]
    fn only_a_clear_lead_takes_the_place_of_one_that_is_preferred() {
        assert_eq!(chosen(40.0, 41.9, 14.0, 100), "wide");
        assert_eq!(chosen(40.0, 42.1, 14.0, 100), "narrow");
    }

    #[test]
    fn what_is_slower_than_the_portable_one_is_never_taken() {
        assert_eq!(chosen(0.12, 13.9, 14.0, 100), "portable");
        assert_eq!(chosen(0.12, 14.1, 14.0, 100), "narrow");
    }

    #[test]
    fn few_items_are_not_computed_in_lanes_that_are_mostly_empty() {
        let names: Vec<_> = (1..=17).map(|items| chosen(40.0, 24.0, 14.0, items)).collect();
        assert!(names[..9].iter().all(|name| *name == "narrow"), "{names:?}");
        assert!(names[10..].iter().all(|name| *name == "wide"), "{names:?}");
    }

    #[test]
    fn all_that_this_machine_has_is_measured_and_told() {
        let kernels = Kernels::choose(Choice::Measured, NonZeroUsize::MIN, 0).unwrap();
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
            let kernels = Kernels::choose(Choice::Only(kernel), NonZeroUsize::MIN, 0).unwrap();
            let all = Class::ALL.iter().flat_map(|class| (1..=20).map(|items| kernels.of(*class, items)));
            assert!(all.into_iter().all(|other| other == kernel));
        }
    }
}
