//! `/drones`: who computes.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::examples;
use super::operation::{Operation, reference};
use crate::hive::DroneSort;
use crate::model::Window;

pub(super) const TAG: &str = "drones";

/// All of this noun.
pub(super) fn operations() -> Vec<Operation> {
    vec![list(), stream(), show(), history(), leases(), drain(), disconnect(), resume()]
}

fn of_a_drone(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(TAG, (method, path), id, summary).refuses(
        StatusCode::NOT_FOUND,
        "There is no such Drone",
        "there is no drone 7",
    )
}

fn list() -> Operation {
    Operation::new(TAG, (Method::GET, "/drones"), "listDrones", "Lists Drones")
        .about("Those that are connected or away, and the last 200 that left, over restarts too.")
        .query("state", "Only those in this state", reference("DroneState"))
        .query("name", "Only those whose name or address begins so, whatever the case", json!({ "type": "string" }))
        .query("sort", "By what, the largest first with a `-`", json!({ "type": "string", "enum": sorts() }))
        .invalid_query()
        .answers_json(200, "All of them", reference("DroneList"), json!({ "drones": [examples::drone()] }))
}

fn sorts() -> Vec<&'static str> {
    DroneSort::all().into_iter().map(DroneSort::name).collect()
}

fn stream() -> Operation {
    let windows = Window::ALL.map(Window::name);
    let page = json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX, "default": 1 });
    Operation::new(TAG, (Method::GET, "/drones/stream"), "getStream", "Shows of which tasks Drones computed when")
        .about(
            "60 columns of 1, 5 or 15 seconds for each Drone that is here, or left within that time: the task of which \
             most was computed, how busy the Drone was, and why it was not busier. It is known for 15 minutes, and from \
             the Queen's start on.",
        )
        .query("window", "How far back", json!({ "type": "string", "enum": windows, "default": "1m" }))
        .query("state", "Only Drones that are in this state now", reference("DroneState"))
        .query("name", "Only Drones whose name or address begins so, whatever the case", json!({ "type": "string" }))
        .query("page", "Which page, of 50 Drones each", page)
        .invalid_query()
        .answers_json(200, "The columns of each Drone of the page", reference("Stream"), examples::stream())
}

fn leases() -> Operation {
    of_a_drone(Method::GET, "/drones/{id}/leases", "listLeases", "Lists what a Drone was given lately")
        .about("The leases that it has, and those that ended in the last minute; at most 64 of each.")
        .answers_json(200, "Its leases", reference("LeaseList"), json!({ "leases": [examples::lease()] }))
}

fn show() -> Operation {
    of_a_drone(Method::GET, "/drones/{id}", "getDrone", "Shows a Drone").answers_json(
        200,
        "The Drone",
        reference("Drone"),
        examples::drone(),
    )
}

fn history() -> Operation {
    let summary = "Shows what was measured of a Drone lately";
    of_a_drone(Method::GET, "/drones/{id}/history", "getDroneHistory", summary).answers_json(
        200,
        "Its rate, and how busy it was",
        reference("DroneHistory"),
        examples::drone_history(),
    )
}

fn drain() -> Operation {
    of_a_drone(Method::POST, "/drones/{id}/drain", "drainDrone", "Lets a Drone finish what it has, and leave")
        .about("Answered at once, and the same for one that is leaving already.")
        .answers_json(202, "The Drone, which is leaving", reference("Drone"), examples::drone())
        .refuses(StatusCode::CONFLICT, "It is not connected", "drone 7 is not connected")
}

fn disconnect() -> Operation {
    let summary = "Ends a Drone's connection, and gives what it holds to others at once";
    of_a_drone(Method::POST, "/drones/{id}/disconnect", "disconnectDrone", summary)
        .about("For one that hangs; a Drone whose program runs connects again. One that is away loses what is kept for it.")
        .answers_json(200, "The Drone as it is now", reference("Drone"), examples::drone())
        .refuses(StatusCode::CONFLICT, "It is neither connected nor away", "drone 7 is not connected")
}

fn resume() -> Operation {
    of_a_drone(Method::POST, "/drones/{id}/resume", "resumeDrone", "Lifts a Drone's quarantine")
        .about("One that is in none stays as it is.")
        .answers_json(200, "The Drone as it is now", reference("Drone"), examples::drone())
}
