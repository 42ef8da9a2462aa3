//! What leases take along: inputs, which may have to be read from the disk, and material.

use std::time::Duration;

use tokio::time::sleep;
use wire::blob::SharedBlob;

use crate::core::Grant;
use crate::hive::{Link, Outbound, SharedHive};
use crate::kinds::search;
use crate::store::StoreError;
use crate::work::{Job, Material};

/// How long to wait before inputs are read again that could not be read, although they are there.
const READ_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A message, and what it takes along if it is a lease.
pub(super) enum Loaded {
    Lease(Grant, Job, LeasePayload),
    Other(Outbound),
}

/// What a lease takes along.
pub(super) struct LeasePayload {
    /// The inputs; of a search what is to be known of it.
    pub(super) inputs: SharedBlob,
    pub(super) material: Option<Material>,
}

/// Gets what these take along. A lease for which it cannot be had is left out: a task whose inputs are
/// damaged is over, any other is tried again a little later.
pub(super) async fn load(messages: Vec<Outbound>, link: Link, hive: SharedHive) -> Vec<Loaded> {
    let mut loaded = Vec::with_capacity(messages.len());
    for message in messages {
        let Outbound::Lease(grant, job) = message else {
            loaded.push(Loaded::Other(message));
            continue;
        };
        match payload(&grant, &job, &hive).await {
            Ok(payload) => loaded.push(Loaded::Lease(grant, job, payload)),
            Err(error) => {
                tracing::error!(task = %grant.task, %error, "inputs cannot be read");
                if error.is_damage() {
                    hive.unreadable(link, grant.lease, error.to_string()).await;
                } else {
                    let (hive, lease) = (hive.clone(), grant.lease);
                    // What else there is for this Drone does not wait.
                    tokio::spawn(async move {
                        sleep(READ_RETRY_INTERVAL).await;
                        hive.hand_back(link, vec![lease]);
                    });
                }
            }
        }
    }
    loaded
}

async fn payload(grant: &Grant, job: &Job, hive: &SharedHive) -> Result<LeasePayload, StoreError> {
    if job.inputs.are_implied() {
        let inputs = hive.prepared(job).await?;
        let material = search::material(&inputs);
        return Ok(LeasePayload { inputs, material });
    }
    let material = hive.long_secret(job).await?;
    Ok(LeasePayload { inputs: hive.inputs(&job.inputs, &grant.range).await?, material })
}
