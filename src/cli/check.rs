//! `check`

use std::path::Path;

use serde_json::{Value, json};

use super::{Common, Exit, SERVICE_CONFIG, table};
use crate::{
    clock::Clock,
    service::{
        config::{Config, ConfigError, Fault, Paths},
        roster::Roster,
    },
    sys::user::{User, act_as, is_root, owner_of, user_named},
};

/// Whom the package makes the service work as.
const SERVICE_USER: &str = "sitepilot";

/// Tells every fault of the config, or that there is none, and what soon will be one.
pub(super) fn run(common: &Common) -> Exit {
    match examine_for_service(&common.config) {
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

/// The same as [`examine`], by root as whoever works with the config: root can read what the service
/// cannot, and a config that is good for root only lets no service start.
pub(super) fn examine_for_service(path: &Path) -> Result<(Config, Vec<Fault>), ConfigError> {
    // Credentials that are handed over beside the service are root's.
    let has_credentials = std::env::var_os("CREDENTIALS_DIRECTORY").is_some();
    match service_of(path).filter(|_| is_root() && !has_credentials) {
        Some(user) => act_as(user, || examine(path)).unwrap_or_else(|_| examine(path)),
        None => examine(path),
    }
}

/// Whom the service works as, if that is not root.
fn service_of(config: &Path) -> Option<User> {
    let data = Paths::load(config).ok().and_then(|paths| owner_of(&paths.data_dir).ok());
    data.filter(|owner| owner.uid != 0).or_else(|| {
        let is_packaged = config == Path::new(SERVICE_CONFIG);
        is_packaged.then(|| user_named(SERVICE_USER).ok().flatten()).flatten()
    })
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
