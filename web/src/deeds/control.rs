//! What is done to tasks and Drones that are there.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use wire::ids::DroneId;

use crate::app::App;
use crate::hive::{Action, Amendment, By, Deed, Hive, HiveError};
use crate::label::label;
use crate::model::{DroneView, TaskView};
use crate::own::Changeable;

/// Does to tasks and Drones what a request asks for.
pub(crate) struct Control {
    hive: Arc<dyn Hive>,
    /// Who sends the request.
    by: By,
}

impl FromRequestParts<App> for Control {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let by = By::from_request_parts(parts, app).await?;
        Ok(Self { hive: Arc::clone(&app.hive), by })
    }
}

impl Control {
    pub(crate) async fn pause(self, task: Changeable) -> Result<TaskView, HiveError> {
        let task = self.hive.pause(task.id()).await?;
        Ok(self.did(Action::Pause, task))
    }

    pub(crate) async fn resume(self, task: Changeable) -> Result<TaskView, HiveError> {
        let task = self.hive.resume(task.id()).await?;
        Ok(self.did(Action::Resume, task))
    }

    pub(crate) async fn cancel(self, task: Changeable) -> Result<TaskView, HiveError> {
        let task = self.hive.cancel(task.id()).await?;
        Ok(self.did(Action::Cancel, task))
    }

    pub(crate) async fn retry(
        self,
        task: Changeable,
        deadline_seconds: Option<Option<u32>>,
    ) -> Result<TaskView, HiveError> {
        let task = self.hive.retry(task.id(), deadline_seconds).await?;
        Ok(self.did(Action::Retry, task))
    }

    pub(crate) async fn amend(self, task: Changeable, amendment: Amendment) -> Result<TaskView, HiveError> {
        let amended = self.hive.amend(task.id(), amendment).await?;
        Ok(self.did(Action::Amend(amended.changes()), amended.task))
    }

    pub(crate) async fn remove(self, task: Changeable) -> Result<(), HiveError> {
        self.hive.remove(task.id()).await?;
        self.hive.tell(Deed::done(self.by, Action::Remove, format!("task {}", task.id())));
        Ok(())
    }

    pub(crate) async fn drain(self, id: DroneId) -> Result<DroneView, HiveError> {
        let drone = self.hive.drain(id).await?;
        self.hive.tell(Deed::done(self.by, Action::Drain, label("drone", id, Some(&drone.name))));
        Ok(drone)
    }

    pub(crate) async fn disconnect(self, id: DroneId) -> Result<DroneView, HiveError> {
        self.hive.disconnect(id, self.by).await
    }

    pub(crate) async fn pardon(self, id: DroneId) -> Result<DroneView, HiveError> {
        let drone = self.hive.pardon(id).await?;
        self.hive.tell(Deed::done(self.by, Action::Pardon, label("drone", id, Some(&drone.name))));
        Ok(drone)
    }

    fn did(self, action: Action, task: TaskView) -> TaskView {
        self.hive.tell(Deed::done(self.by, action, label("task", task.id, task.name.as_deref())));
        task
    }
}
