//! Asking for something to be done to many tasks, and how far it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::time::timeout;

use super::asked::Asked;
use super::jobs::Jobs;
use super::run::Run;
use crate::app::App;
use crate::client::Client;
use crate::entrance::Entrance;
use crate::error::Problem;
use crate::hive::Hive;
use crate::model::{BulkState, BulkView};

/// What takes longer is answered before it is over.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Does to many tasks what a request asks for.
pub(crate) struct Bulk {
    hive: Arc<dyn Hive>,
    entrance: Arc<Entrance>,
    jobs: Arc<Jobs>,
    /// Who sends the request.
    client: Client,
}

impl FromRequestParts<App> for Bulk {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let client = Client::from_request_parts(parts, app).await?;
        let App { hive, entrance, jobs, .. } = app.clone();
        Ok(Self { hive, entrance, jobs, client })
    }
}

impl Bulk {
    fn run(&self, asked: Asked) -> Run {
        Run { hive: Arc::clone(&self.hive), entrance: Arc::clone(&self.entrance), client: self.client.clone(), asked }
    }

    /// What would be done.
    pub(crate) async fn count(&self, asked: Asked) -> Result<BulkView, Problem> {
        Ok(self.run(asked).count().await?)
    }

    /// Begins it; what has become of it after a second at most. It goes on when the request is over.
    pub(crate) async fn begin(&self, asked: Asked) -> Result<BulkView, Problem> {
        let sender = self.jobs.begin(&self.client.caller, BulkView::new(asked.action, BulkState::Running))?;
        let mut report = sender.subscribe();
        tokio::spawn(self.run(asked).carry_out(sender));
        // An error means that it broke off, which is seen then.
        let _ = timeout(ANSWER_TIMEOUT, report.wait_for(|view| view.state != BulkState::Running)).await;
        let view = report.borrow().clone();
        match view.id {
            Some(id) => self.find(id),
            None => Ok(view),
        }
    }

    /// How far it is.
    pub(crate) fn find(&self, id: u64) -> Result<BulkView, Problem> {
        self.jobs.find(&self.client.caller, id).ok_or_else(|| {
            let detail = format!("there is no change {id} of many tasks, or not any more");
            Problem::new(StatusCode::NOT_FOUND, detail)
        })
    }
}
