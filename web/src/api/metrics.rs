//! `/metrics`

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use crate::config::Config;
use crate::error::Problem;
use crate::hive::Hive;
use crate::metrics::{self, Connections, Process, RouteMetrics, Scrape};

/// `GET /metrics`
pub(crate) async fn show(
    State(hive): State<Arc<dyn Hive>>,
    State(config): State<Arc<Config>>,
    State(routes): State<Arc<[RouteMetrics]>>,
) -> Result<Response, Problem> {
    let measures = hive.measures().await?;
    // The kernel's files about a process are read without waiting, but open descriptors are counted one by one.
    let process = tokio::task::spawn_blocking(Process::read).await.ok().flatten();
    let (http, drones) = (&config.port, &config.drone_port);
    let connections = [("http", http), ("drones", drones)].map(|(port, places)| Connections {
        port,
        open: places.held(),
        most: places.sockets(),
    });
    match (Scrape { measures, routes, connections, process }).into_text() {
        Ok(text) => Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()),
        Err(error) => {
            tracing::error!("the metrics could not be written: {error}");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written"))
        }
    }
}
