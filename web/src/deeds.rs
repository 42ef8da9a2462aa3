//! What users do to what is there, from the page or by REST: the operator is told of each, and who it was.

mod administration;
mod control;

pub(crate) use self::administration::Administration;
pub(crate) use self::control::Control;
