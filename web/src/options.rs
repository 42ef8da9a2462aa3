//! What a request says of a task besides its inputs.

mod digest;
mod given;
mod task;

pub use self::given::{NAMES, SECRET_HEADER_MAX};
pub(crate) use self::given::{Options, SECRET_HEADERS, whole};
pub(crate) use self::task::{NAME_MAX, amendment, renewed_deadline};
