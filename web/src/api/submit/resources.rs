//! What taking in a task needs.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::app::App;
use crate::hive::Hive;
use crate::room::Room;

/// What taking in a task needs.
#[derive(Clone)]
pub(crate) struct Resources {
    /// Who gets it.
    pub(crate) hive: Arc<dyn Hive>,
    /// For its body.
    pub(super) room: Room,
    /// The longest body, in bytes.
    pub(super) max_body: u64,
}

impl FromRef<App> for Resources {
    fn from_ref(app: &App) -> Self {
        Self { hive: Arc::clone(&app.hive), room: app.room.clone(), max_body: app.config.max_body }
    }
}
