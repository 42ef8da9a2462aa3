//! What the operator says on the Queen's own machine of who may do what: beside a running Queen over a socket in her
//! data directory, and without one by this process.

mod answer;
mod commands;
mod join_file;
mod request;
mod socket;

pub use self::commands::{init, secret, token};
pub use self::socket::Socket;
