//! What is printed for people.

pub mod details;
mod line;
mod print;
mod table;

pub use self::line::Line;
pub use self::print::print;
pub use self::table::Table;
