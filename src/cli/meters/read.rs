//! `meters read`

use std::sync::Arc;

use anyhow::anyhow;
use serde_json::Value;

use super::super::{
    Common, Exit, Failure,
    client::Client,
    status::rows,
    table::{NOTHING, cell, json, print, table},
};
use crate::{
    clock::Clock,
    domain::{
        id::MeterName,
        reading::{ReadFault, Values},
    },
    protocol::modbus::{Need, Profile, Readout},
    serial::Probe,
    service::config::Lines,
    status::ReadingView,
};

/// Reads by the running controller, or over the port itself.
pub(super) fn run(common: &Common, name: &MeterName) -> Result<Exit, Failure> {
    let reading = match Client::connect(&common.paths()?.socket)? {
        Some(mut client) => client.post(&format!("/api/v1/meters/{name}/read"), None)?,
        None => directly(common, name)?,
    };
    if common.json {
        json(&reading);
    } else {
        registers(&reading);
    }
    match reading["fault"].as_str() {
        None => Ok(Exit::Done),
        Some(fault) => {
            eprintln!("{name}: {fault}");
            Ok(Exit::Failed)
        }
    }
}

fn directly(common: &Common, name: &MeterName) -> Result<Value, Failure> {
    let lines = Lines::load(&common.config).map_err(Failure::Config)?;
    let Some(seat) = lines.seat(name) else {
        return Err(anyhow!("there is no meter of that name: {name}").into());
    };
    let bus = lines.bus(&seat.bus).expect("a meter on a bus that is missing is a fault");
    eprintln!("no controller runs: reading over {} itself", bus.port);
    let clock = Clock::passing();
    let now = Arc::new(move || clock.fine());
    let probe = Probe::open(bus.port.clone(), bus.turnaround_ms, bus.timeout_ms, now);
    let mut probe = probe.map_err(anyhow::Error::from)?;
    let (readout, values) = read(&mut probe, seat.address, &seat.profile);
    let view = ReadingView::of(name, &seat.profile, &readout, &values);
    serde_json::to_value(view).map_err(|error| anyhow::Error::from(error).into())
}

/// Reads block by block: what one refuses does not hide the others. The first fault of a block
/// that is needed is the reading's.
fn read(probe: &mut Probe, address: u8, profile: &Profile) -> (Readout, Result<Values, ReadFault>) {
    let mut readout = Readout::default();
    let mut missing = None;
    for block in profile.blocks() {
        match probe.ask(address, block) {
            Ok(words) => readout.add(block, words),
            Err(fault @ ReadFault::Refused(_)) => {
                let mut within = profile.registers.iter().filter(|r| block.covers(r.block));
                if within.any(|register| register.need == Need::Required) {
                    missing.get_or_insert(fault);
                }
            }
            Err(fault) => return (readout, Err(fault)),
        }
    }
    let values = match missing {
        Some(fault) => Err(fault),
        None => profile.values(&readout).map_err(ReadFault::Unusable),
    };
    (readout, values)
}

/// What each register says; then the values, as the site uses them.
fn registers(reading: &Value) {
    let rows: Vec<_> = rows(&reading["registers"])
        .map(|register| {
            let words: Vec<_> = rows(&register["words"]).map(cell).collect();
            let words = if words.is_empty() { NOTHING.to_owned() } else { words.join(" ") };
            let [quantity, table, address, kind] =
                ["quantity", "table", "address", "kind"].map(|key| cell(&register[key]));
            let value = match register["fault"].as_str() {
                Some(fault) => fault.to_owned(),
                None => value(register),
            };
            [quantity, value, table, address, words, kind]
        })
        .collect();
    table(["quantity", "value", "table", "address", "words", "type"], &rows);
    if let Some(values) = reading["values"].as_object() {
        print("\n");
        let rows: Vec<_> =
            values.iter().map(|(name, value)| [name.clone(), value.to_string()]).collect();
        table(["used as", "value"], &rows);
    }
}

fn value(register: &Value) -> String {
    match (register["value"].as_str(), register["unit"].as_str()) {
        // A number without a unit, such as a power factor.
        (Some(value), Some("1") | None) => value.to_owned(),
        (Some(value), Some(unit)) => format!("{value} {unit}"),
        (None, _) => NOTHING.to_owned(),
    }
}
