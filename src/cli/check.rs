//! `check`

use std::path::Path;

use serde_json::{Value, json};

use super::{Common, Exit, table};
use crate::{
    clock::Clock,
    service::{
        config::{Config, ConfigError, Fault},
        roster::Roster,
    },
};

/// Tells every fault of the config, or that there is none, and what soon will be one.
pub(super) fn run(common: &Common) -> Exit {
    match examine(&common.config) {
        Ok((config, warnings)) => {
            if common.json {
                table::json(&json!({ "faults": [], "warnings": documents(&warnings) }));
            }
            for warning in &warnings {
                eprintln!("{warning}");
            }
            let [piles, meters, uplinks] =
                [config.piles.len(), config.meters.len(), config.uplinks.len()];
            let file = common.config.display();
            eprintln!("{file}: good: {piles} pile(s), {meters} meter(s), {uplinks} uplink(s)");
            Exit::Done
        }
        Err(faults) if common.json => {
            table::json(&json!({ "faults": documents(&faults.0), "warnings": [] }));
            Exit::Config
        }
        Err(faults) => tell(&faults),
    }
}

/// A config without faults, and what soon will be one.
pub(super) fn examine(path: &Path) -> Result<(Config, Vec<Fault>), ConfigError> {
    let config = Config::load(path)?;
    roster(&config)?;
    let warnings = config.warnings(path, Clock::passing().now().wall.known_s());
    Ok((config, warnings))
}

/// Whether a config and the piles that have registered contradict each other.
pub(super) fn roster(config: &Config) -> Result<(), ConfigError> {
    Roster::open(config).map(|_| ())
}

fn documents(faults: &[Fault]) -> Vec<Value> {
    faults.iter().map(document).collect()
}

fn document(fault: &Fault) -> Value {
    json!({
        "file": fault.file,
        "line": fault.line,
        "key": fault.key,
        "text": fault.text,
        "hint": fault.hint,
    })
}

/// Tells what is wrong with a config.
pub(super) fn tell(faults: &ConfigError) -> Exit {
    eprintln!("{faults}");
    Exit::Config
}
