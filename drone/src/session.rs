//! What a Drone holds, and what follows from what it hears. Pure: no socket, no thread, no clock.
//!
//! A [`Session`] lives as long as the Drone; connections come and go ([`Session::connected`],
//! [`Session::disconnected`]). Messages of the Queen and reports of the pool go in, [`Effect`]s
//! come out, and what is to be said is fetched with [`Session::next_message`] whenever the
//! connection takes more.
//!
//! A lease is computed from its acceptance until it ends in exactly one way (see [`End`]). Its
//! results are kept until the Queen says that they are stored, over any number of connections.
//! Within the Drone it is called by its [ticket](crate::pool::Ticket), which stays when a Queen renames it.
//!
//! A message that breaks the protocol changes nothing: the connection is closed, and what was
//! held before stays held and is offered on the next one.

mod effect;
mod frames;
mod held;
mod limits;
mod link;
mod material;
mod outbox;
mod part;
mod pool;
mod queen;
mod state;
#[cfg(test)]
mod tests;
mod violation;

pub use self::effect::{Effect, End, Note};
pub use self::limits::{MAX_HELD_BYTES, MAX_KEPT_BYTES, MAX_LEASES, MAX_MATERIAL_BYTES};
pub use self::outbox::{Message, Statement};
pub use self::part::{Key, Part};
pub use self::state::Session;
pub use self::violation::Violation;
