//! Which kernel computes what: for each class of work the fastest, as this machine showed at the start.

use wire::handshake::Rate;
use wire::work::Class;

use super::dispatch::Kernel;

/// A kernel takes the place of one that is preferred to it only if it is so many times as fast.
const MIN_SPEEDUP: f64 = 1.05;

/// The most lanes that a kernel has.
const MAX_LANES: usize = 16;

/// How fast each kernel was measured to be at one class.
#[derive(Debug, Clone)]
pub(super) struct ClassRates {
    pub(super) class: Class,
    /// Of each kernel, in the order of preference: compressions per second of one thread.
    pub(super) rates: Vec<(Kernel, f64)>,
}

/// The kernels of one Drone, each tested.
#[derive(Debug, Clone)]
pub struct Kernels {
    classes: [Chosen; Class::ALL.len()],
}

/// The kernels that compute one class.
#[derive(Debug, Clone)]
struct Chosen {
    class: Class,
    /// The kernel for n + 1 items; the last is for more as well.
    by_items: [Kernel; MAX_LANES],
    /// Compressions per second of one thread with the last of them, all lanes at work.
    rate: f64,
}

impl Kernels {
    /// The same kernel for everything, neither tested nor measured.
    pub fn only(kernel: Kernel) -> Self {
        Self::fastest(&Class::ALL.map(|class| ClassRates { class, rates: vec![(kernel, 1.0)] }))
    }

    /// Of what was measured in the order of preference, which is not empty for any class.
    pub(super) fn fastest(measured: &[ClassRates; Class::ALL.len()]) -> Self {
        Self { classes: measured.each_ref().map(|rates| Chosen::new(rates.class, &rates.rates)) }
    }

    /// What computes a class of work when there is enough of it.
    pub fn of_class(&self, class: Class) -> Kernel {
        self.of(class, MAX_LANES)
    }

    /// What computes so many items of a class soonest.
    pub(super) fn of(&self, class: Class, items: usize) -> Kernel {
        self.chosen(class).by_items[items.clamp(1, MAX_LANES) - 1]
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
        Self { class, by_items, rate: pick(rates, MAX_LANES).1 }
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
        let needed = if is_portable { 1.0 } else { MIN_SPEEDUP };
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
        let measured = Class::ALL.map(|class| ClassRates { class, rates: rates.clone() });
        Kernels::fastest(&measured).of(Class::SHORT, items).name()
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
}
