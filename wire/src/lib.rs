//! What Queen and Drone say to each other.
//!
//! `docs/PROTOCOL.md` describes every byte. The order of the modules is the order of
//! meaning: [`ids`] name things, [`blob`] carries bulk bytes, [`space`] and [`sieve`] say what is searched and
//! found, [`work`] what is to be computed and [`search`] keeps a part of that, [`material`] what many pieces of it
//! have in common, [`preface`], [`handshake`] and [`message`] are all that can be said, [`frame`] turns that into bytes and back without doing any IO, and
//! [`codec`] is its tokio adapter. [`join`] is what a Drone is given beforehand, [`proof`] what the two prove
//! with it, and [`greeting`] the connection on which they do.
#![forbid(unsafe_code)]

pub mod blob;
pub mod codec;
pub mod frame;
pub mod greeting;
pub mod handshake;
pub mod ids;
pub mod join;
mod list;
pub mod material;
pub mod message;
pub mod preface;
pub mod proof;
pub mod search;
pub mod sieve;
pub mod space;
pub mod text;
pub mod work;

pub use list::List;
