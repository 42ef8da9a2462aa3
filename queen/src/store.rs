//! What tasks consist of: inputs as they came, results as they were computed, in memory.
//!
//! Both are kept in pieces that never change once they are there and that are shared instead
//! of copied: an input segment goes to a Drone, and a result piece to a client, as a reference.

mod budget;
mod inputs;
mod outputs;

pub use budget::{Budget, OverBudget, Reservation};
pub use inputs::Inputs;
pub use outputs::Outputs;
pub(crate) use outputs::join;
