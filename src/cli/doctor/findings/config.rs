//! Whether the config is right.

use super::{Topic, known};
use crate::{
    cli::doctor::facts::Facts,
    service::config::{CREDENTIALS_BY_HAND, Fault},
};

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    let Some(config) = known(&facts.config) else { return };
    if !config.is_there {
        let file = facts.run.config.display();
        topic.severe(format!("there is no config: {file}"), "sudo sitepilot init");
        return;
    }
    for fault in &config.faults {
        topic.severe(text(fault), hint(fault));
    }
    // What is the matter with a port is told by what was found there.
    let is_of_port = |warning: &&Fault| warning.key.ends_with("serial.port");
    for warning in config.warnings.iter().filter(|warning| !is_of_port(warning)) {
        topic.wrong(text(warning), hint(warning));
    }
    if config.credentials > 0 {
        let text = format!("{} secret(s) of systemd were not looked at", config.credentials);
        topic.note(text, CREDENTIALS_BY_HAND);
    }
    if config.unjudged > 0 {
        let text = "the config could not be judged whole: this user may not read all of it";
        topic.note(text, "run it as root: sudo sitepilot doctor");
    }
}

fn text(fault: &Fault) -> String {
    Fault { hint: None, ..fault.clone() }.to_string()
}

fn hint(fault: &Fault) -> String {
    fault.hint.clone().unwrap_or_else(|| "sitepilot check".to_owned())
}
