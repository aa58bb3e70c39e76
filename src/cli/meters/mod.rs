//! `meters`: what they say, and what is on a bus.

use serde_json::Value;

use super::{
    Common, Exit, Failure,
    status::rows,
    table::{NOTHING, cell, json, print, table},
};
use crate::domain::id::{BusName, MeterName};

mod read;
mod scan;

/// `meters`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Meters {
    /// The meters with their last values, and how their buses do
    List,
    /// Read a meter now, and show its registers; opens the port itself if no controller runs
    Read {
        /// Its name
        #[arg(value_parser = meter_name)]
        name: MeterName,
    },
    /// Find meters on a bus and guess what they are; borrows the bus from a running controller
    Scan(scan::Arguments),
    /// A meter was replaced or reset: begin anew with its next reading
    Replaced {
        /// Its name
        #[arg(value_parser = meter_name)]
        name: MeterName,
    },
}

fn meter_name(text: &str) -> Result<MeterName, String> {
    MeterName::new(text).map_err(|error| error.to_string())
}

fn bus_name(text: &str) -> Result<BusName, String> {
    BusName::new(text).map_err(|error| error.to_string())
}

/// `meters`
pub(super) fn run(common: &Common, command: &Meters) -> Result<Exit, Failure> {
    match command {
        Meters::List => list(common),
        Meters::Read { name } => read::run(common, name),
        Meters::Scan(arguments) => scan::run(common, arguments),
        Meters::Replaced { name } => {
            let path = format!("/api/v1/meters/{name}/replaced");
            let done = common.running()?.post(&path, None)?;
            if common.json {
                json(&done);
            } else {
                eprintln!("{name}: {}", cell(&done["done"]));
            }
            Ok(Exit::Done)
        }
    }
}

fn list(common: &Common) -> Result<Exit, Failure> {
    let mut client = common.running()?;
    if common.json {
        json(&client.get("/api/v1/meters")?);
        return Ok(Exit::Done);
    }
    let status = client.get("/api/v1/status")?;
    meter_table(&status["meters"]);
    print("\n");
    bus_table(&status["buses"]);
    print("\n");
    slave_table(&status["buses"]);
    Ok(Exit::Done)
}

/// The meters and what they say.
pub(super) fn meter_table(meters: &Value) {
    let rows: Vec<_> = rows(meters)
        .map(|meter| {
            let [name, bus, address, profile, quality] =
                ["name", "bus", "address", "profile", "quality"].map(|key| cell(&meter[key]));
            let values = &meter["values"];
            let [power, import, export] =
                [("power_w", "W"), ("energy_import_wh", "Wh"), ("energy_export_wh", "Wh")]
                    .map(|(key, unit)| with_unit(&values[key], unit));
            let age = meter["age_ms"].as_u64().map_or_else(|| NOTHING.to_owned(), ago);
            let place = format!("{bus} {address}");
            let (measures, fault) = (measures(&meter["measures"]), cell(&meter["fault"]));
            [name, measures, place, profile, quality, age, power, import, export, fault]
        })
        .collect();
    let heading = [
        "meter", "measures", "bus", "profile", "quality", "age", "power", "import", "export",
        "fault",
    ];
    table(heading, &rows);
}

fn with_unit(value: &Value, unit: &str) -> String {
    if value.is_null() { NOTHING.to_owned() } else { format!("{value} {unit}") }
}

fn measures(value: &Value) -> String {
    match value["connector"].as_u64() {
        Some(connector) => format!("connector {connector}"),
        None => cell(value),
    }
}

fn ago(ms: u64) -> String {
    let tenths = ms / 100;
    match tenths {
        0..600 => format!("{}.{} s", tenths / 10, tenths % 10),
        600..36_000 => format!("{} min", tenths / 600),
        _ => format!("{} h", tenths / 36_000),
    }
}

/// How the buses do.
pub(super) fn bus_table(buses: &Value) {
    let rows: Vec<_> = rows(buses)
        .map(|bus| {
            let [name, port, state, noise, reason] =
                ["name", "port", "state", "noise_bytes", "reason"].map(|key| cell(&bus[key]));
            let load = bus["load_permille"].as_u64().unwrap_or_default();
            [name, port, state, format!("{}.{} %", load / 10, load % 10), noise, reason]
        })
        .collect();
    table(["bus", "port", "state", "load", "noise bytes", "reason"], &rows);
}

/// The exchanges with the meters.
fn slave_table(buses: &Value) {
    let slaves = rows(buses).flat_map(|bus| rows(&bus["meters"]));
    let rows: Vec<_> = slaves
        .map(|slave| {
            let [name, requests, timeouts, damaged, strays, refusals, fault] =
                ["name", "requests", "timeouts", "damaged", "strays", "refusals", "last_fault"]
                    .map(|key| cell(&slave[key]));
            let trip = with_unit(&slave["round_trip_ms"], "ms");
            let waits = slave["backed_off_ms"].as_u64().map_or_else(|| NOTHING.to_owned(), ago);
            [name, trip, requests, timeouts, damaged, strays, refusals, waits, fault]
        })
        .collect();
    let heading = [
        "meter",
        "round trip",
        "requests",
        "timeouts",
        "damaged",
        "strays",
        "refused",
        "left alone",
        "last fault",
    ];
    table(heading, &rows);
}
