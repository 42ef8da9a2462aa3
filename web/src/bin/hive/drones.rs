//! Drones: who there are, and what is done to them.

use web::model::{DroneList, DroneView};

use crate::arguments::{DroneIds, Drones, Output};
use crate::connection::{Answer, Connection, Request};
use crate::each;
use crate::failure::Failure;
use crate::show::{self, Table, details};
use crate::text::visible;

/// `hive drones`
///
/// # Errors
/// If they cannot be had.
pub fn list(connection: &Connection, Drones { ids, all }: &Drones, output: Output) -> Result<(), Failure> {
    if !ids.is_empty() {
        let mut gap = "";
        return each::of(&connection.notes, ids, |id| {
            print_answer(&connection.ask(&Request::get(format!("/drones/{id}")))?, output, |drone| {
                format!("{}{}", std::mem::replace(&mut gap, "\n"), details::drone(drone))
            })
        });
    }
    let answer = connection.ask(&Request::get("/drones"))?;
    if output == Output::Json {
        return show::print(&answer.text);
    }
    let DroneList { mut drones } = answer.read()?;
    let known = drones.len();
    drones.retain(|drone| *all || drone.state.is_connected() || drone.state == web::model::DroneState::Away);
    if output == Output::Quiet {
        return show::print(&drones.iter().map(|drone| format!("{}\n", drone.id)).collect::<String>());
    }
    Table::of_drones().print(&drones)?;
    match (drones.len(), known) {
        (0, 0) => connection.notes.note("there are none yet: `drone --queen HOST:8080` starts one"),
        (0, _) => connection.notes.note("none is connected; --all shows those that left"),
        _ => {}
    }
    Ok(())
}

/// `hive drain`
///
/// # Errors
/// The first one's.
pub fn drain(connection: &Connection, DroneIds { ids }: &DroneIds, output: Output) -> Result<(), Failure> {
    each::of(&connection.notes, ids, |id| {
        print_answer(&connection.ask(&Request::post(format!("/drones/{id}/drain")))?, output, |drone| {
            let name = visible(&drone.name);
            format!("Drone {id} ({name}) finishes what it has, and leaves\n")
        })
    })
}

/// `hive disconnect`
///
/// # Errors
/// The first one's.
pub fn disconnect(connection: &Connection, DroneIds { ids }: &DroneIds, output: Output) -> Result<(), Failure> {
    each::of(&connection.notes, ids, |id| {
        print_answer(&connection.ask(&Request::post(format!("/drones/{id}/disconnect")))?, output, |drone| {
            format!("Drone {id} ({}) is disconnected; others take over what it had\n", visible(&drone.name))
        })
    })
}

/// `hive pardon`
///
/// # Errors
/// The first one's.
pub fn pardon(connection: &Connection, DroneIds { ids }: &DroneIds, output: Output) -> Result<(), Failure> {
    each::of(&connection.notes, ids, |id| {
        print_answer(&connection.ask(&Request::post(format!("/drones/{id}/resume")))?, output, |drone| {
            format!("Drone {id} ({}) is {}\n", visible(&drone.name), drone.state)
        })
    })
}

fn print_answer(answer: &Answer, output: Output, text: impl FnOnce(&DroneView) -> String) -> Result<(), Failure> {
    match output {
        Output::Text => show::print(&text(&answer.read()?)),
        Output::Json => show::print(&answer.text),
        Output::Quiet => Ok(()),
    }
}
