//! Drones for who looks at pages: they say that they compute now and then, and compute nothing.

use std::future::pending;
use std::net::SocketAddr;

use clap::Args;
use serde_json::{Value, json};

use super::idle;

/// Connects Drones that compute nothing, and say each second that they were busy for another part of it
#[derive(Args)]
pub struct Fleet {
    /// How many
    #[arg(long, default_value_t = 2000)]
    drones: u64,
    /// Where the Queen's port for Drones is
    #[arg(long, default_value = "127.0.0.1:8080")]
    drone_addr: SocketAddr,
}

impl Fleet {
    /// Stays until it is interrupted.
    pub async fn run(&self) -> anyhow::Result<Value> {
        idle::allow_connections(self.drones)?;
        let mut fleet = idle::connect(self.drone_addr, self.drones, idle::Says::AnotherPart).await?;
        eprintln!("{} Drones are connected", self.drones);
        match fleet.join_next().await {
            Some(ended) => ended?.map(|()| json!({})),
            None => pending().await,
        }
    }
}
