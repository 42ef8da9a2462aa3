//! The control plane: REST and pages over a [`Hive`], knowing nothing of scheduling.
//!
//! Each layer knows those before it: what is specified and seen ([`kinds`], [`access`], [`model`]); the Queen
//! ([`hive`]), and problems in her words ([`error`]); what guards requests (`limits`, `room`, `entrance`); what
//! handlers share (`app`), and who asks (`client`, `own`, `deeds`); the handlers (`api`, `pages`, `assets`); the site
//! map (`map`); what happens around all of it (`guard`, `site`), and its listener ([`serve`]).
#![forbid(unsafe_code)]

pub mod access;
mod api;
mod app;
mod assets;
mod body;
pub mod budget;
mod bulk;
mod client;
mod compress;
mod config;
mod cookie;
mod deeds;
mod entrance;
pub mod error;
mod guard;
pub mod hive;
mod honeycomb;
pub mod kinds;
mod label;
pub mod limits;
mod lookup;
mod map;
pub mod metrics;
pub mod model;
mod needs;
pub mod options;
mod own;
mod pages;
pub mod places;
mod proxies;
mod renderings;
mod request;
mod request_id;
mod room;
mod routes;
pub mod serve;
mod session;
mod site;
mod timestamp;
mod told;

use std::sync::Arc;

use crate::app::App;
pub use crate::config::Config;
use crate::entrance::Entrance;
use crate::hive::{Access, Hive};
pub use crate::label::label;
pub use crate::map::routes;
use crate::metrics::RouteMetrics;
pub use crate::needs::Needs;
use crate::room::Room;
pub use crate::routes::Route;
pub use crate::site::Site;

/// What is served.
pub fn site(hive: Arc<dyn Hive>, access: Arc<dyn Access>, config: Config) -> Site {
    let (map, elsewhere) = (map::map(), RouteMetrics::elsewhere());
    let app = App {
        hive,
        entrance: Arc::new(Entrance::new(Arc::clone(&access))),
        access,
        room: Room::new(config.room),
        config: Arc::new(config),
        jobs: Arc::default(),
        routes: map.metrics().chain([elsewhere.clone()]).collect(),
    };
    let router = map.into_router().fallback(guard::nothing_here).with_state(app.clone());
    Site::new(router, app, elsewhere)
}
