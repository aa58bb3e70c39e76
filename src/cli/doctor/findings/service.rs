//! Whether the controller runs, and if not, why.

use super::{Topic, known, lasting};
use crate::cli::doctor::facts::{Answer, Controller, Facts, Unit, Unknown};

/// Less than that after a start, a restart is not over and done with.
const FRESH_S: u64 = 600;

/// As many restarts are no accident any more.
const MANY_RESTARTS: u64 = 3;

const LOOK: &str = "journalctl -u sitepilot";

/// Where the unit looks for its config.
const UNITS_CONFIG: &str = crate::cli::SERVICE_CONFIG;

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    let unit = known(&facts.unit).filter(|unit| unit.is_installed() && is_of_unit(facts, unit));
    match &facts.controller {
        Ok(Controller::Answers(answer)) => {
            answering(facts, answer, topic);
            unit.into_iter().for_each(|unit| running(unit, topic));
        }
        Ok(Controller::Absent) => match unit {
            Some(unit) => absent(unit, topic),
            None => topic.severe(
                "the controller does not run",
                "systemctl start sitepilot, or by hand: sitepilot run",
            ),
        },
        Ok(Controller::Silent(why)) => {
            let text = format!("the controller does not answer: {why}");
            topic.severe(text, format!("{LOOK}; then: systemctl restart sitepilot"));
        }
        // Whether it runs is not known; systemd may know.
        Err(Unknown(why)) => match unit {
            Some(unit) if !unit.is_running() => absent(unit, topic),
            unit => {
                let text = format!("how the controller is doing is not known: {why}");
                topic.note(text, "run it as root: sudo sitepilot doctor");
                unit.into_iter().for_each(|unit| running(unit, topic));
            }
        },
    }
    package(facts, topic);
}

/// Whether the unit runs the controller of the config that is looked at.
fn is_of_unit(facts: &Facts, unit: &Unit) -> bool {
    let config = facts.run.config.to_string_lossy();
    config == UNITS_CONFIG || unit.command.contains(&*config)
}

fn answering(facts: &Facts, answer: &Answer, topic: &mut Topic) {
    if !answer.stuck.is_empty() {
        let stuck = answer.stuck.join(", ");
        topic.severe(format!("the controller is stuck: {stuck}"), "systemctl restart sitepilot");
    }
    let version = answer.status["version"].as_str().unwrap_or_default();
    if !version.is_empty() && version != facts.run.version {
        let own = &facts.run.version;
        topic.wrong(
            format!(
                "the controller that runs is of another version: {version}, installed is {own}"
            ),
            "systemctl restart sitepilot",
        );
    }
}

fn running(unit: &Unit, topic: &mut Topic) {
    let fresh = unit.up_s.is_some_and(|up_s| up_s < FRESH_S);
    let restarts = unit.restarts;
    if restarts >= MANY_RESTARTS && fresh {
        let text = format!("the service ends again and again: {restarts} restarts");
        topic.severe(text, LOOK);
    } else if restarts > 0 {
        let up = unit.up_s.map(|up_s| format!(", the last {} ago", lasting(up_s)));
        let text = format!("systemd has restarted the service, times: {restarts}");
        topic.note(format!("{text}{}", up.unwrap_or_default()), LOOK);
    }
    if unit.oom_kills > 0 {
        let text =
            format!("the kernel has killed the controller for want of memory: {}", unit.oom_kills);
        topic.wrong(text, "systemctl show sitepilot -p MemoryMax; free -m");
    }
    if unit.is_replaced {
        topic.wrong("the program was replaced while it runs", "systemctl restart sitepilot");
    }
    if unit.enabled == "disabled" {
        let text = "the service runs, but will not start with the machine";
        topic.wrong(text, "systemctl enable sitepilot");
    }
    if unit.needs_reload {
        let text = "the unit has changed on disk since systemd has read it";
        topic.note(text, "systemctl daemon-reload");
    }
}

fn absent(unit: &Unit, topic: &mut Topic) {
    let Unit { active, sub, .. } = unit;
    match (active.as_str(), sub.as_str()) {
        _ if unit.load == "masked" => {
            topic.severe("the service is masked: it cannot start", "systemctl unmask sitepilot");
        }
        ("active" | "reloading", _) => topic.severe(
            "the service runs, but nobody answers at its control socket",
            "the socket of this config and of the running controller may differ; else: \
             systemctl restart sitepilot",
        ),
        (_, "auto-restart") => {
            let is_often = unit.restarts >= MANY_RESTARTS;
            let how = if is_often { "ends again and again" } else { "has ended, and starts again" };
            topic.severe(format!("the service {how}{}: {}", times(unit), why(unit)), hint(unit));
        }
        ("activating", _) => topic.wrong("the service is starting", LOOK),
        ("failed", _) => {
            topic.severe(
                format!("the service has failed{}: {}", times(unit), why(unit)),
                hint(unit),
            );
        }
        _ if unit.is_held_back => topic.severe(
            "the service does not start: a condition of its unit is not met, such as a config",
            "sudo sitepilot init",
        ),
        _ => topic.severe("the service is stopped", "systemctl start sitepilot"),
    }
    if unit.enabled == "disabled" {
        topic.wrong("the service does not start with the machine", "systemctl enable sitepilot");
    }
}

fn times(unit: &Unit) -> String {
    match unit.restarts {
        0 => String::new(),
        restarts => format!(" after {restarts} restarts"),
    }
}

/// Why it has ended, in words.
fn why(unit: &Unit) -> String {
    let status = &unit.status;
    match unit.result.as_str() {
        "exit-code" if status == "78" => "wrong config".to_owned(),
        "exit-code" => format!("it ended with status {status}"),
        "signal" | "core-dump" => format!("signal {status}"),
        "watchdog" => "it made no progress, and the watchdog ended it".to_owned(),
        "oom-kill" => "the kernel has killed it for want of memory".to_owned(),
        "timeout" => "it took too long to start or stop".to_owned(),
        other => other.to_owned(),
    }
}

fn hint(unit: &Unit) -> &'static str {
    match (unit.result.as_str(), unit.status.as_str()) {
        ("exit-code", "78") => "sudo sitepilot check; then: sudo systemctl start sitepilot",
        ("oom-kill", _) => "systemctl show sitepilot -p MemoryMax; free -m",
        _ => LOOK,
    }
}

fn package(facts: &Facts, topic: &mut Topic) {
    let Some(Some(package)) = known(&facts.package) else { return };
    let own = &facts.run.version;
    // A package's version has its own revision behind a dash.
    let is_same = package.split(['-', '~', '+']).next() == Some(own.as_str());
    if !is_same {
        topic.note(
            format!("this program is not the one of the package: {own}, the package is {package}"),
            "apt install --reinstall sitepilot, or remove one of the two",
        );
    }
}
