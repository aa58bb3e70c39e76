//! `status`, `piles`, `uplinks`: what the running controller says.

use anyhow::Context as _;
use serde_json::Value;

use super::{
    Common, Exit, Failure,
    meters::{bus_table, meter_table},
    table::{NOTHING, cell, json, local, print, table},
};

/// `piles`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Piles {
    /// Registered and seen piles, and whether they are there
    List,
    /// Let a replaced or reset pile register again
    Forget {
        /// Its code
        #[arg(value_parser = pile_code)]
        code: String,
    },
}

/// `uplinks`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Uplinks {
    /// Their links, what they are owed and how fast it goes out
    List,
    /// Owe nothing more to an uplink that was taken out of the config
    Retire {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
    },
}

fn name(text: &str) -> Result<String, String> {
    let name = crate::domain::id::UplinkName::new(text);
    name.map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn pile_code(text: &str) -> Result<String, String> {
    let code = crate::domain::id::PileCode::new(text);
    code.map(|code| code.to_string()).map_err(|error| error.to_string())
}

/// The items of a list.
pub(super) fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The whole site.
pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let status = common.running()?.get("/api/v1/status")?;
    if common.json {
        json(&status);
        return Ok(Exit::Done);
    }
    heading(&status);
    alarm_table(&status["alarms"]);
    print("\n");
    uplink_table(&status["uplinks"]);
    print("\n");
    pile_table(&status["piles"]);
    if rows(&status["buses"]).next().is_some() {
        print("\n");
        meter_table(&status["meters"]);
        print("\n");
        bus_table(&status["buses"]);
    }
    Ok(Exit::Done)
}

fn heading(status: &Value) {
    let (site, ledger) = (&status["site"], &status["ledger"]);
    let uptime = status["uptime_s"].as_u64().map_or_else(|| NOTHING.to_owned(), lasting);
    print(&format!(
        "{} {}\nversion {}, up {uptime}, clock {}\n\
         {} orders, {} running, {} not settled; {} MB free, {} kB written today\n\n",
        cell(&site["code"]),
        cell(&site["name"]),
        cell(&status["version"]),
        cell(&status["clock"]),
        cell(&ledger["orders"]),
        cell(&ledger["open"]),
        cell(&ledger["unsettled"]),
        cell(&ledger["free_mb"]),
        ledger["bytes_written_today"].as_u64().unwrap_or_default() / 1000,
    ));
}

/// The two largest units of a time that has lasted.
fn lasting(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

fn alarm_table(alarms: &Value) {
    let rows: Vec<_> = rows(alarms)
        .map(|alarm| {
            let [name, count, text] = ["name", "count", "text"].map(|key| cell(&alarm[key]));
            [name, local(&alarm["since"]), count, text]
        })
        .collect();
    match rows.as_slice() {
        [] => print("no alarms\n"),
        rows => table(["alarm", "since", "count", "what"], rows),
    }
}

/// `piles`
pub(super) fn piles(common: &Common, command: &Piles) -> Result<Exit, Failure> {
    let mut client = common.running()?;
    match command {
        Piles::List => {
            let piles = client.get("/api/v1/piles")?;
            if common.json {
                json(&piles);
            } else {
                registered_table(&piles);
            }
        }
        Piles::Forget { code } => {
            let done = client
                .post(&format!("/api/v1/piles/{code}/forget"), None)
                .with_context(|| code.clone())?;
            if common.json {
                json(&done);
            } else {
                eprintln!("{code}: {}", cell(&done["done"]));
            }
        }
    }
    Ok(Exit::Done)
}

fn connectors(pile: &Value) -> String {
    let each = rows(&pile["connectors"]).map(|connector| {
        let mark = if connector["order"].is_null() { "" } else { " charging" };
        format!("{}{mark}", connector["connector"])
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The piles and how they got in.
fn registered_table(piles: &Value) {
    let rows: Vec<_> = rows(piles)
        .map(|pile| {
            let [code, serial, revision, state, origin, account] =
                ["code", "serial", "revision", "state", "origin", "account"]
                    .map(|key| cell(&pile[key]));
            let [registered, logged_in] =
                ["registered_at", "logged_in_at"].map(|key| local(&pile[key]));
            let connectors = connectors(pile);
            [code, serial, revision, connectors, state, origin, account, registered, logged_in]
        })
        .collect();
    let heading = [
        "pile",
        "serial",
        "revision",
        "connectors",
        "state",
        "known from",
        "account",
        "registered",
        "logged in",
    ];
    table(heading, &rows);
}

fn pile_table(piles: &Value) {
    let rows: Vec<_> = rows(piles)
        .map(|pile| {
            let [code, serial, state] = ["code", "serial", "state"].map(|key| cell(&pile[key]));
            [code, serial, state, local(&pile["since"]), connectors(pile), cell(&pile["reason"])]
        })
        .collect();
    table(["pile", "serial", "state", "since", "connectors", "reason"], &rows);
}

/// `uplinks`
pub(super) fn uplinks(common: &Common, command: &Uplinks) -> Result<Exit, Failure> {
    let mut client = common.running()?;
    match command {
        Uplinks::List => {
            let uplinks = &client.get("/api/v1/status")?["uplinks"];
            if common.json {
                json(uplinks);
            } else {
                uplink_table(uplinks);
            }
        }
        Uplinks::Retire { name } => {
            let done = client.post(&format!("/api/v1/uplinks/{name}/retire"), None)?;
            if common.json {
                json(&done);
            } else {
                eprintln!("{name}: {}", cell(&done["done"]));
            }
        }
    }
    Ok(Exit::Done)
}

fn uplink_table(uplinks: &Value) {
    let seconds = |value: &Value| match value.as_u64() {
        Some(seconds) => lasting(seconds),
        None => NOTHING.to_owned(),
    };
    let rows: Vec<_> = rows(uplinks)
        .map(|uplink| {
            let [name, kind, state, owed, flight] =
                ["name", "kind", "state", "backlog", "in_flight"].map(|key| cell(&uplink[key]));
            let since = local(&uplink["since"]);
            let required = if uplink["required"] == true { "yes" } else { "no" }.to_owned();
            let [oldest, eta] = ["oldest_unsent_s", "eta_s"].map(|key| seconds(&uplink[key]));
            let [rate, reason] = ["rate_per_min", "reason"].map(|key| cell(&uplink[key]));
            [name, kind, state, since, required, owed, flight, oldest, rate, eta, reason]
        })
        .collect();
    let heading = [
        "uplink",
        "kind",
        "state",
        "since",
        "required",
        "owed",
        "in flight",
        "oldest",
        "per min",
        "eta",
        "reason",
    ];
    table(heading, &rows);
}
