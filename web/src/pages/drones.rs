//! The Drones.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::response::Response;
use wire::ids::DroneId;

use super::address::address_with;
use super::chart::Line;
use super::done::done;
use super::filters;
use super::leases::Timeline;
use super::reasons::Reasons;
use super::viewer::Viewer;
use crate::api::drones::drone_query;
use crate::assets;
use crate::config::Config;
use crate::deeds::Control;
use crate::error::Problem;
use crate::hive::{DroneKey, DronePage, DroneQuery, DroneSort, Hive};
use crate::model::{DroneHistory, DroneState, DroneView, LEASES_SHOWN, LeaseView, Timestamp};
use crate::request::id::Id;
use crate::request::query::Query;
use crate::told::Did;

#[derive(Template, WebTemplate)]
#[template(path = "drones.html")]
pub(super) struct Page {
    viewer: Viewer,
    /// How many there are in each state, of those that are called as was asked for.
    counts: BTreeMap<DroneState, u64>,
    query: DroneQuery,
    /// Which page this is, from 1, and whether there is another one.
    number: u64,
    has_next: bool,
    drones: Vec<DroneView>,
    /// Why several of them are idle.
    reasons: Reasons,
    /// Some Drone is here, or was.
    has_known: bool,
    connected: u64,
    start: StartDrone,
    /// When the Queen started: since then she counts what they do.
    since: Timestamp,
}

/// Drones a page.
const PAGE: usize = 50;

impl Page {
    fn count(&self, state: Option<DroneState>) -> u64 {
        match state {
            Some(state) => self.counts.get(&state).copied().unwrap_or_default(),
            None => self.counts.values().sum(),
        }
    }

    /// The address of those in another state.
    fn with_state(&self, state: Option<DroneState>) -> String {
        address(&DroneQuery { state, ..self.query.clone() }, 1)
    }

    /// The address of the same by another order: the largest first, and the other way round if it is so already.
    fn sorted(&self, by: DroneKey) -> String {
        let is_descending = self.query.sort != Some(DroneSort { by, is_descending: true });
        address(&DroneQuery { sort: Some(DroneSort { by, is_descending }), ..self.query.clone() }, 1)
    }

    /// How the table is sorted by a column, as `aria-sort` says it.
    fn order(&self, by: DroneKey) -> &'static str {
        match self.query.sort {
            Some(sort) if sort.by == by => {
                if sort.is_descending {
                    "descending"
                } else {
                    "ascending"
                }
            }
            _ => "none",
        }
    }

    /// Whether one is shown that was not here since the Queen started.
    fn has_remembered(&self) -> bool {
        self.drones.iter().any(|drone| drone.last_seen_at < self.since)
    }

    fn at(&self, number: u64) -> String {
        address(&self.query, number)
    }
}

fn address(query: &DroneQuery, number: u64) -> String {
    let values = [
        ("state", query.state.map(|state| state.name().to_owned())),
        ("name", query.name.clone()),
        ("sort", query.sort.map(|sort| sort.name().to_owned())),
        ("page", (number > 1).then(|| number.to_string())),
    ];
    address_with("/admin/drones", values)
}

pub(super) async fn page(
    State(hive): State<Arc<dyn Hive>>,
    State(config): State<Arc<Config>>,
    viewer: Viewer,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Page, Problem> {
    let wanted = drone_query(&mut query)?;
    let number = query.number("page", 1..=u64::from(u32::MAX))?.unwrap_or(1);
    let query = DroneQuery { skip: (number as usize - 1) * PAGE, limit: PAGE, ..wanted };
    let DronePage { drones, has_more: has_next, counts, has_known } = hive.drones(query.clone()).await?;
    let overview = hive.overview().await?;
    let start = StartDrone::of(&overview.drone_addr, &headers, config.tls.is_some());
    let (since, connected) = (overview.started_at, overview.drones);
    let reasons = Reasons::of(drones.iter().map(|drone| drone.idle_because.as_deref()));
    Ok(Page { viewer, counts, query, number, has_next, drones, reasons, has_known, connected, start, since })
}

/// How to start a Drone.
pub(super) struct StartDrone {
    pub(super) command: String,
    pub(super) reach: Reach,
}

/// From where a Drone can connect with that command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The Queen listens to no other machine.
    ThisMachine,
    /// The command names this machine as it calls itself.
    ThisMachineAsNamed,
    /// Wherever the page is reached from.
    Anywhere,
}

