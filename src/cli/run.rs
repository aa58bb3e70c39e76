//! `run`

use super::{Common, Exit, check};
use crate::service::{
    config::{Config, ConfigError},
    heart::HeartError,
    logging, supervisor,
};

/// The controller.
pub(super) fn run(common: &Common) -> Exit {
    let config = match Config::load(&common.config) {
        Ok(config) => config,
        Err(faults) => return check::tell(&faults),
    };
    let level = match logging::start(&config.log.level) {
        Ok(level) => level,
        Err(error) => {
            eprintln!("cannot start logging: {error:#}");
            return Exit::Failed;
        }
    };
    match supervisor::run(&config, &common.config, &level) {
        Ok(()) => Exit::Done,
        // It is in the log already.
        Err(error) if is_wrong_config(&error) => Exit::Config,
        Err(_) => Exit::Failed,
    }
}

/// Whether a restart with the same config would end the same way.
fn is_wrong_config(error: &anyhow::Error) -> bool {
    let clashes = matches!(error.downcast_ref(), Some(HeartError::Clashes(_)));
    clashes || error.is::<ConfigError>()
}
