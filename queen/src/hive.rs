//! The shared in-memory state: everything that HTTP handlers and Drone connections share.
//!
//! Parts know one thing each (`tasks`, `fleet`, `claims`, …); `state` holds them and the core together, `shared`
//! has the lock around it, and the other files are use cases over that. ARCHITECTURE.md has a line for each.
//!
//! One lock holds the core and what the core does not know of tasks and Drones: names, bytes,
//! times of day, who waits. It is held for moments only, never over an `.await`, and nothing
//! is hashed, copied in bulk, written or logged under it. Effects are carried out under the
//! same lock as the event that caused them, so that every queue sees them in the core's order;
//! lines for the console are collected and told after it.
//!
//! What has to be stored leaves through the [journal](crate::store::Journal). The store is on disk, or in memory
//! where nothing outlives the Queen; nothing else differs.

mod access;
mod activity;
mod admission;
mod amend;
mod arrival;
mod audit;
mod batch;
mod cache;
mod claims;
mod commits;
mod control;
mod coverage;
mod detach;
mod drone_list;
mod drone_record;
mod drones;
mod effects;
mod estimate;
mod evidence;
mod explain;
mod failures;
mod feed;
mod findings;
mod fleet;
mod history;
mod index;
mod keys;
mod link;
mod list;
mod log;
mod lookup;
mod making;
mod memory;
mod not_found;
mod on_disk;
mod original;
mod outgoing;
mod outputs;
mod overview;
mod pace;
mod record;
mod record_views;
mod recorder;
mod recovery;
mod refusal;
mod registry;
mod request;
mod results;
mod retention;
mod revoking;
mod rework;
mod run_state;
mod search;
mod search_state;
mod seat;
mod secrets;
mod settings;
mod shared;
mod show;
#[cfg(test)]
mod simulation;
mod state;
mod story;
mod stream;
mod submit;
mod tasks;
mod trail;
mod twice;
mod verify;
mod views;
mod waiters;

pub use link::Breach;
pub use memory::Memory;
pub use recovery::{PersistError, StoreDriver};
pub use seat::{Departure, Joined, Link, Newcomer, Outbound};
pub use settings::{MAX_DRONES, MAX_QUEUED, Settings};
pub use shared::SharedHive;
