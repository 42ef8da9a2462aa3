//! Candidates as what a row of wheels shows, the first of which turns fastest.

/// A byte of a candidate that changes.
#[derive(Debug, Clone)]
pub(super) struct Wheel {
    /// Which byte it is.
    pub(super) at: usize,
    /// What it may be, in order; at least two.
    pub(super) bytes: Vec<u8>,
}

/// What the wheels show, from the first on, when they have been turned `turns` times.
pub(super) fn shown(wheels: &[Wheel], turns: u64) -> impl Iterator<Item = (&Wheel, usize)> {
    let mut rest = turns;
    wheels.iter().map(move |wheel| {
        let radix = wheel.bytes.len() as u64;
        let digit = (rest % radix) as usize;
        rest /= radix;
        (wheel, digit)
    })
}