impl StartDrone {
    /// Where the Queen listens on every address, the command names the one that the reader reached
    /// her at. With TLS, Drones have a join file.
    pub(super) fn of(drone_addr: &str, headers: &HeaderMap, is_tls: bool) -> Self {
        let address = drone_addr.parse::<SocketAddr>().ok();
        let (queen, reach) = match address {
            Some(address) if address.ip().is_loopback() => (None, Reach::ThisMachine),
            Some(address) if address.ip().is_unspecified() => match reached_at(headers) {
                Some(host) if is_this_machine(host.host()) => (named(&host, address), Reach::ThisMachineAsNamed),
                Some(host) => (named(&host, address), Reach::Anywhere),
                None => (None, Reach::Anywhere),
            },
            _ => (None, Reach::Anywhere),
        };
        let queen = queen.unwrap_or_else(|| drone_addr.to_owned());
        let join = if is_tls { " --join hive.join" } else { "" };
        Self { command: format!("cargo run --release -p drone -- --queen {queen}{join}"), reach }
    }
}

/// The port of `address` at the host of a page; `None` if that is no plain name, which a shell might
/// take for something else.
fn named(host: &Authority, address: SocketAddr) -> Option<String> {
    let host = host.host();
    let is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    is_plain.then(|| format!("{host}:{}", address.port()))
}

fn is_this_machine(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    name.parse::<IpAddr>().map_or(name.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
}

/// Where the reader reached this page.
pub(super) fn reached_at(headers: &HeaderMap) -> Option<Authority> {
    headers.get(HOST)?.to_str().ok()?.parse().ok()
}

#[derive(Template, WebTemplate)]
#[template(path = "drone.html")]
pub(super) struct OnePage {
    viewer: Viewer,
    drone: DroneView,
    /// When the Queen started: since then she counts what Drones do.
    since: Timestamp,
    /// It was not here since then, so that its counts are those of the Queen before.
    is_remembered: bool,
    compressions: Option<Line>,
    utilisation: Option<Line>,
    leases: Vec<LeaseView>,
    timeline: Option<Timeline>,
}

impl OnePage {
    /// Whether more leases ended in the last minute than are shown, as far as is known.
    fn has_more_leases(&self) -> bool {
        self.leases.iter().filter(|lease| lease.ended_at.is_some()).count() >= LEASES_SHOWN
    }
}

pub(super) async fn one(State(hive): State<Arc<dyn Hive>>, viewer: Viewer, Id(id): Id) -> Result<OnePage, Problem> {
    let drone = hive.drone(DroneId(id)).await?;
    let DroneHistory { step_seconds, from, compressions_per_second, utilisation, .. } =
        hive.drone_history(drone.id).await?;
    let compressions = Line::of(&compressions_per_second, step_seconds, from, None);
    let utilisation = Line::of(&utilisation, step_seconds, from, Some(1.0));
    let leases = hive.drone_leases(drone.id).await?;
    let timeline = Timeline::of(&leases, Timestamp::now());
    let since = hive.started_at();
    let is_remembered = drone.last_seen_at < since;
    Ok(OnePage { viewer, drone, since, is_remembered, compressions, utilisation, leases, timeline })
}

pub(super) async fn drain(control: Control, Id(id): Id) -> Result<Response, Problem> {
    control.drain(DroneId(id)).await?;
    Ok(back(Did::Drain, id))
}

pub(super) async fn disconnect(control: Control, Id(id): Id) -> Result<Response, Problem> {
    control.disconnect(DroneId(id)).await?;
    Ok(back(Did::Disconnect, id))
}

pub(super) async fn resume(control: Control, Id(id): Id) -> Result<Response, Problem> {
    control.pardon(DroneId(id)).await?;
    Ok(back(Did::Trust, id))
}

fn back(did: Did, id: u64) -> Response {
    done(did, id, &format!("/admin/drones/{id}"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_drone_is_sent_where_it_can_connect() {
        let start = |address: &str, host: &str| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
            let StartDrone { command, reach } = StartDrone::of(address, &headers, false);
            (command.rsplit(' ').next().unwrap().to_owned(), reach)
        };
        let page = "hive.example.org:8081";
        assert_eq!(start("10.0.0.7:8080", page), ("10.0.0.7:8080".to_owned(), Reach::Anywhere));
        assert_eq!(start("0.0.0.0:8080", page), ("hive.example.org:8080".to_owned(), Reach::Anywhere));
        assert_eq!(start("[::]:8080", page), ("hive.example.org:8080".to_owned(), Reach::Anywhere));
        assert_eq!(start("[::]:8080", "[2001:db8::1]:80"), ("[2001:db8::1]:8080".to_owned(), Reach::Anywhere));
        // The page may be reached through something that Drones do not come through.
        for address in ["127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(start(address, page), (address.to_owned(), Reach::ThisMachine));
        }
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let expected = (format!("{host}:8080"), Reach::ThisMachineAsNamed);
            assert_eq!(start("0.0.0.0:8080", &format!("{host}:8081")), expected);
        }
        assert_eq!(start("0.0.0.0:8080", "$(reboot)"), ("0.0.0.0:8080".to_owned(), Reach::Anywhere));
    }
}
