//! `status`, `piles`, `uplinks`: what the running controller says.

use serde_json::Value;

use super::{
    Common, Exit, Failure,
    table::{NOTHING, cell, json, print, table},
};

/// `piles`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Piles {
    /// Piles of the config, and whether they are there
    List,
    /// Let a replaced or reset pile register again
    Forget {
        /// Its code
        code: String,
    },
}

/// `uplinks`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Uplinks {
    /// What each has, wants and owes
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

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The whole site.
pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let status = common.running()?.get("/api/v1/status")?;
    if common.json {
        json(&status);
        return Ok(Exit::Done);
    }
    let ledger = &status["ledger"];
    let site = &status["site"];
    print(&format!(
        "{} {}\nversion {}, up {} s, clock {}\n{} orders, {} running, {} not settled, {} MB free\n\n",
        cell(&site["code"]),
        cell(&site["name"]),
        cell(&status["version"]),
        cell(&status["uptime_s"]),
        cell(&status["clock"]),
        cell(&ledger["orders"]),
        cell(&ledger["open"]),
        cell(&ledger["unsettled"]),
        cell(&ledger["free_mb"]),
    ));
    uplink_table(&status["uplinks"]);
    print("\n");
    pile_table(&status["piles"]);
    for alarm in rows(&status["alarms"]) {
        print(&format!("\nalarm {}: {}\n", cell(&alarm["name"]), cell(&alarm["text"])));
    }
    Ok(Exit::Done)
}

/// `piles`
pub(super) fn piles(common: &Common, command: &Piles) -> Result<Exit, Failure> {
    match command {
        Piles::List => {
            let piles = common.running()?.get("/api/v1/piles")?;
            if common.json {
                json(&piles);
            } else {
                pile_table(&piles);
            }
            Ok(Exit::Done)
        }
        Piles::Forget { code } => {
            eprintln!("{code}: piles do not register by themselves in this version");
            eprintln!("hint: change its password_file, then restart the controller");
            Ok(Exit::Failed)
        }
    }
}

fn pile_table(piles: &Value) {
    let connectors = |pile: &Value| {
        let each = rows(&pile["connectors"]).map(|connector| {
            let mark = if connector["order"].is_null() { "" } else { "*" };
            format!("{}{mark}", connector["connector"])
        });
        each.collect::<Vec<_>>().join(" ")
    };
    let rows: Vec<_> = rows(piles)
        .map(|pile| {
            let [code, serial, state, since] =
                ["code", "serial", "state", "since"].map(|key| cell(&pile[key]));
            [code, serial, state, since, connectors(pile), cell(&pile["reason"])]
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
            eprintln!("{name}: {}", cell(&done["done"]));
        }
    }
    Ok(Exit::Done)
}

fn uplink_table(uplinks: &Value) {
    let seconds = |value: &Value| match value.as_u64() {
        Some(seconds) => format!("{seconds} s"),
        None => NOTHING.to_owned(),
    };
    let rows: Vec<_> = rows(uplinks)
        .map(|uplink| {
            let [name, kind, state, since, owed, flight] =
                ["name", "kind", "state", "since", "backlog", "in_flight"]
                    .map(|key| cell(&uplink[key]));
            let [oldest, eta] = ["oldest_unsent_s", "eta_s"].map(|key| seconds(&uplink[key]));
            [name, kind, state, since, owed, flight, oldest, eta, cell(&uplink["reason"])]
        })
        .collect();
    let heading =
        ["uplink", "kind", "state", "since", "owed", "in flight", "oldest", "eta", "reason"];
    table(heading, &rows);
}
