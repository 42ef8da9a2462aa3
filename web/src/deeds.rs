//! What users do to tasks and Drones that are there, from the page or by REST: the operator is told
//! of each, and who it was.

mod access;

use std::fmt;

use wire::ids::DroneId;

use crate::App;
use crate::hive::{Action, Amendment, By, Deed, HiveError};
use crate::model::{DroneView, TaskView};
use crate::own::Changeable;

impl App {
    pub(crate) async fn pause(&self, by: By, task: Changeable) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Pause, self.hive.pause(task.id()).await?))
    }

    pub(crate) async fn resume(&self, by: By, task: Changeable) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Resume, self.hive.resume(task.id()).await?))
    }

    pub(crate) async fn cancel(&self, by: By, task: Changeable) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Cancel, self.hive.cancel(task.id()).await?))
    }

    pub(crate) async fn retry(
        &self,
        by: By,
        task: Changeable,
        deadline_seconds: Option<Option<u32>>,
    ) -> Result<TaskView, HiveError> {
        Ok(self.did(by, Action::Retry, self.hive.retry(task.id(), deadline_seconds).await?))
    }

    pub(crate) async fn amend(&self, by: By, task: Changeable, amendment: Amendment) -> Result<TaskView, HiveError> {
        let action = Action::Amend(amendment.clone());
        Ok(self.did(by, action, self.hive.amend(task.id(), amendment).await?))
    }

    pub(crate) async fn remove(&self, by: By, task: Changeable) -> Result<(), HiveError> {
        self.hive.remove(task.id()).await?;
        self.tell(by, Action::Remove, format!("task {}", task.id()));
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
