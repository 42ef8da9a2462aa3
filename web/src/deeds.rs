//! What users do to tasks and Drones that are there, from the page or by REST: the operator is told
//! of each, and who it was.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use wire::ids::{DroneId, TaskId};

use crate::App;
use crate::access::Caller;
use crate::hive::{Action, Amendment, By, Deed, HiveError};
use crate::model::{DroneView, TaskView};

/// The address that a request came from; `None` where it came over no network.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peer(pub(crate) Option<SocketAddr>);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Peer(address) = parts.extensions.get().copied().unwrap_or_default();
        let holder = parts.extensions.get::<Caller>().and_then(Caller::holder);
        Ok(Self { name: holder.map(|holder| Arc::clone(&holder.name)), address })
    }
}

impl App {
    pub(crate) async fn pause(&self, by: By, id: TaskId) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Pause, self.hive.pause(id).await?))
    }

    pub(crate) async fn resume(&self, by: By, id: TaskId) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Resume, self.hive.resume(id).await?))
    }

    pub(crate) async fn cancel(&self, by: By, id: TaskId) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Cancel, self.hive.cancel(id).await?))
    }

    pub(crate) async fn retry(
        &self,
        by: By,
        id: TaskId,
        deadline_seconds: Option<Option<u32>>,
    ) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Retry, self.hive.retry(id, deadline_seconds).await?))
    }

    pub(crate) async fn amend(&self, by: By, id: TaskId, amendment: Amendment) -> Result<TaskView, HiveError> {
        let action = Action::Amend(amendment.clone());
        Ok(self.did(by, action, self.hive.amend(id, amendment).await?))
    }

    pub(crate) async fn remove(&self, by: By, id: TaskId) -> Result<(), HiveError> {
        self.hive.remove(id).await?;
        self.tell(by, Action::Remove, format!("task {id}"));
        Ok(())
    }

    pub(crate) async fn drain(&self, by: By, id: DroneId) -> Result<DroneView, HiveError> {
        let drone = self.hive.drain(id).await?;
        self.tell(by, Action::Drain, named("drone", id, Some(&drone.name)));
        Ok(drone)
    }

    pub(crate) async fn pardon(&self, by: By, id: DroneId) -> Result<DroneView, HiveError> {
        let drone = self.hive.pardon(id).await?;
        self.tell(by, Action::Pardon, named("drone", id, Some(&drone.name)));
        Ok(drone)
    }

    fn did(&self, by: By, action: Action, task: TaskView) -> TaskView {
        self.tell(by, action, named("task", task.id, task.name.as_deref()));
        task
    }

    fn tell(&self, by: By, action: Action, target: String) {
        self.hive.tell(Deed { by, action, target, refused: None });
    }
}

fn named(what: &str, id: impl fmt::Display, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{what} {id} ({name})"),
        None => format!("{what} {id}"),
    }
}
