//! Serial ports, and ports of the network.

use super::{Topic, known};
use crate::cli::doctor::facts::{Controller, Facts, Port};

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    let ports = known(&facts.ports).map(Vec::as_slice).unwrap_or_default();
    let there: Vec<_> = ports.iter().filter(|port| port.device.is_some()).collect();
    for port in ports.iter().filter(|port| port.is_wanted) {
        match port.device {
            None => missing(port, &there, topic),
            Some(_) => usable(port, topic),
        }
    }
    // A controller that runs has them itself.
    if matches!(facts.controller, Ok(Controller::Absent)) {
        for listener in known(&facts.listeners).into_iter().flatten() {
            let who = listener.who.as_deref().unwrap_or("another program");
            let (key, port) = (&listener.key, listener.port);
            topic.severe(
                format!("port {port} ({key}) is taken: {who} listens there"),
                format!("ss -ltnp sport = :{port}; stop it, or take another port"),
            );
        }
    }
}

fn missing(port: &Port, there: &[&Port], topic: &mut Topic) {
    let path = port.path.display();
    let found: Vec<_> = there.iter().map(|port| port.path.display().to_string()).collect();
    let hint = match found.as_slice() {
        [] => "is the adapter plugged in? dmesg | grep tty".to_owned(),
        found => format!("is the adapter plugged in? found: {}", found.join(", ")),
    };
    topic.wrong(format!("a serial port of the config is not there: {path}"), hint);
}

fn usable(port: &Port, topic: &mut Topic) {
    let path = port.path.display();
    if port.is_allowed == Some(false) {
        topic.wrong(
            format!("the service may not use {path}: {} {:04o}", port.owner, port.mode),
            "usermod -aG dialout sitepilot; chgrp dialout and chmod g+rw for the port",
        );
    }
    if !port.holders.is_empty() {
        let holders = port.holders.join(", ");
        topic.wrong(
            format!("another program uses {path}: {holders}"),
            "a bus has one master: stop the other, such as ModemManager or a getty",
        );
    }
    if port.is_console {
        topic.wrong(
            format!("the kernel writes its messages to {path}"),
            "raspi-config, Interface, Serial: no login shell; or take console= out of the command line",
        );
    }
}
