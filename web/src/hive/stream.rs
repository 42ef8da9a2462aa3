//! Which Drones a page of the task stream tells of.

use crate::model::{DroneState, Window};

/// A page of the task stream, as it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamQuery {
    /// How far back.
    pub window: Window,
    /// Only Drones in this state.
    pub state: Option<DroneState>,
    /// Only Drones that are [called so](is_called), in small letters.
    pub name: Option<String>,
    /// Which page, from 1.
    pub page: u64,
}

/// Whether the name or the address of a Drone begins as is `wanted`, in small letters, whatever the case of its own.
pub fn is_called(wanted: &str, name: &str, address: &str) -> bool {
    let begins_so = |text: &str| {
        let mut letters = text.chars().flat_map(char::to_lowercase);
        wanted.chars().all(|letter| letters.next() == Some(letter))
    };
    begins_so(name) || begins_so(address)
}
