//! Numbers as they are served: what is measured or estimated is known to no more than thousandths.

use serde::Serializer;

/// Serialises a number, rounded to thousandths.
pub(super) fn thousandths<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((number * 1e3).round() / 1e3)
}

/// Serialises a number that may not be known, likewise.
pub(super) fn known_thousandths<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => thousandths(number, serializer),
        None => serializer.serialize_none(),
    }
}
