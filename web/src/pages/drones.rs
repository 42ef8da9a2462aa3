//! The Drones.

use std::net::SocketAddr;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::response::Redirect;
use wire::ids::DroneId;

use super::filters;
use crate::App;
use crate::api::Id;
use crate::assets;
use crate::deeds::Peer;
use crate::error::Problem;
use crate::model::{DroneState, DroneView};

#[derive(Template, WebTemplate)]
#[template(path = "drones.html")]
pub(super) struct Page {
    drones: Vec<DroneView>,
    connected: usize,
    start_drone: String,
}

pub(super) async fn page(State(app): State<App>, headers: HeaderMap) -> Result<Page, Problem> {
    let drones = app.hive.drones().await?;
    let connected = drones.iter().filter(|drone| drone.state.is_connected()).count();
    Ok(Page { drones, connected, start_drone: start_drone(&app.hive.overview().await?.drone_addr, &headers) })
}

/// The command that adds a Drone. Where the Queen listens on every address, it names the one that the
/// reader reached her at.
pub(super) fn start_drone(drone_addr: &str, headers: &HeaderMap) -> String {
    let address = drone_addr.parse::<SocketAddr>().ok().filter(|address| address.ip().is_unspecified());
    let reached = address.and_then(|address| Some(format!("{}:{}", reached_at(headers)?.host(), address.port())));
    format!("cargo run --release -p drone -- --queen {}", reached.as_deref().unwrap_or(drone_addr))
}

/// Where the reader reached this page.
pub(super) fn reached_at(headers: &HeaderMap) -> Option<Authority> {
    headers.get(HOST)?.to_str().ok()?.parse().ok()
}

#[derive(Template, WebTemplate)]
#[template(path = "drone.html")]
pub(super) struct OnePage {
    drone: DroneView,
}

pub(super) async fn one(State(app): State<App>, Id(id): Id) -> Result<OnePage, Problem> {
    Ok(OnePage { drone: app.hive.drone(DroneId(id)).await? })
}

pub(super) async fn drain(State(app): State<App>, peer: Peer, Id(id): Id) -> Result<Redirect, Problem> {
    app.drain(peer, DroneId(id)).await?;
    Ok(back(id))
}

pub(super) async fn resume(State(app): State<App>, peer: Peer, Id(id): Id) -> Result<Redirect, Problem> {
    app.pardon(peer, DroneId(id)).await?;
    Ok(back(id))
}

fn back(id: u64) -> Redirect {
    Redirect::to(&format!("/admin/drones/{id}"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_drone_is_sent_where_it_can_connect() {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("hive.example.org:8081"))]);
        let command = |address| start_drone(address, &headers);
        assert!(command("10.0.0.7:8080").ends_with("--queen 10.0.0.7:8080"));
        assert!(command("0.0.0.0:8080").ends_with("--queen hive.example.org:8080"));
        assert!(command("[::]:8080").ends_with("--queen hive.example.org:8080"));
        assert!(start_drone("0.0.0.0:8080", &HeaderMap::new()).ends_with("--queen 0.0.0.0:8080"));
    }
}
