//! What a request says of a task besides its inputs.

mod digest;
mod fault;
mod given;
mod lists;
mod names;
mod search;
mod task;

pub use self::given::SECRET_HEADER_MAX;
pub(crate) use self::given::{Options, SECRET_HEADERS, whole};
pub(crate) use self::names::{CHARSETS, LISTS, SPACE, flat_text, names};
pub use self::names::{FLAT, flat};
pub(crate) use self::task::{NAME_MAX, Wanted, amendment, renewed_deadline};
