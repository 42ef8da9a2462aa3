//! Who holds the places of a port, and who gives one up when all are taken and somebody comes. [`Places`] is pure;
//! [`Port`] is what connections share of it.

mod holders;
mod origin;
mod port;

pub use self::holders::{Activity, Entered, PlaceId, Places};
pub use self::origin::Origin;
pub use self::port::{Place, Port, SPARE_MAX};
