//! The Drones.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::response::Redirect;
use wire::ids::DroneId;

use super::filters;
use crate::App;
use crate::api::Id;
use crate::assets;
use crate::error::Problem;
use crate::model::{DroneState, DroneView, Overview};

#[derive(Template, WebTemplate)]
#[template(path = "drones.html")]
pub(super) struct Page {
    drones: Vec<DroneView>,
    connected: usize,
    start_drone: String,
}

pub(super) async fn page(State(app): State<App>) -> Result<Page, Problem> {
    let drones = app.hive.drones().await?;
    let connected = drones.iter().filter(|drone| drone.state.is_connected()).count();
    Ok(Page { drones, connected, start_drone: start_drone(&app.hive.overview().await?) })
}

/// The command that adds a Drone.
pub(super) fn start_drone(overview: &Overview) -> String {
    format!("cargo run -p drone -- --queen {}", overview.drone_addr)
}

#[derive(Template, WebTemplate)]
#[template(path = "drone.html")]
pub(super) struct OnePage {
    drone: DroneView,
}

pub(super) async fn one(State(app): State<App>, Id(id): Id) -> Result<OnePage, Problem> {
    Ok(OnePage { drone: app.hive.drone(DroneId(id)).await? })
}

pub(super) async fn drain(State(app): State<App>, Id(id): Id) -> Result<Redirect, Problem> {
    app.hive.drain(DroneId(id)).await?;
    Ok(back(id))
}

pub(super) async fn resume(State(app): State<App>, Id(id): Id) -> Result<Redirect, Problem> {
    app.hive.pardon(DroneId(id)).await?;
    Ok(back(id))
}

fn back(id: u64) -> Redirect {
    Redirect::to(&format!("/admin/drones/{id}"))
}
