//! A Drone's place in the Hive: what it says of itself, its connection, and what is sent to it.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use web::model::Kernels;
use wire::ids::{DroneId, Instance, LeaseId};
use wire::message::Adoption;

use crate::core::{Ability, Grant};
use crate::work::Job;

/// A Drone that said hello.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// As it calls itself.
    pub name: String,
    /// Its process.
    pub instance: Instance,
    /// Where it connects from.
    pub address: String,
    /// Program and version.
    pub software: String,
    /// What it can do.
    pub ability: Ability,
    /// What computes each class of work.
    pub kernels: Kernels,
    /// The number of the secret that it proved to know; `None` where it needed none.
    pub secret: Option<u64>,
}

/// One connection of one Drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The Drone.
    pub drone: DroneId,
    pub(super) number: u64,
}

/// A Drone's place in the Hive, as its connection holds it.
pub struct Joined {
    /// The connection, as all calls about it name it.
    pub link: Link,
    /// What is to be sent to it.
    pub outbox: mpsc::Receiver<Outbound>,
    /// How many outputs of the connection are stored.
    pub stored: watch::Receiver<u64>,
    /// The connection is to be closed.
    pub closed: CancellationToken,
    /// How much material the Drone keeps, in bytes.
    pub keeps: u64,
}

/// Something to be sent to a Drone.
#[derive(Debug)]
pub enum Outbound {
    /// A lease, and what it is about.
    Lease(Grant, Job),
    /// A lease ends at `end` now.
    Shrink {
        /// Which lease.
        lease: LeaseId,
        /// Its new end.
        end: u64,
    },
    /// The answer to what it offered.
    Adopted(Vec<Option<Adoption>>),
    /// The Drone is to leave for good.
    Drain,
    /// The last message.
    Goodbye(&'static str),
}

/// How a Drone's connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It had said that it would leave, or the Queen stops.
    Left,
    /// It left as well, since a user wanted it to.
    Drained,
    /// It broke.
    Lost,
    /// The Drone's secret was revoked.
    Revoked,
    /// A user ended it.
    Disconnected,
}
