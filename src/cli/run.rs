//! `run`

use std::sync::Arc;

use super::{Common, Exit, check};
use crate::service::{
    config::{Config, ConfigError},
    heart::HeartError,
    logging,
    notify::Manager,
    supervisor, user,
};

/// The controller.
pub(super) fn run(common: &Common) -> Exit {
    // A manager that cannot be reached gives the start up by itself, and says so.
    let manager = Arc::new(Manager::of_environment().unwrap_or_default());
    if let Err(error) = step_down(common) {
        manager.status(&format!("cannot start: {error:#}"));
        eprintln!("{error:#}");
        return Exit::Failed;
    }
    let config = match Config::load(&common.config) {
        Ok(config) => config,
        Err(faults) => {
            manager.status(&in_short(&faults));
            return check::tell(&faults);
        }
    };
    let logging = match logging::start(&config.log.level) {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("cannot start logging: {error:#}");
            return Exit::Failed;
        }
    };
    match supervisor::run(&config, &common.config, &logging, &manager) {
        Ok(()) => Exit::Done,
        // It is in the log already.
        Err(error) if is_wrong_config(&error) => Exit::Config,
        Err(_) => Exit::Failed,
    }
}

/// Root leaves the ledger to the user it belongs to. What is wrong with a config is told when all
/// of it is read.
fn step_down(common: &Common) -> anyhow::Result<()> {
    let Ok(paths) = common.paths() else { return Ok(()) };
    if let Some(user) = user::step_down(&paths)? {
        eprintln!("running as {}, whom {} belongs to", user.name(), paths.data_dir.display());
    }
    Ok(())
}

/// What is wrong with a config, in a line.
fn in_short(ConfigError(faults): &ConfigError) -> String {
    let first = faults.first().map(ToString::to_string).unwrap_or_default();
    match faults.len() {
        0 | 1 => format!("the config has faults: {first}"),
        more => format!("the config has faults: {first}; {} more", more - 1),
    }
}

/// Whether a restart with the same config would end the same way.
fn is_wrong_config(error: &anyhow::Error) -> bool {
    let clashes = matches!(error.downcast_ref(), Some(HeartError::Clashes(_)));
    clashes || error.is::<ConfigError>()
}
