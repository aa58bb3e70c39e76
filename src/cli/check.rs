//! `check`

use super::{Common, Exit};
use crate::service::config::{Config, ConfigError};

/// Tells every fault of the config, or that there is none.
pub(super) fn run(common: &Common) -> Exit {
    match Config::load(&common.config) {
        Ok(config) => {
            let (piles, uplinks) = (config.piles.len(), config.uplinks.len());
            eprintln!("{}: good: {piles} piles, {uplinks} uplinks", common.config.display());
            Exit::Done
        }
        Err(faults) => tell(&faults),
    }
}

/// Tells what is wrong with a config.
pub(super) fn tell(faults: &ConfigError) -> Exit {
    eprintln!("{faults}");
    Exit::Config
}
