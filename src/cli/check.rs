//! `check`

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
    let loaded = Config::load(&common.config);
    match loaded.and_then(|config| Roster::open(&config).map(|_| config)) {
        Ok(config) => {
            let warnings = config.warnings(&common.config, Clock::passing().now().wall.known_s());
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
