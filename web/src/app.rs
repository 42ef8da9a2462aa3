//! What handlers share.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::bulk::jobs::Jobs;
use crate::config::Config;
use crate::entrance::Entrance;
use crate::hive::{Access, Hive};
use crate::metrics::RouteMetrics;
use crate::room::Room;

/// What handlers share. Each asks for the parts that it needs, as axum's `State`.
#[derive(Clone, FromRef)]
pub(crate) struct App {
    /// The Queen.
    pub(crate) hive: Arc<dyn Hive>,
    /// The same, who says who may do what.
    pub(crate) access: Arc<dyn Access>,
    /// What is served, and how.
    pub(crate) config: Arc<Config>,
    /// Who has shown a token, or logged in with one.
    pub(crate) entrance: Arc<Entrance>,
    /// For all requests' bodies.
    pub(crate) room: Room,
    /// What is being done to many tasks.
    pub(crate) jobs: Arc<Jobs>,
    /// What is measured of each route, and of what is answered elsewhere.
    pub(crate) routes: Arc<[RouteMetrics]>,
}
